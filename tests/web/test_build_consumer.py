"""The WebSocket that tells how a build goes."""

from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser

from avatars import consumers
from avatars.models import Avatar, Build
from avatars.progress import announce
from avatars.routing import websocket_urlpatterns

pytestmark = pytest.mark.django_db(transaction=True)


def connect(code: str, user: Any) -> WebsocketCommunicator:
    communicator = WebsocketCommunicator(URLRouter(websocket_urlpatterns), f"/ws/build/{code}/")
    communicator.scope["user"] = user
    return communicator


@pytest.fixture
def build(avatar: Avatar) -> Build:
    return Build.objects.create(avatar=avatar, state=Build.State.RUNNING, stage="faces", progress=0.25, message="Now.")


async def test_it_sends_the_state_and_then_every_change(build: Build, creator: Any) -> None:
    socket = connect(build.avatar.code, creator)
    connected, _ = await socket.connect()
    assert connected
    first = await socket.receive_json_from()
    assert (first["type"], first["state"], first["stage"], first["progress"]) == ("build", "running", "faces", 0.25)
    assert not first["finished"]
    build.state, build.progress, build.message = Build.State.READY, 1.0, "Done."
    await database_sync_to_async(build.save)()
    await database_sync_to_async(announce)(build.avatar, build)
    second = await socket.receive_json_from()
    assert (second["state"], second["progress"], second["message"]) == ("ready", 1.0, "Done.")
    assert second["finished"]
    await socket.disconnect()


async def test_a_lost_announcement_is_made_good(build: Build, creator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "REREAD_S", 0.02)
    socket = connect(build.avatar.code, creator)
    await socket.connect()
    await socket.receive_json_from()
    await Build.objects.aupdate(progress=0.5)
    assert (await socket.receive_json_from())["progress"] == 0.5
    await socket.disconnect()


async def test_it_is_for_the_owner_alone(build: Build, user: Any) -> None:
    for somebody, close_code in ((user, 4404), (AnonymousUser(), 4401)):
        socket = connect(build.avatar.code, somebody)
        await socket.connect()
        closing = await socket.receive_output()
        assert (closing["type"], closing["code"]) == ("websocket.close", close_code)
