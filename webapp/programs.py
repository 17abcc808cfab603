"""The processes Parlo consists of on one machine."""

import signal
import sys
from typing import Final

from django.conf import settings

from webapp.supervisor import Program

# One thread per numeric library: the processes are the parallelism. Media workers allocate and free whole pictures all
# the time; without these, glibc gives the memory back to the system and faults it in again for every frame.
LEAN: Final = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
    "MALLOC_TRIM_THRESHOLD_": "268435456",
    "MALLOC_MMAP_THRESHOLD_": "268435456",
    "MALLOC_TOP_PAD_": "16777216",
}


def programs() -> list[Program]:
    """Return what runs under the current settings, in the order it starts."""
    manage = (sys.executable, str(settings.BASE_DIR / "manage.py"))
    web = [sys.executable, "-m", "daphne", "-v", "0", "--server-name", "parlo"]
    if settings.BEHIND_TLS_PROXY:
        web.append("--proxy-headers")
    if settings.TLS_CERTIFICATE:
        parts = {
            "port": str(settings.PORT),
            "interface": settings.BIND,
            "privateKey": str(settings.TLS_KEY),
            "certKey": str(settings.TLS_CERTIFICATE),
        }
        web += ["-e", ":".join(["ssl", *(f"{name}={_escaped(value)}" for name, value in parts.items())])]
    else:
        web += ["-b", settings.BIND, "-p", str(settings.PORT)]
    web.append("webapp.asgi:application")
    found = []
    if settings.VALKEY_EMBEDDED:
        found.append(Program("valkey", (*manage, "valkey"), {}, needed_to_stop=True))
    found.append(
        Program("web", web, {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}, waits=True)
    )
    for number in range(1, settings.MEDIA_WORKERS + 1):
        # One is enough to begin with.
        # By SIGTERM it would first finish what it says and move its conversations to another.
        found.append(
            Program(f"media.{number}", (*manage, "mediaworker"), LEAN, late=number > 1, stopped_by=signal.SIGINT)
        )
    found.append(Program("builder", (*manage, "builder", "--no-startup-delay", "--interval", "0.5"), LEAN, waits=True))
    if not settings.LLM_URL:
        found.append(Program("brain", (*manage, "brain"), {"PYTHONUNBUFFERED": "1"}))
    return found


def _escaped(text: str) -> str:
    """Write text into a Twisted endpoint's description, where colons part the values."""
    return text.replace("\\", "\\\\").replace(":", "\\:")
