"""Marking a face: who may ask for sketches, what is answered, and building with the points."""

import base64
import json
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.core.files.base import ContentFile
from django.test import Client

from avatars import marking
from avatars.builds import build_with_points
from avatars.marking import CHANNEL, answer
from avatars.models import Avatar, Build
from avatars.routing import websocket_urlpatterns
from tests.material import RACCOON, RACCOON_POINTS

pytestmark = pytest.mark.django_db(transaction=True)

POINTS = json.loads(RACCOON_POINTS.read_text())


@pytest.fixture
def build(make_avatar: Any) -> Build:
    avatar = make_avatar(files=False, state=Avatar.State.AWAITING_FACE_MARKING)
    source = ContentFile(RACCOON.read_bytes(), "source.jpg")
    marking._source.cache_clear()
    return Build.objects.create(
        avatar=avatar, source=source, state=Build.State.AWAITING_FACE_MARKING, size=Build.Size.TALL
    )


async def page(build: Build, user: Any) -> WebsocketCommunicator:
    communicator = WebsocketCommunicator(URLRouter(websocket_urlpatterns), f"/ws/build/{build.avatar.code}/")
    communicator.scope["user"] = user
    await communicator.connect()
    await communicator.receive_json_from()
    return communicator


async def test_a_page_asks_and_the_builder_draws(build: Build, creator: Any) -> None:
    socket = await page(build, creator)
    await socket.send_json_to({"type": "sketch", "number": 7, "points": POINTS, "kind": "animal"})
    layer = get_channel_layer()
    asked = await layer.receive(CHANNEL)
    assert (asked["build"], asked["number"], asked["kind"]) == (build.pk, 7, "animal")
    await layer.send(asked["reply_to"], await database_sync_to_async(answer)(asked))
    told = await socket.receive_json_from(timeout=5)
    assert (told["type"], told["number"], told["error"]) == ("sketch", 7, "")
    assert base64.b64decode(told["a"]).startswith(b"\xff\xd8\xff")
    assert told["a"] != told["m"]
    await socket.disconnect()


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        (None, "could not be read"),
        ({**POINTS, "chin": [1]}, "The point for the chin is missing."),
        ({**POINTS, "chin": ["1", 2]}, "lies outside the picture"),
    ],
)
async def test_points_that_are_none_never_reach_the_builder(
    build: Build, creator: Any, points: Any, sentence: str
) -> None:
    socket = await page(build, creator)
    await socket.send_json_to({"type": "sketch", "number": 1, "points": points})
    told = await socket.receive_json_from()
    assert told["type"] == "sketch"
    assert sentence in told["error"]
    await socket.disconnect()


async def test_other_words_are_ignored(build: Build, creator: Any) -> None:
    socket = await page(build, creator)
    for content in ({"type": "hello"}, [], "sketch", {"points": POINTS}):
        await socket.send_json_to(content)
    assert await socket.receive_nothing()
    await socket.disconnect()


async def test_somebody_who_tries_without_end_is_told_to_wait(
    build: Build, creator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marking, "SKETCHES_A_MINUTE", 2)
    socket = await page(build, creator)
    for number in range(3):
        await socket.send_json_to({"type": "sketch", "number": number, "points": POINTS})
    told = await socket.receive_json_from()
    assert told["number"] == 2
    assert "Wait a minute" in told["error"]
    await socket.disconnect()


async def test_an_avatar_that_is_gone_is_not_sketched(build: Build, creator: Any) -> None:
    socket = await page(build, creator)
    await Avatar.objects.all().adelete()
    await socket.send_json_to({"type": "sketch", "number": 1, "points": POINTS})
    assert await socket.receive_nothing()
    await socket.disconnect()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"points": {**POINTS, "chin": [618, 490]}}, "chin below the mouth"),
        ({"build": 10_000}, "The picture is gone."),
    ],
)
def test_what_cannot_be_drawn_is_answered_in_words(build: Build, change: dict[str, Any], sentence: str) -> None:
    asked = {"type": "sketch", "build": build.pk, "points": POINTS, "kind": "animal", "number": 3, "reply_to": "x"}
    told = answer(asked | change)
    assert (told["number"], told["a"]) == (3, "")
    assert sentence in told["error"]


def test_a_damaged_picture_is_answered_in_words(build: Build) -> None:
    build.source.save("source.jpg", ContentFile(b"\xff\xd8\xff nothing"))
    told = answer({"build": build.pk, "points": POINTS, "kind": "animal", "number": 1})
    assert told["error"]
    assert not told["a"]


def test_marking_goes_on_with_the_build_that_waits(build: Build) -> None:
    assert build_with_points(build, POINTS, "drawing")
    build.refresh_from_db()
    assert (build.state, build.kind, build.points) == (Build.State.QUEUED, "drawing", POINTS)
    assert Build.objects.count() == 1


@pytest.mark.parametrize("state", [Build.State.READY, Build.State.FAILED])
def test_a_build_that_ended_is_built_again_from_its_own_picture(build: Build, state: str) -> None:
    Build.objects.update(state=state)
    build.refresh_from_db()
    assert build_with_points(build, POINTS)
    again = build.avatar.latest_build
    assert again is not None
    assert again.pk != build.pk
    assert (again.size, again.points, again.state) == (Build.Size.TALL, POINTS, Build.State.QUEUED)
    assert again.source.name != build.source.name
    with again.source.open("rb") as opened:
        assert opened.read() == RACCOON.read_bytes()


def test_a_build_under_way_is_left_alone(build: Build) -> None:
    Build.objects.update(state=Build.State.RUNNING)
    build.refresh_from_db()
    assert not build_with_points(build, POINTS)


def test_the_editor_starts_where_the_build_found_the_face(build: Build, creator: Any, client: Client) -> None:
    build.state, build.report = Build.State.READY, {"measures": {"points": POINTS}}
    build.save()
    client.force_login(creator)
    content = client.get(f"/studio/{build.avatar.code}/").content.decode()
    assert json.dumps(POINTS["chin"]) in content
    assert "data-mark-again" in content
