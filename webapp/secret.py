"""The installation's own secret key, made once and kept in the data directory."""

import os
from pathlib import Path
from secrets import token_urlsafe


def installation_secret(data_dir: Path) -> str:
    """Return the secret key of this installation, making it on first use.

    The file is readable by its owner only. Two processes that start together agree on one key: the loser of the race
    reads the winner's file.
    """
    path = data_dir / "secret_key"
    if not path.exists():
        draft = data_dir / f".secret_key.{os.getpid()}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(token_urlsafe(64))
        try:
            # A link, unlike a rename, never replaces a key that another process has just published.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii").strip()
