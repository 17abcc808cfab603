"""Plays gestures: one at a time, one melting into the next, and cut short without a jerk."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator

from avatars.engine.activity import Activity
from avatars.engine.controls import FRAME_RATE_HZ, Controls, rest
from avatars.engine.easing import minimum_jerk
from avatars.engine.gestures import GESTURES, Gesture

# A gesture that is stopped or replaced fades within so many frames.
FADE_FRAMES: Final = 9
IDLE_EVERY_S: Final = (9.0, 24.0)
IDLE_GESTURES: Final = ("head_tilt", "smile", "raise_brows", "look_aside")


@dataclass(slots=True)
class _Playing:
    gesture: Gesture
    stop_on_user_speech: bool
    stop_on_agent_speech: bool
    at: int = 0
    faded: int = 0
    fading: bool = False

    @property
    def over(self) -> bool:
        return self.at >= self.gesture.frames or self.faded >= FADE_FRAMES

    def next(self) -> Controls:
        controls: Controls = self.gesture.track[self.at]
        self.at += 1
        if self.fading:
            self.faded += 1
            controls = controls * np.float32(1 - minimum_jerk(self.faded / FADE_FRAMES))
        return controls


class GesturePlayer:
    """What gestures add to one face, frame by frame."""

    def __init__(self) -> None:
        self._playing: list[_Playing] = []

    @property
    def busy(self) -> bool:
        """Whether any gesture is still to be seen."""
        return bool(self._playing)

    def play(self, gesture: Gesture, *, stop_on_user_speech: bool = False, stop_on_agent_speech: bool = False) -> None:
        """Begin a gesture; one under way fades meanwhile. It stops while those speak who are named."""
        self.stop()
        # What has not been seen yet need not fade.
        self._playing = [playing for playing in self._playing if playing.at]
        self._playing.append(_Playing(gesture, stop_on_user_speech, stop_on_agent_speech))

    def stop(self) -> None:
        """Let the gesture under way fade."""
        for playing in self._playing:
            playing.fading = True

    def next(self, *, user_speaks: bool, agent_speaks: bool) -> Controls:
        """What to add in the next frame (CONTROL_COUNT,)."""
        total = rest()
        for playing in self._playing:
            if (user_speaks and playing.stop_on_user_speech) or (agent_speaks and playing.stop_on_agent_speech):
                playing.fading = True
            total += playing.next()
        self._playing = [playing for playing in self._playing if not playing.over]
        return total


class IdleGestures:
    """Small gestures now and then while nobody speaks."""

    def __init__(self, rng: Generator) -> None:
        self._rng = rng
        self._wait = self._interval()

    def next(self, activity: Activity) -> Gesture | None:
        """The gesture to begin in the next frame, if any."""
        if activity is not Activity.IDLE:
            return None
        self._wait -= 1
        if self._wait > 0:
            return None
        self._wait = self._interval()
        return GESTURES[IDLE_GESTURES[self._rng.integers(len(IDLE_GESTURES))]]

    def _interval(self) -> int:
        return round(self._rng.uniform(*IDLE_EVERY_S) * FRAME_RATE_HZ)
