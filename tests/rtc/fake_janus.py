"""Speaks Janus's API and takes packets like one, as far as forwarding needs it, and does as it is told by the test."""

import asyncio
import itertools
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from realtime.rtc import JanusServer

API_SECRET = "a secret for the whole API"
ADMIN_KEY = "a key for making mountpoints"
OFFER = "the server's offer"
WITHIN_S = 10.0


class FakeJanus:
    """`requests`: everything it was asked. `mountpoints`: what it holds, by number, as it was asked for.

    mute: it answers nothing to requests of these kinds; "all" is every kind.
    """

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.mountpoints: dict[int, dict[str, Any]] = {}
        self.ages_ms: dict[int, int] = {}
        self.mute: set[str] = set()
        self.viewers: dict[int, tuple[ServerConnection, int]] = {}
        self.connections: set[ServerConnection] = set()
        self.sockets = {name: _receiver() for name in ("sound", "picture", "feedback", "words")}
        self.server = JanusServer("", API_SECRET, ADMIN_KEY, b"of an installation")
        self._numbers = itertools.count(1000)
        self._listening: Server | None = None
        self._port = 0

    async def start(self) -> None:
        self._listening = await serve(self._talk, "127.0.0.1", self._port, subprotocols=["janus-protocol"])  # type: ignore[list-item]
        self._port = self._listening.sockets[0].getsockname()[1]
        self.server = JanusServer(f"ws://127.0.0.1:{self._port}", API_SECRET, ADMIN_KEY, self.server.key)

    async def die(self) -> None:
        """With everything that it holds."""
        if self._listening is not None:
            self._listening.close()
            await self._listening.wait_closed()
        self.mountpoints.clear()
        self.viewers.clear()

    async def close(self) -> None:
        await self.die()
        for each in self.sockets.values():
            each.close()

    def asked(self, kind: str) -> list[dict[str, Any]]:
        """What it was asked of this kind: of Janus, or of its plugin."""
        return [one for one in self.requests if kind in (one["janus"], one.get("body", {}).get("request"))]

    def received(self, name: str) -> list[bytes]:
        """The packets that came to a port since it was asked last."""
        found = []
        while True:
            try:
                found.append(self.sockets[name].recv(2000))
            except BlockingIOError:
                return found

    def port(self, name: str) -> int:
        return int(self.sockets[name].getsockname()[1])

    async def says(self, kind: str, handle: int | None = None) -> None:
        """Something about the connection of a viewer: by default of the last that came."""
        handle = max(self.viewers) if handle is None else handle
        connection, session = self.viewers[handle]
        await connection.send(json.dumps({"janus": kind, "session_id": session, "sender": handle}))

    async def _talk(self, connection: ServerConnection) -> None:
        self.connections.add(connection)
        try:
            async for text in connection:
                request = json.loads(text)
                self.requests.append(request)
                if self.mute & {"all", request["janus"], request.get("body", {}).get("request")}:
                    continue
                for answer in self._answers(connection, request):
                    await connection.send(json.dumps({"transaction": request["transaction"], **answer}))
        except ConnectionClosed:
            pass
        finally:
            self.connections.discard(connection)

    def _answers(self, connection: ServerConnection, request: dict[str, Any]) -> list[dict[str, Any]]:
        if request.get("apisecret") != API_SECRET:
            return [{"janus": "error", "error": {"code": 403, "reason": "Unauthorized request"}}]
        match request["janus"]:
            case "create" | "attach":
                return [{"janus": "success", "data": {"id": next(self._numbers)}}]
            case "message":
                return self._ask(connection, request)
            case "trickle" | "keepalive":
                return [{"janus": "ack"}]
            case "detach":
                self.viewers.pop(request["handle_id"], None)
        return [{"janus": "success"}]

    def _ask(self, connection: ServerConnection, request: dict[str, Any]) -> list[dict[str, Any]]:
        body, handle = request["body"], request["handle_id"]
        mountpoint = self.mountpoints.get(body.get("id", 0))
        match body["request"]:
            case "list":
                shown = body.get("admin_key") == ADMIN_KEY
                return [_said({"streaming": "list", "list": [self._shown(one) for one in self.mountpoints if shown]})]
            case "create" if body.get("admin_key") != ADMIN_KEY:
                return [_said({"error": "Unauthorized (wrong admin_key)"})]
            case "create":
                self.mountpoints[body["id"]] = body
                ports = [
                    {"mid": "a", "port": self.port("sound")},
                    {"mid": "v", "port": self.port("picture"), "rtcp_port": self.port("feedback")},
                    {"mid": "d", "port": self.port("words")},
                ]
                return [_said({"streaming": "created", "stream": {"id": body["id"], "ports": ports}})]
            case "destroy" if mountpoint is not None and mountpoint["secret"] == body.get("secret"):
                del self.mountpoints[body["id"]]
                return [_said({"streaming": "destroyed"})]
            case "watch" if mountpoint is not None and mountpoint["pin"] == body.get("pin"):
                self.viewers[handle] = connection, request["session_id"]
                offer = {"type": "offer", "sdp": OFFER}
                return [{"janus": "ack"}, {**_said({"result": {"status": "preparing"}}), "jsep": offer}]
            case "start" if "garbage" in request["jsep"]["sdp"]:
                return [{"janus": "error", "error": {"code": 465, "reason": "Error processing SDP"}}]
            case "start":
                return [{"janus": "ack"}, _said({"result": {"status": "starting"}})]
        return [_said({"error": "No such mountpoint, or unauthorized"})]

    def _shown(self, number: int) -> dict[str, Any]:
        media = [{"mid": mid, "age_ms": self.ages_ms.get(number, 0)} for mid in "avd"]
        return {"id": number, "description": self.mountpoints[number]["description"], "media": media}


def _said(data: dict[str, Any]) -> dict[str, Any]:
    return {"janus": "success", "plugindata": {"plugin": "janus.plugin.streaming", "data": data}}


def _receiver() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.setblocking(False)
    return made


@asynccontextmanager
async def fake_janus() -> AsyncIterator[FakeJanus]:
    fake = FakeJanus()
    await fake.start()
    try:
        yield fake
    finally:
        async with asyncio.timeout(WITHIN_S):
            await fake.close()
