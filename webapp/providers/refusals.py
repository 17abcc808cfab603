"""Language models that refused tools lately: media workers find it out, and pages say so."""

from hashlib import sha256
from typing import Final

import structlog
from django.core.cache import cache

from webapp.providers.endpoint import Choice, Endpoint

logger = structlog.get_logger(__name__)

# Noted again as long as the model is used.
KEPT_S: Final = 3600


def note_refusal(endpoint: Endpoint) -> None:
    """A model takes no tools. Never raises: a cache that is away loses a remark on a page, and nothing else."""
    try:
        cache.set(_name(endpoint), 1, KEPT_S)
    except Exception:
        logger.warning("It could not be noted that a language model refuses tools")


def refuses_tools(choice: Choice) -> bool:
    """Tell whether the mind of a choice refused tools when it was asked last. A cache that is away knows of none."""
    try:
        return choice.thinking is not None and bool(cache.get(_name(choice.thinking)))
    except Exception:
        return False


def _name(endpoint: Endpoint) -> str:
    return f"tools-refused:{sha256(f'{endpoint.url} {endpoint.model}'.encode()).hexdigest()}"
