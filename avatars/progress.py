"""How far a build is, in the one shape that pages and WebSockets are told."""

from typing import Any

import structlog
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from avatars.models import Avatar, Build

logger = structlog.get_logger(__name__)


def group_name(code: str) -> str:
    """Name the channel group that hears about an avatar's builds."""
    return f"build_{code}"


def build_status(avatar: Avatar, build: Build | None) -> dict[str, Any]:
    """Describe an avatar's newest build as JSON values."""
    return {
        "type": "build",
        "code": avatar.code,
        "avatar_state": avatar.state,
        "state": build.state if build else avatar.state,
        "stage": build.stage if build else "",
        "progress": round(build.progress, 3) if build else 0.0,
        "message": (build.message if build else "") or avatar.state_sentence,
        "error_code": build.error_code if build else "",
        "finished": build is not None and build.state in Build.FINAL,
        "mouth": _mouth_status(build),
        "remarks": (build.report or {}).get("remarks", []) if build else [],
        "poster_url": avatar.poster_url,
        "preview_url": avatar.preview_url,
        "width": avatar.width,
        "height": avatar.height,
        "shape": avatar.shape,
    }


def _mouth_status(build: Build | None) -> dict[str, Any] | None:
    """Describe how far the person's own mouth has been learnt; None where nobody asked."""
    if build is None or not build.mouth:
        return None
    under_way = build.mouth in (Build.Mouth.WAITING, Build.Mouth.LEARNING)
    return {"under_way": under_way, "progress": round(build.mouth_progress, 3), "message": build.mouth_message}


def announce(avatar: Avatar, build: Build) -> None:
    """Tell the pages that watch.

    The database holds the truth and the pages re-read it, so a Valkey that is away costs a delay and not the build.
    """
    layer = get_channel_layer()
    message = {"type": "build.status", "status": build_status(avatar, build)}
    try:
        async_to_sync(layer.group_send)(group_name(avatar.code), message)
    except Exception as error:
        logger.warning("Build progress could not be announced", build=build.pk, reason=str(error))
