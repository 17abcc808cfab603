"""The whole product as a visitor meets it: every process, on a port and a data folder of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Product:
    """A running Parlo. `start()` returns once it is ready to take visitors; `stop()` leaves nothing behind.

    host: under which its visitors reach it. settings: what its environment has besides, or in place of, the usual.
    """

    data_dir: Path
    port: int = field(default_factory=free_port)
    brain_port: int = field(default_factory=free_port)
    host: str = "localhost"
    settings: dict[str, str] = field(default_factory=dict)
    _supervisor: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PARLO_DATA_DIR": str(self.data_dir),
            "PORT": str(self.port),
            "BRAIN_PORT": str(self.brain_port),
            "DATABASE_URL": "",
            "REDIS_URL": "",
            "DEBUG": "0",
            "ICE_LOOPBACK": "1",
            "MEDIA_WORKERS": "1",
            "DJANGO_SETTINGS_MODULE": "webapp.settings",
            **self.settings,
        }

    def manage(self, *arguments: str) -> str:
        """Run one management command in this product's environment; returns what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=180,
        )
        if done.returncode:
            raise RuntimeError(f"manage.py {arguments[0]} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        return done.stdout

    def start(self, ready_within_s: float = 240) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        log = (self.data_dir / "product.log").open("wb")
        self._supervisor = subprocess.Popen(
            [sys.executable, "manage.py", "run"],
            cwd=ROOT,
            env=self.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        deadline = time.monotonic() + ready_within_s
        while time.monotonic() < deadline:
            if self._supervisor.poll() is not None:
                raise RuntimeError(f"Parlo stopped while starting:\n{self.log_tail()}")
            if "Parlo is ready" in self.log_tail():
                return
            time.sleep(0.2)
        raise RuntimeError(f"Parlo was not ready after {ready_within_s:.0f} s:\n{self.log_tail()}")

    def stop(self) -> None:
        if self._supervisor is None or self._supervisor.poll() is not None:
            return
        self._supervisor.send_signal(signal.SIGINT)
        try:
            self._supervisor.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._supervisor.pid, signal.SIGKILL)
            raise RuntimeError(f"Parlo did not stop within 20 s:\n{self.log_tail()}") from None

    def kill(self, words: str) -> None:
        """Kill, without a warning, every process of this product whose command line holds `words`."""
        assert self._supervisor is not None
        killed = 0
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            with suppress(OSError):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if words in command and parent == self._supervisor.pid:
                    os.kill(int(folder.name), signal.SIGKILL)
                    killed += 1
        assert killed, f"no process of Parlo runs {words}"

    def wait_until_ready(self, within_s: float = 60) -> None:
        deadline = time.monotonic() + within_s
        while not self._answers("/readyz"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"Parlo was not ready again after {within_s:.0f} s:\n{self.log_tail()}")
            time.sleep(0.2)

    def sessions(self) -> list[tuple[str, str]]:
        """State and reason of every session, newest first."""
        script = (
            "import json; from realtime.models import Session; "
            "print(json.dumps(list(Session.objects.values_list('state', 'reason'))))"
        )
        return [(state, reason) for state, reason in json.loads(self.manage("shell", "-v", "0", "-c", script))]

    def log_tail(self, size: int = 6000) -> str:
        return (self.data_dir / "product.log").read_text(errors="replace")[-size:]

    def _answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def text(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return str(answer.read().decode())

    def json(self, path: str) -> dict[str, object]:
        loaded: dict[str, object] = json.loads(self.text(path))
        return loaded
