"""How movements begin and end: without a jerk, whatever they are interrupted by."""

from math import exp
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avatars.engine.controls import FRAME_RATE_HZ

FRAME_S: Final = 1 / FRAME_RATE_HZ
# Per second: nine tenths of the way are done after a quarter of a second.
STIFFNESS: Final = 15.6


def minimum_jerk(share: ArrayLike) -> NDArray[np.float64]:
    """How far a movement is at a share 0..1 of its time; speed and acceleration are 0 at both ends (Flash and Hogan 1985)."""
    t = np.clip(np.asarray(share, np.float64), 0.0, 1.0)
    return np.asarray(t**3 * (10 - 15 * t + 6 * t * t))


class Follower:
    """A value (n,) that goes where it is sent as a critically damped spring does: it never jumps and never overshoots."""

    def __init__(self, size: int) -> None:
        self._at = np.zeros(size)
        self._speed = np.zeros(size)

    def next(self, target: ArrayLike) -> NDArray[np.float64]:
        """The value one frame later on its way to `target` (n,)."""
        there = np.asarray(target, np.float64)
        away = self._at - there
        pull = (self._speed + STIFFNESS * away) * FRAME_S
        fade = exp(-STIFFNESS * FRAME_S)
        self._speed = (self._speed - STIFFNESS * pull) * fade
        self._at = there + (away + pull) * fade
        return self._at
