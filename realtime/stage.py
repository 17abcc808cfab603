"""The avatar on stage: what its agent commands, done by a performer, and told to the page."""

import asyncio
import zlib
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import structlog

from avatars.engine.performer import Activity, Line, Mood, Performer, Playback
from avatars.engine.speech.spoken import Speech
from realtime.agent import Cue

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Temperament:
    """What an avatar's face does by nature: its mood, and whether it gestures of its own accord."""

    mood: Mood = Mood.NEUTRAL
    idle_gestures: bool = False


class LiveStage:
    """Implements the agent's `Stage`. Lives as long as the session, over as many connections as it takes.

    prepare: one thread that works speech out, so that lines stay in order. tell: sends an event to the page.
    hush: silences what was performed already and not sent yet. leave: ends the call.
    """

    def __init__(
        self,
        performer: Performer,
        prepare: Executor,
        tell: Callable[[dict[str, Any]], object],
        hush: Callable[[], object] = lambda: None,
        leave: Callable[[], object] = lambda: None,
    ) -> None:
        self.performer = performer
        self._prepare = prepare
        self._tell = tell
        self._hush = hush
        self._leave = leave
        self._cuts = 0
        self._preparing_ms = 0.0
        self._state: dict[str, Any] | None = None
        self._leaving: tuple[int, float] | None = None

    def play(self, turn: int, speech: Speech) -> None:
        """Queue speech of a turn; it is worked out beside the event loop first."""
        cuts, duration_ms = self._cuts, speech.duration_s * 1000
        self._preparing_ms += duration_ms
        loop = asyncio.get_running_loop()
        seed = zlib.crc32(speech.text.encode())
        work = loop.run_in_executor(self._prepare, Line.prepare, speech, seed)

        def prepared(done: asyncio.Future[Line]) -> None:
            if cuts != self._cuts or done.cancelled():
                return
            self._preparing_ms -= duration_ms
            if error := done.exception():
                logger.error("Speech could not be performed", exc_info=error)
            else:
                self.performer.say(turn, done.result())

        work.add_done_callback(prepared)

    def interrupt(self) -> Playback:
        """Fall silent and drop what waits."""
        self._cuts += 1
        self._preparing_ms = 0.0
        playback = self.performer.cut()
        self._hush()
        return playback

    def playback(self) -> Playback:
        """What is being said."""
        return self.performer.playback

    def queued_ms(self) -> int:
        """How much waits to be said, in preparation or ready."""
        return self.performer.queued_ms + round(self._preparing_ms)

    def performed(self, leaves_s: float) -> int | None:
        """A frame was made that leaves at `leaves_s`: the turn it says something of. On the media thread."""
        turn = self.performer.playback.turn
        if turn is not None and (self._leaving is None or self._leaving[0] != turn):
            self._leaving = (turn, leaves_s)
        return turn

    def left_s(self, turn: int) -> float | None:
        """When the first frame that says something of a turn left, or leaves in a moment; None before it was made."""
        leaving = self._leaving
        return leaving[1] if leaving is not None and leaving[0] == turn else None

    def set_activity(self, activity: Activity) -> None:
        """How the avatar holds itself."""
        self.performer.set_activity(activity)

    def take_on(self, temperament: Temperament) -> None:
        """Be like this from now on."""
        self.performer.set_mood(temperament.mood)
        self.performer.set_idle_gestures(temperament.idle_gestures)

    def play_gesture(self, cue: Cue) -> None:
        """Begin a gesture, and tell the page. Raises `UnknownGesture`."""
        gesture = self.performer.find_gesture(cue.gesture)
        self.performer.play_gesture(
            gesture.name,
            stop_on_user_speech=cue.stop_on_user_speech,
            stop_on_agent_speech=cue.stop_on_agent_speech,
        )
        self._tell({"type": "gesture", "name": gesture.name})

    def user_paused(self) -> None:
        """The user has paused; a listener may nod."""
        self.performer.user_paused()

    def hang_up(self) -> None:
        """The avatar has said goodbye."""
        self._leave()

    def send(self, event: dict[str, Any]) -> None:
        """Tell the page."""
        if event["type"] == "state":
            self._state = event
        self._tell(event)

    @property
    def state(self) -> str:
        """What the page shows the avatar doing; "" before it begins."""
        return str(self._state["state"]) if self._state is not None else ""

    def repeat_state(self, tell: Callable[[dict[str, Any]], object]) -> None:
        """Tell a page that has come how things stand."""
        if self._state is not None:
            tell(self._state)
