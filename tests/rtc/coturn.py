"""A real TURN server on this machine, for as long as a test needs it."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from realtime.rtc import TurnServer

SECRET = "a secret that nobody guesses"
WITHIN_S = 10.0

needs_coturn = pytest.mark.skipif(
    shutil.which("turnserver") is None, reason="there is no coturn here (Debian: apt-get install coturn)"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Coturn:
    """Listens for UDP and TCP at `port`, for TLS at `tls_port` where it has a certificate."""

    host: str
    port: int
    tls_port: int

    def server(self, username: str, password: str, transport: str = "udp", *, tls: bool = False) -> TurnServer:
        return TurnServer(self.host, self.tls_port if tls else self.port, transport, tls, username, password)


@contextmanager
def coturn(
    folder: Path,
    *,
    options: Sequence[str] = ("-n", "--no-tls"),
    host: str = "127.0.0.1",
    relay: str = "",
    inside: Sequence[str] = (),
    secret: bool = True,
) -> Iterator[Coturn]:
    """Run it at `host`, with relays there or at `relay`.

    inside: what its command line begins with. secret: it asks for time-limited credentials.
    """
    server = Coturn(host, free_port(), free_port())
    command = [
        *inside,
        "turnserver",
        "--no-cli",
        *(("--use-auth-secret", f"--static-auth-secret={SECRET}") if secret else ()),
        "--realm=parlo.test",
        f"--listening-ip={host}",
        f"--relay-ip={relay or host}",
        f"--listening-port={server.port}",
        f"--tls-listening-port={server.tls_port}",
        "--allow-loopback-peers",
        "--no-dtls",
        "--log-file=stdout",
        f"--userdb={folder / 'turndb'}",
        f"--pidfile={folder / 'pid'}",
        *options,
    ]
    with (folder / "coturn.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait(folder / "coturn.log", process)
        yield server
    finally:
        process.terminate()
        process.wait(WITHIN_S)


def _wait(log: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while "Total General servers" not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"coturn did not start:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.05)
