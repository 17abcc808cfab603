"""Session tokens: with one the same page comes back to the same conversation. They live in the page, for an hour."""

from typing import Final
from uuid import UUID

from django.core import signing

SALT: Final = "realtime.session"
LIFETIME_S: Final = 3600


def issue_token(session_id: UUID, avatar_code: str) -> str:
    """Sign a session for the page that opened it."""
    return signing.dumps([session_id.hex, avatar_code], salt=SALT)


def read_token(token: object, avatar_code: str) -> UUID | None:
    """The session of a token for this avatar; None for one that is forged, too old, or another avatar's."""
    if not isinstance(token, str) or len(token) > 500:
        return None
    try:
        session, code = signing.loads(token, salt=SALT, max_age=LIFETIME_S)
        return UUID(hex=session) if code == avatar_code else None
    except (signing.BadSignature, ValueError, TypeError):
        return None
