"""What a face shows while nothing is said: its mood, and how attentive it is. Small offsets, eased."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import numpy as np

from avatars.engine.activity import Activity
from avatars.engine.controls import Control, Controls, rest
from avatars.engine.easing import Follower

_C = Control


class Mood(StrEnum):
    """What an avatar looks like by nature."""

    NEUTRAL = "neutral"
    WARM = "warm"
    SERIOUS = "serious"
    CHEERFUL = "cheerful"


MOODS: Final[Mapping[Mood, Mapping[Control, float]]] = {
    Mood.NEUTRAL: {},
    Mood.WARM: {_C.SMILE: 0.18, _C.CHEEKS: 0.22, _C.BROW: 0.005},
    Mood.SERIOUS: {
        **{_C.SMILE: -0.20, _C.RELAX: 0.75, _C.FROWN: 0.60, _C.BROW: -0.009},
        **{_C.BLINK_LEFT: 0.06, _C.BLINK_RIGHT: 0.06},
    },
    Mood.CHEERFUL: {_C.SMILE: 0.36, _C.CHEEKS: 0.45, _C.BROW: 0.012},
}
BEARINGS: Final[Mapping[Activity, Mapping[Control, float]]] = {
    Activity.IDLE: {},
    Activity.LISTENING: {_C.BROW: 0.006},
    Activity.THINKING: {_C.FROWN: 0.30, _C.BROW: 0.004},
    Activity.SPEAKING: {},
}


def offsets(mood: Mood, activity: Activity) -> Controls:
    """What a face in this mood shows while it does this (CONTROL_COUNT,)."""
    total = rest()
    for shown in (MOODS[mood], BEARINGS[activity]):
        for control, value in shown.items():
            total[control] += value
    return total


_OFFSETS: Final = {(mood, activity): offsets(mood, activity) for mood in Mood for activity in Activity}


class Expression:
    """The offsets of one face, frame by frame; changes take about a quarter of a second."""

    def __init__(self) -> None:
        self.mood = Mood.NEUTRAL
        self._follower = Follower(len(Control))

    def next(self, activity: Activity) -> Controls:
        """What to add in the next frame (CONTROL_COUNT,)."""
        return self._follower.next(_OFFSETS[self.mood, activity]).astype(np.float32)
