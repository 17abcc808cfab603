"""Signalling: the page and the media worker arrange a call through this WebSocket. No media pass through it."""

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import Any, Final
from uuid import UUID, uuid4

import structlog
from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings

from avatars.models import Avatar
from avatars.permissions import can_talk, can_view
from realtime.forwarding import is_forwarding
from realtime.ice import ice_servers
from realtime.placement import WorkerRecord, find_worker, least_loaded
from realtime.rooms import Door, find_door, room_worker
from realtime.throttle import too_often
from realtime.tokens import LONGEST_SLIP, Place, issue_token, read_token

logger = structlog.get_logger(__name__)

# What browsers say of a socket whose page goes, and of no other.
PAGE_CLOSED: Final = 1001
CLOSE_NOT_FOUND: Final = 4404
CLOSE_TOO_MANY: Final = 4429
JOINS_A_MINUTE: Final = 30
TRIES_A_MINUTE: Final = 10
MESSAGES_A_SECOND: Final = 40
LONGEST_SDP: Final = 65_536
LONGEST_CANDIDATE: Final = 2_048
OPENED_WITHIN_S: Final = 8.0
WATCH_S: Final = 0.4
LOST_AFTER_MISSED: Final = 2
FULL_RETRY_S: Final = 10
RETRY_AFTER_S: Final = {"full": FULL_RETRY_S, "forwarder": 4}
LONGEST_GIVEN_NAME: Final = 200
LONGEST_ZONE: Final = 64

NOT_READY: Final = "This avatar is not ready to talk yet."
NO_WORKER: Final = "Nobody is on stage: no media worker is running. Whoever runs this Parlo can start one."
FULL: Final = "All places are taken at the moment. Try again in a little while."
LOST: Final = "The machine that held this conversation stopped."
SLOW: Final = "The media worker did not answer in time. Try again."
UNAVAILABLE: Final = "Parlo cannot arrange calls at the moment. Try again in a little while."


class TalkConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """One page that talks, or wants to. After `join` it belongs to one session on one media worker."""

    avatar: Avatar
    session: UUID | None = None
    worker: WorkerRecord | None = None
    opened: asyncio.Event
    watch: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Authorise; the socket is accepted first, so that the page can be told why it is closed."""
        await self.accept()
        self.opened = asyncio.Event()
        self.recent: deque[float] = deque(maxlen=MESSAGES_A_SECOND)
        avatar = await self._find_avatar(self.scope["url_route"]["kwargs"]["code"])
        if avatar is None:
            await self.close(CLOSE_NOT_FOUND)
            return
        self.avatar = avatar

    async def _find_avatar(self, code: str) -> Avatar | None:
        """The avatar at this address, if whoever asks may know of it."""
        avatar = await Avatar.objects.filter(code=code).afirst()
        return avatar if avatar and await sync_to_async(can_view)(self.scope["user"], avatar) else None

    async def _may_talk(self) -> bool:
        return bool(await sync_to_async(can_talk)(self.scope["user"], self.avatar))

    @property
    def _address(self) -> str:
        """What a token is good for."""
        return self.avatar.code

    @property
    def _joins_a_minute(self) -> tuple[str, int]:
        """What a join counts as, and how many of these one address may try."""
        return "joins", JOINS_A_MINUTE

    def _opening(self, introduction: dict[str, Any]) -> dict[str, Any]:
        """What the media worker is told beyond the avatar. introduction: the page's `join`."""
        zone = introduction.get("time_zone")
        return {
            "user": self.scope["user"].pk,
            "time_zone": zone if isinstance(zone, str) and len(zone) <= LONGEST_ZONE else "",
        }

    async def disconnect(self, code: int) -> None:
        """Tell the worker; it waits a moment for the page to come back."""
        if self.watch:
            self.watch.cancel()
            with suppress(asyncio.CancelledError):
                await self.watch
        await self._tell_worker("gone", page_closed=code == PAGE_CLOSED)

    @classmethod
    async def decode_json(cls, text_data: str) -> Any:
        """Read a message; what is not JSON counts as one that says nothing."""
        with suppress(ValueError, RecursionError):
            return await super().decode_json(text_data)
        return None

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Take text only, and not more of it than a page has to say."""
        now = time.monotonic()
        if len(self.recent) == MESSAGES_A_SECOND and now - self.recent[0] < 1:
            await self.close(CLOSE_TOO_MANY)
            return
        self.recent.append(now)
        if text_data:
            await super().receive(text_data=text_data, **kwargs)

    async def receive_json(self, content: Any, **_: Any) -> None:
        """Act on one message of the page."""
        if not isinstance(content, dict) or not hasattr(self, "avatar"):
            return
        match content.get("type"):
            case "ping":
                await self.send_json({"type": "pong"})
            case "join" if self.session is None:
                await self._join(content)
            case "offer" if isinstance(sdp := content.get("sdp"), str) and len(sdp) <= LONGEST_SDP:
                await self._tell_worker("offer", sdp=sdp)
            case "watch" | "hello" as kind:
                await self._tell_worker(kind)
            case "answer" if isinstance(sdp := content.get("sdp"), str) and len(sdp) <= LONGEST_SDP:
                await self._tell_worker("answer", sdp=sdp)
            case "candidate" if len(str(content.get("candidate"))) <= LONGEST_CANDIDATE:
                candidate = content.get("candidate")
                await self._tell_worker("candidate", candidate=candidate if isinstance(candidate, dict) else None)
            case "leave":
                await self._tell_worker("leave")
                self.session = self.worker = None

    async def _join(self, introduction: dict[str, Any]) -> None:
        try:
            await self.avatar.arefresh_from_db()
        except Avatar.DoesNotExist:
            await self.close(CLOSE_NOT_FOUND)
            return
        if not await self._may_talk():
            await self._refuse("not_ready", NOT_READY)
            return
        try:
            if await too_often(self.scope, *self._joins_a_minute):
                await self.close(CLOSE_TOO_MANY)
                return
            before = read_token(introduction.get("token"), self._address)
            self.worker = await self._place(before)
            if self.worker is None or self.session is None:
                return
            again = before is not None and before.session == self.session
            slip = introduction.get("slip")
            await self._tell_worker(
                "open",
                avatar=self.avatar.code,
                again=again,
                slip=slip if isinstance(slip, str) and len(slip) <= LONGEST_SLIP else "",
                **self._opening(introduction),
            )
            if self.watch:
                self.watch.cancel()
            self.opened = asyncio.Event()
            self.watch = asyncio.create_task(self._watch_worker())
        except Exception as error:
            logger.warning("A call could not be arranged", reason=str(error))
            await self._refuse("internal", UNAVAILABLE)

    async def _place(self, before: Place | None) -> WorkerRecord | None:
        """The worker that holds the conversation already, else the one with the most room; else a refusal."""
        if before and (holder := await sync_to_async(find_worker)(before.worker)):
            self.session = before.session
            return holder
        self.session = uuid4()
        worker = await sync_to_async(least_loaded)()
        if worker is None:
            await self._refuse("no_worker", NO_WORKER)
        elif worker.room <= 0:
            await self._refuse("full", FULL, retry_after_s=FULL_RETRY_S)
        else:
            return worker
        return None

    async def _tell_worker(self, kind: str, **values: Any) -> None:
        if self.worker is None or self.session is None:
            return
        message = {"type": kind, "session": self.session.hex, "reply": self.channel_name, **values}
        try:
            await self.channel_layer.send(self.worker.channel, message)
        except Exception as error:
            logger.warning("The media worker could not be told", message=kind, reason=str(error))

    async def _refuse(self, code: str, message: str, **values: Any) -> None:
        self.session = self.worker = None
        await self.send_json({"type": "error", "code": code, "message": message, **values})

    # What the media worker says

    def _is_ours(self, event: dict[str, Any]) -> bool:
        """Whether it is about the session of this page, and not about one that it has given up."""
        return self.session is not None and event["session"] == self.session.hex

    async def media_opened(self, event: dict[str, Any]) -> None:
        """The session has a place."""
        if not self._is_ours(event) or self.worker is None:
            return
        # Where the conversation was over before the page came back, the worker begins another.
        self.session = UUID(hex=event["place"])
        self.opened.set()
        await self.send_json(
            {
                "type": "ready",
                "session": self.session.hex,
                "token": issue_token(Place(self.session, self.worker.name), self._address),
                "ice_servers": ice_servers(self.session),
                "ice_policy": settings.ICE_POLICY,
                "forwarded": event.get("forwarded", False),
            }
        )

    async def media_answer(self, event: dict[str, Any]) -> None:
        """The answer to the page's offer."""
        if self._is_ours(event):
            await self.send_json({"type": "answer", "sdp": event["sdp"]})

    async def media_offer(self, event: dict[str, Any]) -> None:
        """A connection to watch through; the page answers."""
        if self._is_ours(event):
            await self.send_json({"type": "offer", "sdp": event["sdp"]})

    async def media_event(self, event: dict[str, Any]) -> None:
        """What the page would have been told over a data channel of its own."""
        if self._is_ours(event):
            await self.send_json({"type": "event", "event": event["event"]})

    async def media_refused(self, event: dict[str, Any]) -> None:
        """The worker cannot do it."""
        if not self._is_ours(event):
            return
        code, message = event["code"], event["message"]
        self.opened.set()
        if code == "offer":
            # The place remains, for a better offer.
            await self.send_json({"type": "error", "code": code, "message": message})
        else:
            await self._refuse(
                code, message, **({"retry_after_s": RETRY_AFTER_S[code]} if code in RETRY_AFTER_S else {})
            )

    async def media_ended(self, event: dict[str, Any]) -> None:
        """The session is over."""
        if self._is_ours(event):
            self.session = self.worker = None
            await self.send_json({"type": "ended", "reason": event["reason"], "message": event["message"]})

    async def _watch_worker(self) -> None:
        """A worker that dies cannot say so, and one that hangs says nothing."""
        try:
            async with asyncio.timeout(OPENED_WITHIN_S):
                await self.opened.wait()
        except TimeoutError:
            await self._tell_worker("leave")
            await self._refuse("internal", SLOW)
            return
        missed = 0
        while (worker := self.worker) is not None:
            await asyncio.sleep(WATCH_S)
            if self.worker is not worker:
                return
            try:
                missed = 0 if await sync_to_async(find_worker)(worker.name) else missed + 1
            except Exception as error:
                logger.warning("The media worker could not be looked for", reason=str(error))
            # After a restart of Valkey a living worker is missing until its next beat.
            if missed >= LOST_AFTER_MISSED:
                await self._refuse("worker_lost", LOST)
                return


