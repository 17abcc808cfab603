"""A real Janus on this machine, for as long as a test needs it."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from realtime.rtc import JanusServer, loopback
from tests.rtc.coturn import free_port

API_SECRET = "a secret for the whole API"
ADMIN_KEY = "a key for making mountpoints"
WITHIN_S = 20.0
RTP_PORTS = "21000-21999"
ICE_PORTS = "22000-22999"

needs_janus = pytest.mark.skipif(
    shutil.which("janus") is None, reason="there is no Janus here (Debian: apt-get install janus)"
)


class Janus:
    """A server of its own ports and folder; `start` and `stop` it as often as needed."""

    def __init__(self, folder: Path, *, viewers_at: str) -> None:
        self.port = free_port()
        self.server = JanusServer(f"ws://127.0.0.1:{self.port}", API_SECRET, ADMIN_KEY, key=b"of an installation")
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        files = {
            "janus.jcfg": f"""
                general: {{ configs_folder = "{folder}"; api_secret = "{API_SECRET}"; debug_level = 4; }}
                nat: {{ ice_enforce_list = "{viewers_at}"; ignore_mdns = true; }}
                media: {{ rtp_port_range = "{ICE_PORTS}"; ipv6 = false; }}
                plugins: {{ disable = "{_all_but("plugins", "libjanus_streaming.so")}" }}
                transports: {{ disable = "{_all_but("transports", "libjanus_websockets.so")}" }}
            """,
            "janus.transport.websockets.jcfg": f"""
                general: {{ ws = true; ws_port = {self.port}; ws_ip = "127.0.0.1"; wss = false; }}
            """,
            "janus.plugin.streaming.jcfg": f"""
                general: {{ admin_key = "{ADMIN_KEY}"; rtp_port_range = "{RTP_PORTS}"; }}
            """,
        }
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text)

    @property
    def settings(self) -> dict[str, str]:
        """What a Parlo is told of it."""
        return {
            "JANUS_URL": self.server.url,
            "JANUS_API_SECRET": self.server.api_secret,
            "JANUS_ADMIN_KEY": self.server.admin_key,
        }

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["janus", f"--configs-folder={self._folder}", "--disable-colors"],
                cwd=self._folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline_s = time.monotonic() + WITHIN_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"Janus did not start:\n{self.log[-3000:]}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with connect(self.server.url, subprotocols=["janus-protocol"]):  # type: ignore[list-item]
                return True
        except (OSError, WebSocketException):
            return False

    def stop(self) -> None:
        """As a machine that loses its power would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(WITHIN_S)
            self._process = None


def _all_but(kind: str, wanted: str) -> str:
    (folder,) = Path("/usr/lib").glob(f"**/janus/{kind}")
    return ",".join(sorted(path.name for path in folder.glob("*.so") if path.name != wanted))


def address_of_this_machine() -> str:
    """One that is not the loopback's, which Janus offers to nobody."""
    found = loopback._network_addresses(use_ipv4=True, use_ipv6=False)
    if not found:
        pytest.skip("this machine has no address but the loopback's, and Janus offers no other")
    return found[0]


@contextmanager
def janus(folder: Path) -> Iterator[Janus]:
    """Run it for viewers on this machine."""
    running = Janus(folder, viewers_at=address_of_this_machine())
    try:
        running.start()
        yield running
    finally:
        running.stop()
