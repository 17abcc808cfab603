"""Gestures: short movements of the whole face on cue, as tracks that are added to whatever it is doing.

A gesture begins and ends at rest and leaves the lips to the speech, but for the corners of the mouth. Names are those
of the wire where one is known there; the word is what people write.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Protocol, TypeVar

import numpy as np

from avatars.engine.controls import FRAME_RATE_HZ, Control, Controls, rest
from avatars.engine.easing import minimum_jerk
from avatars.engine.motion import GAZE_PER_PITCH, GAZE_PER_YAW, SHIFT_PER_YAW_IOD

# A control's way through a gesture: seconds and values, from and to rest.
Way = tuple[tuple[float, float], ...]

_C = Control


class UnknownGesture(ValueError):
    """There is no such gesture; the text is a sentence for people."""


class Named(Protocol):
    """What a gesture is asked for by."""

    @property
    def name(self) -> str:
        """On the wire and in the database."""
        ...

    @property
    def word(self) -> str:
        """What is written in a text."""
        ...


Own = TypeVar("Own", bound=Named)


@dataclass(frozen=True, slots=True)
class Gesture:
    """One gesture.

    name: on the wire and in the database. word: what is written in a text, as in "[nod]". label: what people read.
    track: (frames, CONTROL_COUNT), to be added; the first and the last frame are zero. Read only.
    """

    name: str
    word: str
    label: str
    track: Controls

    @property
    def frames(self) -> int:
        return len(self.track)


def _gesture(name: str, word: str, label: str, ways: Mapping[Control, Way], *, eyes_on_viewer: bool = True) -> Gesture:
    """Draw the ways with minimum-jerk moves from point to point.

    eyes_on_viewer: the eyes make up for what the head turns, as in somebody who goes on looking at the viewer.
    """
    end_s = max(way[-1][0] for way in ways.values())
    track = rest(round(end_s * FRAME_RATE_HZ) + 1)
    seconds = np.arange(len(track)) / FRAME_RATE_HZ
    for control, way in ways.items():
        for (from_s, start), (to_s, stop) in pairwise(((0.0, 0.0), *way)):
            track[:, control] += (stop - start) * minimum_jerk((seconds - from_s) / (to_s - from_s))
    track[:, _C.SHIFT_X] += SHIFT_PER_YAW_IOD * track[:, _C.YAW_DEG]
    if eyes_on_viewer:
        track[:, _C.GAZE_X] += GAZE_PER_YAW * track[:, _C.YAW_DEG]
        track[:, _C.GAZE_Y] += GAZE_PER_PITCH * track[:, _C.PITCH_DEG]
    track[[0, -1]] = 0
    track.setflags(write=False)
    return Gesture(name, word, label, track)


def _hold(value: float, rise_s: float, hold_s: float, fall_s: float, begin_s: float = 0.0) -> Way:
    """From rest to a value, held, and back to rest."""
    rest_until = ((begin_s, 0.0),) if begin_s else ()
    up_s = begin_s + rise_s
    return (*rest_until, (up_s, value), (up_s + hold_s, value), (up_s + hold_s + fall_s, 0.0))


# Who laughs shakes about four times a second, less and less: shoulders, head, and with them cheeks and lids.
_BEATS_S: Final = (0.28, 0.40, 0.52, 0.64, 0.76, 0.90, 1.04, 1.20)
_CHUCKLE: Final = (1.0, -0.6, 0.9, -0.6, 0.7, -0.5, 0.4, -0.2)


def _laughing(value: float, shake: float, end_s: float, *, begin: float = 0.0) -> Way:
    """From rest to a value, shaking about it with every beat of the laugh, and back; `begin` is where the first starts from."""
    beats = ((at_s, value + shake * beat) for at_s, beat in zip(_BEATS_S, _CHUCKLE, strict=True))
    return (0.14, begin), *beats, (end_s, 0.0)


_ALL: Final = (
    _gesture(
        "talk_head_nod_subtle",
        "nod",
        "Nod",
        {_C.PITCH_DEG: ((0.24, 3.2), (0.50, -0.7), (0.76, 1.9), (1.00, -0.2), (1.20, 0.0))},
    ),
    _gesture(
        "head_shake",
        "shake",
        "Shake the head",
        {
            _C.YAW_DEG: ((0.26, -3.6), (0.64, 3.8), (1.00, -3.0), (1.34, 1.8), (1.70, 0.0)),
            _C.PITCH_DEG: _hold(0.6, 0.4, 0.7, 0.5),
        },
    ),
    _gesture(
        "head_tilt",
        "tilt",
        "Tilt the head",
        {
            _C.ROLL_DEG: _hold(3.0, 0.5, 0.8, 0.6),
            _C.YAW_DEG: _hold(-1.0, 0.5, 0.8, 0.6),
            _C.BROW: _hold(0.010, 0.4, 0.9, 0.5),
        },
    ),
    _gesture(
        "smile",
        "smile",
        "Smile",
        {
            _C.SMILE: _hold(0.78, 0.42, 1.3, 0.70),
            _C.CHEEKS: _hold(0.75, 0.44, 1.2, 0.60),
            _C.BROW: _hold(0.006, 0.40, 1.2, 0.60),
        },
    ),
    _gesture(
        "laugh_react",
        "laugh",
        "Laugh",
        {
            _C.SMILE: _laughing(0.94, 0.06, 2.2, begin=0.4),
            _C.CHEEKS: _laughing(0.92, 0.08, 2.0, begin=0.4),
            _C.BLINK_LEFT: _laughing(0.24, 0.08, 1.7),
            _C.BLINK_RIGHT: _laughing(0.24, 0.08, 1.7),
            _C.BROW: _hold(0.012, 0.28, 0.9, 0.60),
            _C.BREATH: _laughing(0.0, 1.0, 1.4),
            _C.SHIFT_Y: _laughing(0.004, 0.012, 1.8),
            _C.PITCH_DEG: (*_laughing(-2.4, -0.8, 1.55, begin=-0.8)[:-1], (1.55, 1.2), (2.2, 0.0)),
            _C.ROLL_DEG: _hold(2.0, 0.5, 0.6, 0.8),
        },
    ),
    _gesture(
        "raise_brows",
        "brows",
        "Raise the brows",
        {_C.BROW: _hold(0.040, 0.18, 0.50, 0.42), _C.PITCH_DEG: _hold(-0.9, 0.24, 0.42, 0.50)},
    ),
    _gesture(
        "wink",
        "wink",
        "Wink",
        {
            _C.BLINK_LEFT: _hold(1.0, 0.14, 0.14, 0.26, begin_s=0.08),
            _C.SMILE: _hold(0.36, 0.30, 0.40, 0.60),
            _C.CHEEKS: _hold(0.30, 0.24, 0.30, 0.50),
            _C.ROLL_DEG: _hold(-1.6, 0.32, 0.30, 0.60),
            _C.PITCH_DEG: _hold(0.7, 0.28, 0.20, 0.60),
        },
    ),
    _gesture(
        "look_aside",
        "aside",
        "Look aside",
        {
            _C.GAZE_X: _hold(0.046, 0.16, 0.80, 0.18),
            _C.YAW_DEG: _hold(2.6, 0.44, 0.50, 0.52),
        },
        eyes_on_viewer=False,
    ),
    _gesture(
        "think",
        "think",
        "Think",
        {
            _C.GAZE_X: _hold(0.034, 0.18, 1.50, 0.20),
            _C.GAZE_Y: _hold(-0.020, 0.18, 1.50, 0.20),
            _C.YAW_DEG: _hold(1.8, 0.50, 1.10, 0.60),
            _C.PITCH_DEG: _hold(-1.2, 0.50, 1.10, 0.60),
            _C.ROLL_DEG: _hold(1.3, 0.60, 0.90, 0.70),
            _C.FROWN: _hold(0.45, 0.30, 1.20, 0.50),
        },
        eyes_on_viewer=False,
    ),
)
GESTURES: Final[Mapping[str, Gesture]] = {gesture.name: gesture for gesture in _ALL}
"""Every gesture by its name, in the order in which people are shown them."""

_BY_WORD: Final = {**{gesture.word: gesture for gesture in _ALL}, **GESTURES}


def find_gesture(name: str, own: Sequence[Own] = ()) -> Gesture | Own:
    """A gesture by its name or its word, in any case. Raises `UnknownGesture`.

    own: recorded gestures of the avatar, which come before those that every face has.
    """
    wanted = name.strip().lower().replace(" ", "_")
    for gesture in own:
        if wanted in (gesture.name, gesture.word):
            return gesture
    known = _BY_WORD.get(wanted)
    if known is None:
        words = ", ".join(dict.fromkeys([*(one.word for one in own), *(one.word for one in _ALL)]))
        raise UnknownGesture(f"There is no gesture {name!r}. Choose one of {words}.")
    return known