class RoomConsumer(TalkConsumer):
    """One page in a room. All of a room's pages belong to one session; the place of each is its seat."""

    door: Door

    async def _find_avatar(self, code: str) -> Avatar | None:
        door = await sync_to_async(find_door)(code)
        if door is None:
            return None
        self.door = door
        return door.room.avatar

    async def _may_talk(self) -> bool:
        door = await sync_to_async(find_door)(self.scope["url_route"]["kwargs"]["code"])
        if door is not None:
            self.door = door
        return door is not None

    @property
    def _address(self) -> str:
        return self.door.room.watch_code if self.door.watching else self.door.room.code

    @property
    def _joins_a_minute(self) -> tuple[str, int]:
        if self.door.watching and is_forwarding():
            # All who watch may sit in one building, and all of them try again when the server was gone.
            return "watching", TRIES_A_MINUTE * settings.JANUS_MOST_VIEWERS
        return super()._joins_a_minute

    def _opening(self, introduction: dict[str, Any]) -> dict[str, Any]:
        room = self.door.room
        name = introduction.get("name")
        return {
            "user": room.creator_id,
            "room": room.code,
            "talkers": room.most_talkers,
            "name": name[:LONGEST_GIVEN_NAME] if isinstance(name, str) else "",
            "watching": self.door.watching or introduction.get("watch") is True,
        }

    async def _place(self, before: Place | None) -> WorkerRecord | None:
        """The worker that holds the room, or is to hold it; else a refusal. Who sits in it already finds their seat."""
        self.session = before.session if before else uuid4()
        worker = await sync_to_async(room_worker)(self.door.room)
        if worker is None:
            await self._refuse("no_worker", NO_WORKER)
        return worker
