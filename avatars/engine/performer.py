"""A performance: speech and motion become frames, each a picture and the 40 ms of sound that belong to it.

Sound and mouth are made together and stay together, so nothing behind this can bring them apart.
"""

import threading
from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from avatars.engine.accents import accents
from avatars.engine.activity import Activity
from avatars.engine.blending import blended
from avatars.engine.controls import FRAME_MS, MOUTH, MOUTH_COUNT, Control, Controls, rest
from avatars.engine.expression import Expression, Mood
from avatars.engine.face import Renderer
from avatars.engine.gesture_player import GesturePlayer, IdleGestures
from avatars.engine.gestures import Gesture, find_gesture
from avatars.engine.motion import Motion
from avatars.engine.recorded import RecordedGesture
from avatars.engine.speech.mouth import mouth_track
from avatars.engine.speech.spoken import SAMPLES_PER_FRAME, Speech
from avatars.engine.stillness import Stillness

__all__ = ["Activity", "Line", "Mood", "Performer", "Playback", "Take"]

# A smile on the source is half kept at rest.
RESTING_RELAX: Final = 0.5
# Out of speech the mouth takes so many frames.
CLOSING_FRAMES: Final = 3
# Somebody who is interrupted closes it sooner.
CUT_CLOSING_FRAMES: Final = 2
# The smile goes in a third of a second, and comes back too slowly for lips to be seen moving in silence.
SMILE_GOES_PER_FRAME: Final = 0.35 / 9
SMILE_COMES_PER_FRAME: Final = 0.35 / 50
_SILENCE: Final = np.zeros(SAMPLES_PER_FRAME, np.float32)
_FADE: Final = np.linspace(1, 0, SAMPLES_PER_FRAME, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Playback:
    """What is being said: the turn, None while silent, and how much of that turn (or of the last one) has been said."""

    turn: int | None
    heard_ms: float


@dataclass(frozen=True, slots=True)
class Line:
    """A piece of speech made ready to be performed, in whole frames.

    samples: (frames * SAMPLES_PER_FRAME,) float32. mouth: (frames, MOUTH_COUNT). accents: (frames, CONTROL_COUNT), added
    to the motion of the head.
    """

    samples: NDArray[np.float32]
    mouth: Controls
    accents: Controls
    text: str = ""

    @classmethod
    def prepare(cls, speech: Speech, seed: int = 0) -> "Line":
        """Work out the mouth and the accents: for each second of speech about 1 ms with phones, 4 ms without."""
        mouth = mouth_track(speech)
        samples = np.zeros(len(mouth) * SAMPLES_PER_FRAME, np.float32)
        samples[: len(speech.samples)] = speech.samples
        return cls(samples, mouth, accents(speech, len(mouth), np.random.default_rng(seed)), speech.text)

    @property
    def frames(self) -> int:
        return len(self.mouth)


@dataclass(frozen=True, slots=True)
class Take:
    """One frame.

    picture: (height * 3 // 2, width) uint8 I420, valid until the third take after it. samples: (SAMPLES_PER_FRAME,)
    float32 in -1..1. controls: (CONTROL_COUNT,), what was to be drawn. unchanged: the picture is that of the take before.
    """

    picture: NDArray[np.uint8]
    samples: NDArray[np.float32]
    controls: Controls
    unchanged: bool = False


@dataclass(slots=True)
class _Queued:
    turn: int
    line: Line
    at: int = 0

    @property
    def left(self) -> int:
        return self.line.frames - self.at


class Performer:
    """Performs one avatar. `next` belongs to one thread; everything else may be called from any, and returns at once.

    spare: show a picture twice where it hardly moves; for still pictures, never for a person's own motion.
    """

    def __init__(self, renderer: Renderer, seed: int, *, spare: bool = False) -> None:
        self._renderer = renderer
        self._projector = renderer.projector
        # While who speaks the recorded gesture that was begun last is to stop: the user, the agent.
        self._recorded_stops = (False, False)
        self._stillness = Stillness() if spare else None
        self._motion = Motion(seed)
        self._expression = Expression()
        self._gestures = GesturePlayer()
        self._idle_gestures = IdleGestures(np.random.default_rng([seed, 1]))
        self._gestures_when_idle = False
        self._lock = threading.Lock()
        self._queue: deque[_Queued] = deque()
        self._activity = Activity.IDLE
        self._turn: int | None = None
        self._sounding = False
        self._said_frames = 0
        self._fading = _SILENCE
        # The mouth that was drawn last and how far it still is from rest, in frames.
        self._mouth = np.zeros(MOUTH_COUNT, np.float32)
        self._closing = 0
        self._relax = RESTING_RELAX
        self._picture = renderer.render(rest())

    def set_activity(self, activity: Activity) -> None:
        """How the avatar should hold itself from the next frame on."""
        self._activity = activity

    def set_mood(self, mood: Mood) -> None:
        """What the face shows by nature, from the next frame on; it takes about a quarter of a second."""
        self._expression.mood = mood

    def set_idle_gestures(self, on: bool) -> None:
        """Whether it gestures now and then of its own accord while nobody speaks; at first it does not."""
        self._gestures_when_idle = on

    def find_gesture(self, name: str) -> Gesture | RecordedGesture:
        """A gesture of this avatar by its name or its word. Raises `UnknownGesture`."""
        return find_gesture(name, () if self._projector is None else self._projector.gestures)

    def play_gesture(self, name: str, *, stop_on_user_speech: bool = False, stop_on_agent_speech: bool = False) -> None:
        """Begin a gesture, by its name or its word, in the next frame; it replaces one under way.

        A recorded one begins within a second, where the loop leads into it best. It stops early, or does not begin,
        while those speak who are named. Raises `UnknownGesture`.
        """
        gesture = self.find_gesture(name)
        with self._lock:
            if isinstance(gesture, RecordedGesture):
                assert self._projector is not None
                self._gestures.stop()
                self._projector.play(gesture)
                self._recorded_stops = stop_on_user_speech, stop_on_agent_speech
                return
            self._stop_recorded()
            self._gestures.play(
                gesture, stop_on_user_speech=stop_on_user_speech, stop_on_agent_speech=stop_on_agent_speech
            )

    def stop_gesture(self) -> None:
        """Let a gesture under way fade; a recorded one comes to its end faster."""
        with self._lock:
            self._gestures.stop()
            self._stop_recorded()

    def _stop_recorded(self) -> None:
        self._recorded_stops = False, False
        if self._projector is not None:
            self._projector.stop()

    def user_paused(self) -> None:
        """Who is listened to has paused; a listener may nod."""
        self._motion.user_paused()

    def say(self, turn: int, line: Line) -> None:
        """Append a line to what is said. Lines of one turn follow each other without a gap."""
        if line.frames:
            with self._lock:
                self._queue.append(_Queued(turn, line))

    def cut(self) -> Playback:
        """Fall silent: the sound fades within one frame, the mouth closes within two. Return what had been said."""
        with self._lock:
            playback = self._playback()
            if self._queue and self._queue[0].at:
                speaking = self._queue[0]
                start = speaking.at * SAMPLES_PER_FRAME
                self._fading = speaking.line.samples[start : start + SAMPLES_PER_FRAME] * _FADE
            self._queue.clear()
            self._turn, self._sounding = None, False
            self._closing = min(self._closing, CUT_CLOSING_FRAMES)
            return playback

    @property
    def playback(self) -> Playback:
        """What is being said now."""
        with self._lock:
            return self._playback()

    def _playback(self) -> Playback:
        return Playback(self._turn if self._sounding else None, float(self._said_frames * FRAME_MS))

    @property
    def queued_ms(self) -> int:
        """How much sound is waiting to be said."""
        with self._lock:
            return sum(queued.left for queued in self._queue) * FRAME_MS

    def next(self, *, draw: bool = True) -> Take:
        """Perform the next frame; without `draw`, for a picture that comes too late, it shows the last one again."""
        with self._lock:
            samples, mouth, accent = self._advance()
            activity = self._activity
            gesture = self._gesture(activity)
        controls = self._motion.next(activity)
        if accent is not None:
            controls += accent
        controls[MOUTH] = self._eased(mouth)
        controls = blended(controls, self._expression.next(activity) + gesture)
        unchanged = not draw or (self._stillness is not None and self._stillness.holds(controls))
        if not unchanged:
            self._picture = self._renderer.render(controls)
        return Take(self._picture, samples, controls, unchanged)

    def _advance(self) -> tuple[NDArray[np.float32], Controls | None, Controls | None]:
        """Take the next frame off the queue: sound, mouth and accent; the latter two None in silence."""
        if not self._queue:
            samples, self._fading = self._fading, _SILENCE
            # A turn whose next line is late goes on where it stopped.
            self._sounding = False
            return samples, None, None
        queued = self._queue[0]
        if queued.turn != self._turn:
            self._turn, self._said_frames = queued.turn, 0
        self._sounding = True
        at = queued.at
        line = queued.line
        samples = line.samples[at * SAMPLES_PER_FRAME : (at + 1) * SAMPLES_PER_FRAME]
        if self._fading is not _SILENCE:
            samples, self._fading = samples + self._fading, _SILENCE
        queued.at += 1
        self._said_frames += 1
        if not queued.left:
            self._queue.popleft()
        return samples, line.mouth[at], line.accents[at]

    def _gesture(self, activity: Activity) -> Controls:
        """What gestures add to the next frame."""
        if self._gestures_when_idle and not self._gestures.busy and (idle := self._idle_gestures.next(activity)):
            self._gestures.play(idle, stop_on_user_speech=True, stop_on_agent_speech=True)
        user_speaks, agent_speaks = activity is Activity.LISTENING, self._sounding
        if (user_speaks and self._recorded_stops[0]) or (agent_speaks and self._recorded_stops[1]):
            self._stop_recorded()
        return self._gestures.next(user_speaks=user_speaks, agent_speaks=agent_speaks)

    def _eased(self, mouth: Controls | None) -> Controls:
        """The mouth to draw: that of the speech, or the last one on its way to rest; the smile comes and goes slowly."""
        if mouth is None:
            self._closing = max(0, self._closing - 1)
            # Each step takes the same share of what was there when the speech ended.
            self._mouth = self._mouth * (self._closing / (self._closing + 1))
            wanted = RESTING_RELAX
        else:
            self._closing = CLOSING_FRAMES
            self._mouth = mouth.copy()
            wanted = float(mouth[Control.RELAX])
        self._relax += float(np.clip(wanted - self._relax, -SMILE_COMES_PER_FRAME, SMILE_GOES_PER_FRAME))
        drawn = self._mouth.copy()
        drawn[Control.RELAX] = self._relax
        return drawn
