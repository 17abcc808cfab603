"""The API of a Janus server, as far as forwarding needs it: one session over one WebSocket, and its handles."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from realtime.taskset import TaskSet

log = logging.getLogger(__name__)

PLUGIN: Final = "janus.plugin.streaming"
SUBPROTOCOL: Final = Subprotocol("janus-protocol")
ANSWER_WITHIN_S: Final = 5.0
CLOSE_WITHIN_S: Final = 2.0
# A session that says nothing for a minute is ended by the server.
KEEP_ALIVE_S: Final = 20.0

Heard = Callable[[dict[str, Any]], None]
"""Takes what the server says of one handle without having been asked."""


class JanusGone(Exception):
    """The server does not answer, or not any more."""


class JanusRefused(Exception):
    """The server answers that it will not."""


@dataclass(frozen=True, slots=True)
class JanusServer:
    """Where a Janus is, and what it wants to be told.

    url: of its WebSocket API. api_secret: for the whole API. admin_key: of its streaming plugin, for making mountpoints.
    key: what the secrets of this installation's mountpoints are derived from.
    rtp_host: where it takes packets; "" for the host of `url`.
    """

    url: str
    api_secret: str = field(default="", repr=False)
    admin_key: str = field(default="", repr=False)
    key: bytes = field(default=b"", repr=False)
    rtp_host: str = ""


class JanusSession:
    """`open` it, `close` it in every case. gone: called once when the server has gone by itself."""

    def __init__(self, server: JanusServer, gone: Callable[[], None]) -> None:
        self._server = server
        self._gone = gone
        self._socket: ClientConnection | None = None
        self._id = 0
        self._answers: dict[str, tuple[asyncio.Future[dict[str, Any]], bool]] = {}
        self._handles: dict[int, Heard] = {}
        self._tasks = TaskSet("a Janus session")
        self._over = False

    async def open(self) -> None:
        """Connect. Raises `JanusGone` and `JanusRefused`."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                self._socket = await connect(self._server.url, subprotocols=[SUBPROTOCOL])
        except (OSError, WebSocketException, TimeoutError) as error:
            self._over = True
            raise JanusGone(f"no connection to {self._server.url}: {error or type(error).__name__}") from error
        self._tasks.spawn(self._listen(self._socket))
        self._id = int((await self._request("create"))["data"]["id"])
        self._tasks.spawn(self._keep_alive())

    async def attach(self, heard: Heard = lambda event: None) -> int:
        """A new handle at the streaming plugin. Raises `JanusGone` and `JanusRefused`."""
        handle = int((await self._request("attach", plugin=PLUGIN))["data"]["id"])
        self._handles[handle] = heard
        return handle

    async def ask(self, handle: int, body: Mapping[str, Any], **values: Any) -> dict[str, Any]:
        """Ask the plugin something; its whole answer. Raises `JanusGone` and `JanusRefused`."""
        answer = await self._request("message", handle_id=handle, body=body, patient=True, **values)
        data = answer.get("plugindata", {}).get("data", {})
        if "error" in data:
            raise JanusRefused(f"{body['request']}: {data['error']}")
        return answer

    async def trickle(self, handle: int, candidate: Mapping[str, Any]) -> None:
        """Pass on an address of the browser's. Raises `JanusGone` and `JanusRefused`."""
        await self._request("trickle", handle_id=handle, candidate=candidate)

    async def detach(self, handle: int) -> None:
        """Let a handle go, and with it its connection. Raises `JanusGone` and `JanusRefused`."""
        if self._handles.pop(handle, None) is not None:
            await self._request("detach", handle_id=handle)

    async def close(self) -> None:
        """End the session and all its handles. Safe to call again."""
        with suppress(JanusGone, JanusRefused, TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._request("destroy")
        self._over = True
        await self._tasks.cancel()
        if self._socket is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_WITHIN_S):
                    await self._socket.close()

    async def _request(self, kind: str, *, patient: bool = False, **values: Any) -> dict[str, Any]:
        """Say something and wait for the answer. patient: an acknowledgement alone is none."""
        if self._socket is None or self._over:
            raise JanusGone("the connection is closed")
        transaction = uuid4().hex
        message = {"janus": kind, "transaction": transaction, **values}
        if self._id:
            message["session_id"] = self._id
        if self._server.api_secret:
            message["apisecret"] = self._server.api_secret
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[transaction] = answer, patient
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await self._socket.send(json.dumps(message))
                return await answer
        except (WebSocketException, TimeoutError) as error:
            raise JanusGone(f"no answer to {kind}") from error
        finally:
            del self._answers[transaction]

    async def _listen(self, socket: ClientConnection) -> None:
        with suppress(WebSocketException):
            async for text in socket:
                self._take(json.loads(text))
        self._lose("the connection was closed")

    def _take(self, message: dict[str, Any]) -> None:
        kind = message.get("janus")
        if kind == "timeout":
            self._lose("the session has timed out")
            return
        waiting = self._answers.get(message.get("transaction", ""))
        if waiting is None:
            if heard := self._handles.get(message.get("sender", 0)):
                heard(message)
            return
        answer, patient = waiting
        if answer.done() or (kind == "ack" and patient):
            return
        if kind == "error":
            answer.set_exception(JanusRefused(str(message["error"].get("reason"))))
        else:
            answer.set_result(message)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(KEEP_ALIVE_S)
            try:
                await self._request("keepalive")
            except (JanusGone, JanusRefused) as error:
                self._lose(str(error))
                return

    def _lose(self, reason: str) -> None:
        for answer, _ in self._answers.values():
            if not answer.done():
                answer.set_exception(JanusGone(reason))
        if not self._over:
            self._over = True
            log.warning("the Janus at %s has gone: %s", self._server.url, reason)
            self._gone()
