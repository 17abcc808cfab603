"""A full disk: how it is told from other mistakes, and what people are told."""

import errno
from typing import Final

from django.db import OperationalError

FULL: Final = (
    "The disk of this machine is full, so nothing could be saved. Whoever runs Parlo has to make room; then try again."
)
# As SQLite and PostgreSQL say it.
WORDS: Final = ("disk is full", "no space left on device")


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or what it came from, is that there is no room to write."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if isinstance(error, OperationalError) and any(words in str(error).lower() for words in WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False


def sentence(error: BaseException, otherwise: str) -> str:
    """What to tell people of an error: that the disk is full, or something else where it is not."""
    return FULL if is_full(error) else otherwise
