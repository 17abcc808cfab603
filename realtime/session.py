"""One live session on its media worker: an avatar, its agent, and whoever sits with them. It is drawn and encoded once."""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import numpy as np
import structlog
from numpy.typing import NDArray

from avatars.engine.face import Rig
from avatars.engine.gestures import UnknownGesture
from avatars.engine.mouth_network import painting_renderer
from avatars.engine.performer import Performer
from realtime.agent import AgentSettings, Cue, Providers, Recollection, agent_for
from realtime.frames import FrameThread
from realtime.guests import Guest, Limits, check_seat, clean_name
from realtime.live import LiveSession
from realtime.rtc import FanOut, Forwarder, JanusServer, Outlet, Several, Tick, Transport
from realtime.seat import Connection, DirectConnection, ForwardedConnection, Seat
from realtime.stage import LiveStage, Temperament
from realtime.taskset import TaskSet
from realtime.turn_times import TurnTimes

logger = structlog.get_logger(__name__)

IDLE_LIMIT_S: Final = 900.0
STATS_EVERY_S: Final = 2.0
LONGEST_TEXT: Final = 4000
LONGEST_GESTURE: Final = 40
TURNS_KEPT: Final = 200
FRAME_S: Final = 0.04
# So many of the last lines are told again to a page whose connection broke: what was said meanwhile did not reach it.
LINES_TOLD_AGAIN: Final = 12
# So long the avatar's last words may still be on their way to the page.
FAREWELL_S: Final = 1.2
# Of those who only watch a large room, the last are counted and not named.
MOST_NAMED: Final = 16


@dataclass(frozen=True, slots=True)
class Backstage:
    """What all sessions of a worker share. janus: serves those who only watch a room; None where there is none."""

    providers: Providers
    frames: FrameThread
    prepare: Executor
    turn_times: TurnTimes = field(default_factory=TurnTimes)
    janus: JanusServer | None = None


