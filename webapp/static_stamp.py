"""Whether the static files were collected since they last changed."""

import hashlib
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command


def static_signature() -> str:
    """Return a digest over the names, sizes and times of all static files."""
    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([]):
            stat = Path(storage.path(name)).stat()
            digest.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def collect_if_changed() -> bool:
    """Collect the static files where they changed; tell whether they had to be."""
    stamp: Path = settings.STATIC_ROOT / ".signature"
    signature = static_signature()
    if stamp.exists() and stamp.read_text(encoding="ascii") == signature:
        return False
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    stamp.write_text(signature, encoding="ascii")
    return True
