"""`manage.py run`: all of Parlo on this machine, with one command."""

import asyncio
import errno
import fcntl
import json
import os
import socket
import ssl
import sys
import time
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from webapp.programs import programs
from webapp.static_stamp import collect_if_changed
from webapp.supervisor import Supervisor

READY_WITHIN_S = 60.0


class Command(BaseCommand):
    """Prepares the data directory, then keeps every process running until Ctrl-C."""

    failure: Exception | None = None
    help = "Run Parlo: Valkey, web, media workers, builder and the local brain, until Ctrl-C."

    def handle(self, **options: Any) -> None:
        """Check, then prepare while those that need nothing prepared start already."""
        with self._only_one():
            self._check_port()
            supervisor = Supervisor(programs(), self._write, folder=settings.BASE_DIR)
            asyncio.run(supervisor.run(lambda: self._prepare_and_announce(supervisor)))
            if self.failure is not None:
                raise CommandError(f"Parlo could not be prepared: {self.failure}") from self.failure
            self._write("Parlo has stopped.")

    async def _prepare_and_announce(self, supervisor: Supervisor) -> None:
        try:
            await asyncio.to_thread(self._prepare)
        except Exception as error:
            self.failure = error
            supervisor.stopping.set()
            return
        supervisor.prepared.set()
        await self._announce()
        supervisor.ready.set()

    def _prepare(self) -> None:
        """Bring tables, static files and demo avatars up to date."""
        try:
            call_command("migrate", interactive=False, verbosity=0)
            if collect_if_changed():
                self._write("Static files collected.")
            call_command("seed_demo", stdout=self.stdout)
        finally:
            connection.close()

    def _write(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def _only_one(self) -> IO[str]:
        """Hold the data directory's lock; it goes when this process goes."""
        lock = (settings.PARLO_DATA_DIR / "run.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CommandError(
                f"Parlo already runs with the data directory {settings.PARLO_DATA_DIR}. "
                "Stop it first, or set PARLO_DATA_DIR to another directory."
            ) from error
        return lock

    def _check_port(self) -> None:
        """Refuse in words when the port cannot be had."""
        family = socket.AF_INET6 if ":" in settings.BIND else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.BIND, settings.PORT))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    reason = "is in use by another program"
                elif error.errno == errno.EACCES:
                    reason = "may not be used by this user"
                else:
                    reason = f"cannot be used on {settings.BIND} ({os.strerror(error.errno or 0)})"
                raise CommandError(
                    f"Port {settings.PORT} {reason}. Choose another one: PORT={settings.PORT + 80} make run"
                ) from error

    async def _announce(self) -> None:
        """Say the address once everything that a conversation needs answers."""
        started = time.monotonic()
        told = False
        while True:
            ready, missing = await asyncio.to_thread(readiness)
            if ready and not await asyncio.to_thread(demos_unfinished):
                self._write(f"\nParlo is ready: {address()}\nPress Ctrl-C to stop it.\n")
                return
            if not told and time.monotonic() - started > READY_WITHIN_S:
                told = True
                missing = missing or "The demo avatars are still being built."
                self._write(f"\nParlo is not ready yet: {missing} `{sys.executable} manage.py doctor` may say why.\n")
            await asyncio.sleep(0.2)


def demos_unfinished() -> bool:
    """Whether a demo avatar is still being built: who opens the gallery at once should find somebody there."""
    from avatars.models import Avatar

    waiting = [Avatar.State.QUEUED, Avatar.State.BUILDING]
    try:
        return Avatar.objects.filter(demo=True, imx="", state__in=waiting).exists()
    finally:
        connection.close()


def reachable_host() -> str:
    """Return the host under which this machine reaches the web process."""
    bind = settings.BIND
    if bind in {"127.0.0.1", "0.0.0.0", "localhost"}:  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return "[::1]" if bind == "::" else f"[{bind}]" if ":" in bind else str(bind)


def address() -> str:
    """Return the address to open in a browser on this machine."""
    host = reachable_host()
    return f"{scheme()}://{'localhost' if host in {'127.0.0.1', '[::1]'} else host}:{settings.PORT}/"


def scheme() -> str:
    """Return how the web process is spoken to."""
    return "https" if settings.TLS_CERTIFICATE else "http"


def readiness() -> tuple[bool, str]:
    """Ask the web process whether all is there; if not, return what is missing in words."""
    # Asked by a name that ALLOWED_HOSTS lets pass.
    name = next((name.lstrip(".") for name in settings.ALLOWED_HOSTS if name != "*"), "localhost")
    url = f"{scheme()}://{reachable_host()}:{settings.PORT}/readyz"
    request = Request(url, headers={"Host": name})  # noqa: S310 - our own address
    # Our own process on our own machine: the certificate may be for other names.
    unverified = ssl._create_unverified_context()  # noqa: S323
    try:
        with urlopen(request, timeout=5, context=unverified):  # noqa: S310 - our own address
            return True, ""
    except HTTPError as error:
        try:
            parts = json.load(error)["parts"]
            return False, " ".join(part["message"] for part in parts.values() if not part["ok"])
        except (ValueError, KeyError):
            return False, f"The web process answers with status {error.code}."
    except (URLError, OSError):
        return False, "The web process does not answer."
