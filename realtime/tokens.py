"""Session tokens: with one the same page comes back to the same conversation. They live in the page, for an hour."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.core import signing

SALT: Final = "realtime.session"
LIFETIME_S: Final = 3600
# By so much somebody may put the clock of this machine forward, and pages still come back.
# Where nobody does, tokens last as much longer.
CLOCK_MAY_JUMP_S: Final = 3600
LONGEST: Final = 500
# Of the slip that a page brings beside its token (`slip.py`): a data channel carries 64 KiB in one message.
LONGEST_SLIP: Final = 60_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a conversation is held: its session, and the name of the media worker."""

    session: UUID
    worker: str


def issue_token(place: Place, avatar_code: str) -> str:
    """Sign a place for the page that talks there."""
    return signing.dumps([place.session.hex, place.worker, avatar_code], salt=SALT)


def read_token(token: object, avatar_code: str) -> Place | None:
    """The place in a token for this avatar; None for one that is forged, too old, or another avatar's."""
    if not isinstance(token, str) or len(token) > LONGEST:
        return None
    try:
        session, worker, code = signing.loads(token, salt=SALT, max_age=LIFETIME_S + CLOCK_MAY_JUMP_S)
        return Place(UUID(hex=session), worker) if code == avatar_code else None
    except (signing.BadSignature, ValueError, TypeError):
        return None
