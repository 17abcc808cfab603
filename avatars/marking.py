"""Marking a face: the page asks, the builder draws. A creator sees /a/ and /m/ while the six points are still moving.

Pictures of strangers are only ever decoded in the builder, so that is where the sketches are drawn, in a thread of its
own beside the builds. Questions and answers go over the channel layer; one that is lost is asked again by the page.
"""

from __future__ import annotations

import asyncio
import base64
import tempfile
import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog
from channels.layers import get_channel_layer
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import close_old_connections

from avatars.forms import read_points
from avatars.models import Avatar, Build

if TYPE_CHECKING:
    from avatars.build.decode import Source

logger = structlog.get_logger(__name__)

CHANNEL: Final = "face-sketches"
SKETCHES_A_MINUTE: Final = 90
PICTURES_KEPT: Final = 2


def question(content: dict[str, Any], avatar: Avatar, reply_to: str) -> dict[str, Any]:
    """Return the builder's question for what a page sent, to be answered on the channel `reply_to`.

    Raises `ValidationError` with a sentence where the points are none or the creator asks too often.
    """
    points = read_points(content.get("points"))
    kind = content.get("kind") if content.get("kind") in Avatar.Kind.values else ""
    build = avatar.latest_build
    if build is None or not build.source:
        raise ValidationError("The picture is gone. Upload it again.")
    _count(avatar)
    number = content.get("number")
    return {
        "type": "sketch",
        "build": build.pk,
        "points": points,
        "kind": str(kind),
        "number": number if isinstance(number, int) else 0,
        "reply_to": reply_to,
    }


def _count(avatar: Avatar) -> None:
    """Take note of one sketch. Raises `ValidationError` where it is one too many for this minute."""
    key = f"sketches:{avatar.owner_id}"
    cache.add(key, 0, timeout=60)
    try:
        count = cache.incr(key)
    except ValueError:  # the minute ended between the two calls
        return
    if count > SKETCHES_A_MINUTE:
        raise ValidationError("That was a lot of trying. Wait a minute, then go on.")


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Draw what was asked for; what cannot be drawn is answered with a sentence."""
    from avatars.build import BuildRefused, FacePoints, sketch_face
    from avatars.engine.portrait import Kind

    answered: dict[str, Any] = {"type": "build.sketched", "number": asked["number"], "error": "", "a": "", "m": ""}
    try:
        kind = Kind(asked["kind"]) if asked["kind"] else None
        drawn = sketch_face(_source(asked["build"]), FacePoints.from_json(asked["points"]), kind)
    except BuildRefused as refusal:
        return answered | {"error": refusal.message}
    except FileNotFoundError:
        return answered | {"error": "The picture is gone. Upload it again."}
    except Exception:
        logger.exception("A face could not be sketched", build=asked["build"])
        return answered | {"error": "Parlo made a mistake while drawing this preview. You can build all the same."}
    return answered | {"a": _text(drawn.sound_a), "m": _text(drawn.sound_m)}


def _text(picture: bytes) -> str:
    return base64.b64encode(picture).decode("ascii")


@lru_cache(maxsize=PICTURES_KEPT)
def _source(build_id: int) -> Source:
    """Return the decoded picture of a build; a creator asks for the same one again and again."""
    from avatars.build.decode import decode

    build = Build.objects.filter(pk=build_id).first()
    if build is None or not build.source:
        raise FileNotFoundError
    with tempfile.TemporaryDirectory(prefix="parlo-sketch-") as folder, build.source.open("rb") as stored:
        path = Path(folder) / Path(build.source.name or "source").name
        path.write_bytes(stored.read())
        return decode(path)


def answer_until(stop: threading.Event) -> None:
    """Answer the pages' questions until told to stop; the builder runs this in a thread."""
    asyncio.run(_answer_until(stop))


async def _answer_until(stop: threading.Event) -> None:
    layer = get_channel_layer()
    while not stop.is_set():
        try:
            asked = await layer.receive(CHANNEL)
            await layer.send(asked["reply_to"], await asyncio.to_thread(_answered, asked))
        except Exception as error:
            logger.warning("Sketches cannot be asked for", reason=str(error))
            await asyncio.sleep(1)


def _answered(asked: dict[str, Any]) -> dict[str, Any]:
    close_old_connections()
    try:
        return answer(asked)
    finally:
        close_old_connections()