class Show:
    """What everybody in a session sees and hears, from the first connection to the last. Performs on the media thread."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._loop = asyncio.get_running_loop()
        self.audience = FanOut()
        forwarder = session.forwarder
        self._transport: Transport = Several(self.audience, forwarder) if forwarder else self.audience
        self.outlet = Outlet(session.rig.portrait.width, session.rig.portrait.height, self._transport)

    def admit(self, connection: Connection) -> None:
        """Show it to one more."""
        if isinstance(connection, DirectConnection):
            self.audience.add(connection.feed)
        elif isinstance(connection, ForwardedConnection) and self._session.forwarder is not None:
            self._session.forwarder.add(connection.peer)

    def dismiss(self, connection: Connection) -> None:
        """Show it to one less."""
        if isinstance(connection, DirectConnection):
            self.audience.remove(connection.feed)
        elif isinstance(connection, ForwardedConnection) and self._session.forwarder is not None:
            self._session.forwarder.remove(connection.peer)

    @property
    def receivers(self) -> int:
        """How many it is shown to."""
        return self._transport.stats().receivers

    def perform(self, tick: Tick) -> None:
        """Make one frame; none while the loop or the network is so far behind that it would only add to that."""
        if self.outlet.congested:
            return
        take = self._session.stage.performer.next(draw=tick.picture)
        samples = (np.clip(take.samples, -1, 1) * 32767).astype(np.int16)
        self.outlet.feed(tick, take.picture, samples, unchanged=take.unchanged)
        turn = self._session.stage.performed(self.outlet.leaves_s(tick))
        self._session.count(spoken=turn is not None)

    def failed(self, error: Exception) -> None:
        """End the session, in words."""
        self._loop.call_soon_threadsafe(self._session.failed)


class Session:
    """Made when the first page joins, ended once. Every method runs on the event loop.

    avatar: its code. temperament: how it looks at first. limits: how many may sit in it. ended: called with the reason
    and a sentence for the pages when the session is over by itself. left: the same when one of several has left.
    whispered: called with what one page is to be told over its WebSocket.
    slip_of: seals what was said, for the pages to keep.
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
        limits: Limits | None = None,
        left: Callable[[Seat, str, str], None] = lambda seat, reason, sentence: None,
        whispered: Callable[[Seat, Mapping[str, Any]], None] = lambda seat, event: None,
        slip_of: Callable[[Recollection], str] | None = None,
    ) -> None:
        self.id = session_id
        self.avatar = avatar
        self.rig = rig
        self.limits = limits or Limits()
        self.seats: dict[UUID, Seat] = {}
        self.show: Show | None = None
        self.spoken_frames = self.idle_frames = 0
        self.turns: list[dict[str, int]] = []
        self.over = False
        self.forwarder = Forwarder(backstage.janus) if backstage.janus and self.limits.viewers else None
        self._backstage = backstage
        self._ended = ended
        self._left = left
        self._whispered = whispered
        self._slip_of = slip_of
        self._on_slip = Recollection("", ())
        performer = Performer(painting_renderer(rig), seed=session_id.int % 2**32, spare=rig.portrait.footage is None)
        self.stage = LiveStage(performer, backstage.prepare, self._tell, self._hush, self._hang_up)
        self._name = settings.name
        self.stage.take_on(temperament or Temperament())
        self.agent = agent_for(settings, backstage.providers, self.stage)
        self._agent_started = False
        self._lines: dict[tuple[str, str | None, int], list[dict[str, Any]]] = {}
        self._opened_s = self._active_s = time.monotonic()
        self._tasks = TaskSet("a session")
        self._farewells = TaskSet("a session")
        self._tasks.spawn(self._watch())

    # What the worker calls

    def take_seat(self, seat_id: UUID, guest: Guest) -> Seat:
        """Let a guest in. Raises `NoSeat` with a sentence where there is no place for them."""
        present = [seat.guest for seat in self.seats.values()]
        check_seat(self.limits, guest, present)
        if self.is_room:
            guest = Guest(clean_name(guest.name, [other.name for other in present]), guest.watching)
        seat = self.seats[seat_id] = Seat(seat_id, guest, self, self.forwarder if guest.watching else None)
        return seat

    async def close(self) -> None:
        """Release everything. Safe to call again."""
        self.over = True
        await self._tasks.cancel()
        await self.agent.close()
        seats, self.seats = list(self.seats.values()), {}
        await asyncio.gather(*(seat.close() for seat in seats))
        await self._farewells.finish()
        self._end_show()
        if self.forwarder is not None:
            await self.forwarder.shut()

    @property
    def is_room(self) -> bool:
        """Whether several may sit in it."""
        return self.limits.seats > 1

    @property
    def spoken_s(self) -> float:
        """Seconds that the avatar spoke."""
        return self.spoken_frames * FRAME_S

    @property
    def idle_s(self) -> float:
        """Seconds that it was shown without speaking."""
        return self.idle_frames * FRAME_S

    def seen_by_admins(self, fps: float, now_s: float) -> LiveSession:
        """How it goes; from any thread."""
        frames, guests = self._backstage.frames, [seat.guest for seat in self.seats.copy().values()]
        watching = sum(guest.watching for guest in guests)
        return LiveSession(
            id=self.id.hex,
            avatar=self.avatar,
            state=self.stage.state,
            talking=len(guests) - watching,
            watching=watching,
            fps=round(fps, 1),
            late_ms=round(frames.late_ms, 1),
            skipped=frames.skipped(show) if (show := self.show) is not None else 0,
            lasts_s=round(now_s - self._opened_s),
            spoken_s=round(self.spoken_s, 1),
        )

    def give_slips(self) -> None:
        """Let the pages have what was said, where there is something new: with it they go on elsewhere."""
        said = self.agent.recollection()
        if self._slip_of is None or said == self._on_slip:
            return
        self._on_slip = said
        slip = self._slip_of(said)
        for seat in self.seats.values():
            if not seat.guest.watching:
                seat.tell({"type": "slip", "slip": slip})

    # What its seats call

    def heard(self, seat: Seat, samples: NDArray[np.float32]) -> None:
        """Pass on the microphone of those who may talk."""
        if not seat.guest.watching:
            self.agent.hear(samples, seat.talker)

    def connected(self, seat: Seat) -> None:
        """Media can flow: to the first the first frame is made now, to the next a key frame."""
        if self.over or seat.connection is None:
            return
        if self.show is None:
            self.show = Show(self)
            self.show.admit(seat.connection)
            self._backstage.frames.add(self.show)
        else:
            self.show.admit(seat.connection)

    def channel_opened(self, seat: Seat) -> None:
        """Say how things stand; to a page that comes back also what was said last, which it mostly knows."""
        if seat.returned:
            for line in self._lines.values():
                for event in line:
                    seat.tell(event)
        self.stage.repeat_state(seat.tell)
        self._tell_who_is_here(seat)

    def hello(self, seat: Seat) -> None:
        """A page that watches through a server sees the avatar, and can be told what everybody is told."""
        if seat.forwarder is not None:
            self.channel_opened(seat)
            self._start_agent()

    def disconnected(self, seat: Seat) -> None:
        """Send nothing to a connection that is gone."""
        if seat.connection is not None:
            self.dropped(seat.connection)

    def dropped(self, connection: Connection) -> None:
        """Send nothing there; with the last the show is over."""
        if self.show is not None:
            self.show.dismiss(connection)
            if self.show.receivers == 0:
                self._end_show()

    def whisper(self, seat: Seat, event: Mapping[str, Any]) -> None:
        """Tell its page something over its WebSocket."""
        self._whispered(seat, event)

    def left(self, seat: Seat, reason: str, sentence: str) -> None:
        """One has left: the others go on, and without any the session ends."""
        if seat.id not in self.seats:
            return
        if len(self.seats) == 1:
            self._end(reason, sentence)
            return
        del self.seats[seat.id]
        self.agent.leave(seat.talker)
        self._farewells.spawn(seat.close())
        self._left(seat, reason, sentence)
        self._tell_who_is_here()

    def show_out(self, sentence: str) -> None:
        """End it for everybody."""
        self._end("stopped", sentence)

    def failed(self) -> None:
        """The picture cannot be made any more."""
        self._end("failed", "Something went wrong on the server, so the conversation has ended.")

    def received(self, seat: Seat, message: dict[str, Any]) -> None:
        """Act on a message of a page; those who watch can only come and go."""
        match message.get("type"):
            case "hello":
                self._start_agent()
            case "bye":
                self.left(seat, "left", "")
            case _ if seat.guest.watching:
                pass
            case "text" if isinstance(text := message.get("text"), str):
                self._active_s = time.monotonic()
                self.agent.read(text[:LONGEST_TEXT], seat.talker)
            case "interrupt":
                self.agent.interrupt(seat.talker)
            case "push_to_talk" if isinstance(on := message.get("on"), bool):
                self.agent.push_to_talk(on, seat.talker)
            case "press":
                self.agent.press(seat.talker)
            case "release":
                self.agent.release(seat.talker)
            case "gesture" if isinstance(name := message.get("name"), str):
                self._gesture(seat, name, message)

    def count(self, *, spoken: bool) -> None:
        """Meter one frame; on the media thread."""
        if spoken:
            self.spoken_frames += 1
        else:
            self.idle_frames += 1

    # Inside

    def _start_agent(self) -> None:
        if not self._agent_started:
            self._agent_started = True
            self._tasks.spawn(self.agent.start())

    def _gesture(self, seat: Seat, name: str, message: dict[str, Any]) -> None:
        """Play a gesture that the page asks for; tell it where there is none of that name."""
        cue = Cue(
            name[:LONGEST_GESTURE],
            stop_on_user_speech=message.get("stop_on_user_speech") is True,
            stop_on_agent_speech=message.get("stop_on_agent_speech") is True,
        )
        try:
            self.stage.play_gesture(cue)
        except UnknownGesture as refusal:
            seat.tell({"type": "notice", "code": "unknown_gesture", "message": str(refusal)})

    def _tell(self, event: dict[str, Any]) -> None:
        if event["type"] == "caption" and event["who"] == "user":
            self._active_s = time.monotonic()
        elif event["type"] == "latency":
            self._backstage.turn_times.note(event["marks"])
            self.turns = [*self.turns, {"turn": event["turn"], **event["marks"]}][-TURNS_KEPT:]
        if event["type"] == "caption":
            line = (event["who"], event.get("id"), event["turn"])
            self._lines.pop(line, None)
            self._lines[line] = [event]
            if len(self._lines) > LINES_TOLD_AGAIN:
                del self._lines[next(iter(self._lines))]
        elif event["type"] == "interrupted" and (said := self._lines.get(("avatar", None, event["turn"]))):
            said.append(event)
        to = event.get("to")
        if to is None:
            self._tell_everybody(event)
        for seat in self.seats.values():
            if to == seat.talker.key:
                seat.tell(event)

    def _tell_everybody(self, event: dict[str, Any]) -> None:
        """Those who watch through a server are told by it, all at once."""
        if self.forwarder is not None:
            self.forwarder.tell(event)
        for seat in self.seats.values():
            if seat.forwarder is None:
                seat.tell(event)

    def _tell_who_is_here(self, newcomer: Seat | None = None) -> None:
        """Tell everybody in a room who else is in it; a page knows which of them it is."""
        if not self.is_room:
            return
        seats = sorted(self.seats.values(), key=lambda seat: seat.guest.watching)
        named, others = seats[:MOST_NAMED], seats[MOST_NAMED:]
        here = [{"id": seat.id.hex, "name": seat.guest.name, "watching": seat.guest.watching} for seat in named]
        event = {"type": "people", "people": here, "more": len(others)}
        self._tell_everybody(event)
        if newcomer is not None and newcomer.forwarder is not None:
            # The server may take a moment longer than the page to find the way open.
            newcomer.tell(event)

    def _hush(self) -> None:
        if self.show is not None:
            self.show.outlet.hush()

    def _hang_up(self) -> None:
        self._tasks.spawn(self._hang_up_soon())

    async def _hang_up_soon(self) -> None:
        await asyncio.sleep(FAREWELL_S)
        self._end("hung_up", f"{self._name or 'The avatar'} has said goodbye and hung up.")

    def _end_show(self) -> None:
        show, self.show = self.show, None
        if show is not None:
            self._backstage.frames.remove(show)
            show.outlet.close()

    async def _watch(self) -> None:
        """Tell the pages how the worker fares, and end a session that nobody uses."""
        while True:
            await asyncio.sleep(STATS_EVERY_S)
            self.give_slips()
            frames = self._backstage.frames
            if self.show is not None:
                self._tell(
                    {
                        "type": "stats",
                        "work_ms_per_frame": round(frames.work_ms, 1),
                        "late_ms_p95": round(frames.late_ms, 1),
                        "frames_skipped": frames.skipped(self.show),
                        "frames_waiting": self.show.outlet.backlog_frames,
                        "picture_kbit_s": self.show.outlet.rate_kbit_s,
                    }
                )
            if time.monotonic() - self._active_s > IDLE_LIMIT_S:
                self._end("idle", "Nobody said anything for a quarter of an hour, so the conversation has ended.")

    def _end(self, reason: str, sentence: str) -> None:
        if not self.over:
            self.over = True
            self._ended(self, reason, sentence)
