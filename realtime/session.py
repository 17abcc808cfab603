"""One live session on its media worker: a connection that may be replaced, and a conversation that goes on."""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import numpy as np
import structlog
from numpy.typing import NDArray

from avatars.engine.face import Rig, renderer_of
from avatars.engine.gestures import UnknownGesture
from avatars.engine.performer import Performer
from realtime.agent import AgentSettings, Cue, Providers, agent_for
from realtime.frames import FrameThread
from realtime.ice import worker_network
from realtime.rtc import Outlet, Peer, Tick
from realtime.stage import LiveStage, Temperament
from realtime.taskset import TaskSet

logger = structlog.get_logger(__name__)

COME_BACK_WITHIN_S: Final = 3.0
CONNECT_WITHIN_S: Final = 20.0
IDLE_LIMIT_S: Final = 900.0
STATS_EVERY_S: Final = 2.0
LONGEST_TEXT: Final = 4000
LONGEST_NAME: Final = 40
FRAME_S: Final = 0.04


@dataclass(frozen=True, slots=True)
class Backstage:
    """What all sessions of a worker share."""

    providers: Providers
    frames: FrameThread
    prepare: Executor


class Connection:
    """One peer connection of a session with the tracks that feed it. Performs on the media thread."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        rig = session.rig
        self.outlet = Outlet(rig.portrait.width, rig.portrait.height)
        self.peer = Peer(self.outlet, self, worker_network(session.id))
        self._loop = asyncio.get_running_loop()

    # The peer's listener, on the event loop

    def heard(self, samples: NDArray[np.float32]) -> None:
        """Pass on the microphone."""
        if self._is_current():
            self._session.agent.hear(samples)

    def received(self, message: dict[str, Any]) -> None:
        """Pass on what the page says."""
        if self._is_current():
            self._session.received(message)

    def connected(self) -> None:
        """Begin to send."""
        if self._is_current():
            self._session.connected()

    def channel_opened(self) -> None:
        """Say how things stand."""
        if self._is_current():
            self._session.stage.repeat_state()

    def lost(self) -> None:
        """Wait for the page to come back."""
        if self._is_current():
            self._session.lost()

    def _is_current(self) -> bool:
        return self._session.connection is self

    # The show, on the media thread

    def perform(self, tick: Tick) -> None:
        """Make one frame; none while the loop or the network is so far behind that it would only add to that."""
        if self.outlet.congested:
            return
        take = self._session.stage.performer.next(draw=tick.picture)
        samples = (np.clip(take.samples, -1, 1) * 32767).astype(np.int16)
        self.outlet.feed(tick, take.picture, samples)
        self._session.count(spoken=self._session.stage.performer.playback.turn is not None)

    def failed(self, error: Exception) -> None:
        """End the session, in words."""
        self._loop.call_soon_threadsafe(self._session.failed)


class Session:
    """Made when a page joins, ended once. Every method runs on the event loop.

    avatar: its code. temperament: how it looks at first. ended: called with the reason and a sentence for the page when
    the session is over by itself.
    """

    def __init__(
        self,
        session_id: UUID,
        rig: Rig,
        settings: AgentSettings,
        backstage: Backstage,
        ended: Callable[["Session", str, str], None],
        avatar: str = "",
        temperament: Temperament | None = None,
    ) -> None:
        self.id = session_id
        self.avatar = avatar
        self.rig = rig
        self.reply = ""
        self.connection: Connection | None = None
        self.spoken_frames = self.idle_frames = 0
        self.over = False
        self._backstage = backstage
        self._ended = ended
        performer = Performer(renderer_of(rig), seed=session_id.int % 2**32)
        self.stage = LiveStage(performer, backstage.prepare, self._tell, self._hush)
        self.stage.take_on(temperament or Temperament())
        self.agent = agent_for(settings, backstage.providers, self.stage)
        self._agent_started = False
        self._active_s = time.monotonic()
        self._waiting: asyncio.Task[None] | None = None
        self._tasks = TaskSet("a session")
        self._tasks.spawn(self._watch())

    # What the worker calls

    async def answer(self, sdp: str, reply: str) -> str:
        """Answer a page's offer with a new connection; an older one is dropped. Raises as `Peer.answer` does."""
        connection = Connection(self)
        old, self.connection = self.connection, connection
        self.reply = reply
        if old is not None:
            await self._drop(old)
        self._wait(CONNECT_WITHIN_S)
        return await connection.peer.answer(sdp)

    async def add_candidate(self, candidate: Mapping[str, Any] | None) -> None:
        """Add one of the page's addresses."""
        if self.connection is not None:
            await self.connection.peer.add_candidate(candidate)

    def gone(self, reply: str) -> None:
        """A page's WebSocket went without a word; it may come back."""
        if reply == self.reply:
            self._wait(COME_BACK_WITHIN_S)

    def joined(self, reply: str) -> None:
        """A page joins, or comes back."""
        self.reply = reply
        self._wait(CONNECT_WITHIN_S)

    async def close(self) -> None:
        """Release everything. Safe to call again."""
        self.over = True
        # From now on what happens to the connection is no news.
        connection, self.connection = self.connection, None
        await self._tasks.cancel()
        await self.agent.close()
        if connection is not None:
            await self._drop(connection)

    @property
    def spoken_s(self) -> float:
        """Seconds that the avatar spoke."""
        return self.spoken_frames * FRAME_S

    @property
    def idle_s(self) -> float:
        """Seconds that it was shown without speaking."""
        return self.idle_frames * FRAME_S

    # What its connection calls

    def connected(self) -> None:
        """Media can flow: the first frame is made now."""
        self._cancel_wait()
        if self.connection is not None:
            self._backstage.frames.add(self.connection)

    def lost(self) -> None:
        """The connection is gone; the page may come back with a new one."""
        if self.connection is not None:
            self._backstage.frames.remove(self.connection)
        self._wait(COME_BACK_WITHIN_S)

    def failed(self) -> None:
        """The picture cannot be made any more."""
        self._end("failed", "Something went wrong on the server, so the conversation has ended.")

    def received(self, message: dict[str, Any]) -> None:
        """Act on a message of the page."""
        match message.get("type"):
            case "hello" if not self._agent_started:
                self._agent_started = True
                self._tasks.spawn(self.agent.start())
            case "text" if isinstance(text := message.get("text"), str):
                self._active_s = time.monotonic()
                self.agent.read(text[:LONGEST_TEXT])
            case "interrupt":
                self.agent.interrupt()
            case "gesture" if isinstance(name := message.get("name"), str):
                self._gesture(name, message)
            case "bye":
                self._end("left", "")

    def count(self, *, spoken: bool) -> None:
        """Meter one frame; on the media thread."""
        if spoken:
            self.spoken_frames += 1
        else:
            self.idle_frames += 1

    # Inside

    def _gesture(self, name: str, message: dict[str, Any]) -> None:
        """Play a gesture that the page asks for; tell it where there is none of that name."""
        cue = Cue(
            name[:LONGEST_NAME],
            stop_on_user_speech=message.get("stop_on_user_speech") is True,
            stop_on_agent_speech=message.get("stop_on_agent_speech") is True,
        )
        try:
            self.stage.play_gesture(cue)
        except UnknownGesture as refusal:
            self._tell({"type": "notice", "code": "unknown_gesture", "message": str(refusal)})

    def _tell(self, event: dict[str, Any]) -> bool:
        if event["type"] == "caption" and event["who"] == "user":
            self._active_s = time.monotonic()
        return self.connection.peer.send(event) if self.connection is not None else False

    def _hush(self) -> None:
        if self.connection is not None:
            self.connection.outlet.hush()

    async def _drop(self, connection: Connection) -> None:
        self._backstage.frames.remove(connection)
        await connection.peer.close()

    def _wait(self, seconds: float) -> None:
        """End the session unless something happens within so many seconds."""
        self._cancel_wait()
        if not self.over:
            self._waiting = self._tasks.spawn(self._give_up(seconds))

    def _cancel_wait(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    async def _give_up(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._end("lost", "The connection was lost.")

    async def _watch(self) -> None:
        """Tell the page how the worker fares, and end a session that nobody uses."""
        while True:
            await asyncio.sleep(STATS_EVERY_S)
            frames = self._backstage.frames
            if self.connection is not None:
                self._tell(
                    {
                        "type": "stats",
                        "work_ms_per_frame": round(frames.work_ms, 1),
                        "late_ms_p95": round(frames.late_ms, 1),
                        "frames_skipped": frames.skipped(self.connection),
                        "frames_waiting": self.connection.outlet.backlog_frames,
                    }
                )
            if time.monotonic() - self._active_s > IDLE_LIMIT_S:
                self._end("idle", "Nobody said anything for a quarter of an hour, so the conversation has ended.")

    def _end(self, reason: str, sentence: str) -> None:
        if not self.over:
            self.over = True
            self._ended(self, reason, sentence)
