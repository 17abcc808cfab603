"""Keys at rest: sealed with the installation's secret key, so that a copy of the database alone opens none."""

import base64
import hmac
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

PURPOSE: Final = b"parlo.providers.sealing"


class SealBroken(Exception):
    """What was sealed cannot be opened: the secret key has changed. The text is a sentence."""


def box(purpose: bytes = PURPOSE) -> MultiFernet:
    """What seals and opens for one purpose, and nothing of another's. The newest key seals; all of them open."""
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    keys = (hmac.digest(secret.encode(), purpose, "sha256") for secret in secrets)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])


def seal(text: str) -> str:
    """Return `text` sealed; "" stays ""."""
    return box().encrypt(text.encode()).decode() if text else ""


def unseal(sealed: str) -> str:
    """Open what `seal` returned. Raises `SealBroken`."""
    if not sealed:
        return ""
    try:
        return box().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise SealBroken(
            "The stored key cannot be read any more, because SECRET_KEY changed. Enter it again."
        ) from error


def resealed(sealed: str) -> str:
    """Return the same, sealed with the newest key. Raises `SealBroken`."""
    return seal(unseal(sealed))
