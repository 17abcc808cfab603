"""Both ends of the signalling: a page's WebSocket, and a media worker that does as it is told by the test."""

import asyncio
import json
from typing import Any

from channels.layers import get_channel_layer
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser

from realtime.placement import Registration, WorkerRecord
from realtime.routing import websocket_urlpatterns

WITHIN_S = 10.0


class PageSocket:
    """One WebSocket of one page."""

    def __init__(self, code: str, user: Any = None, *, where: str = "talk") -> None:
        self._socket = WebsocketCommunicator(URLRouter(websocket_urlpatterns), f"/ws/{where}/{code}/")
        self._socket.scope["user"] = user or AnonymousUser()

    async def connect(self) -> None:
        accepted, _ = await self._socket.connect(WITHIN_S)
        assert accepted

    async def say(self, **message: Any) -> None:
        await self.say_text(json.dumps(message))

    async def say_text(self, text: str) -> None:
        await self._socket.send_to(text_data=text)

    async def say_bytes(self, data: bytes) -> None:
        await self._socket.send_to(bytes_data=data)

    async def hear(self) -> dict[str, Any]:
        """The next message; fails where the socket is closed instead."""
        heard: dict[str, Any] = json.loads(await self._socket.receive_from(WITHIN_S))
        return heard

    async def closed(self) -> int:
        """The code with which the server closes, after whatever else it says."""
        while (output := await self._socket.receive_output(WITHIN_S))["type"] != "websocket.close":
            pass
        return int(output["code"])

    async def hears_nothing(self) -> bool:
        """Whether everything the page has said so far is answered and nothing more comes."""
        await self.say(type="ping")
        return await self.hear() == {"type": "pong"}

    async def go(self, code: int = 1006) -> None:
        """The network is gone, or, with code 1001, the tab."""
        await self._socket.disconnect(code, WITHIN_S)

    async def join(self, token: Any = None, **introduction: Any) -> None:
        await self.connect()
        await self.say(type="join", token=token, **introduction)


class FakeWorker:
    """Known to the web process, and answers nothing by itself."""

    def __init__(self, name: str = "one", capacity: int = 4, sessions: int = 0, rooms: tuple[str, ...] = ()) -> None:
        self.record = WorkerRecord(name, f"media.{name}", capacity, sessions, rooms)
        self.registration = Registration()
        self.registration.beat(self.record)

    async def told(self, kind: str) -> dict[str, Any]:
        """The next message, which has to be of this kind."""
        async with asyncio.timeout(WITHIN_S):
            message: dict[str, Any] = await get_channel_layer().receive(self.record.channel)
        assert message["type"] == kind
        return message

    @property
    def untold(self) -> bool:
        """Whether no message waits."""
        queue = get_channel_layer().channels.get(self.record.channel)
        return queue is None or queue.empty()

    async def say(self, to: dict[str, Any], kind: str, **values: Any) -> None:
        """Answer a message of the page's."""
        await get_channel_layer().send(to["reply"], {"type": f"media.{kind}", "session": to["session"], **values})

    async def open(self) -> dict[str, Any]:
        """Let the page that asks next in; returns what it asked with."""
        asked = await self.told("open")
        await self.say(asked, "opened", place=asked["session"])
        return asked
