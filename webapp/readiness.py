"""Whether the parts that a conversation needs are there."""

from typing import TypedDict

from django.conf import settings
from django.core.cache import cache
from django.db import connection


class Part(TypedDict):
    """One part: is it there, and in words."""

    ok: bool
    message: str


def database() -> Part:
    """Ask the database something."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception as error:
        return {"ok": False, "message": f"The database does not answer: {error}"}
    return {"ok": True, "message": "The database answers."}


def valkey() -> Part:
    """Ask Valkey something."""
    try:
        cache.get("readiness")
    except Exception as error:
        return {"ok": False, "message": f"Valkey does not answer: {error}"}
    return {"ok": True, "message": "Valkey answers."}


def media_workers() -> Part:
    """Count the media workers whose heart beats."""
    from realtime.placement import live_workers

    try:
        count = len(live_workers())
    except Exception as error:
        return {"ok": False, "message": f"The media workers cannot be counted: {error}"}
    if not count:
        return {"ok": False, "message": "No media worker is running."}
    return {"ok": True, "message": f"Media workers running: {count}."}


def brain() -> Part:
    """Ask the local brain whether it has loaded; a remote one is asked when it is needed."""
    from realtime.brain import brain_ready, brain_url
    from webapp.providers.chosen import for_all

    choice = for_all()
    if choice.thinking or choice.conversing:
        return {"ok": True, "message": "A language model elsewhere is chosen."}
    if brain_ready(brain_url(settings.BRAIN_PORT)):
        return {"ok": True, "message": "The local brain answers."}
    return {"ok": False, "message": "The local brain does not answer yet."}


def readiness() -> dict[str, Part]:
    """Look at every part."""
    return {"database": database(), "valkey": valkey(), "media": media_workers(), "brain": brain()}
