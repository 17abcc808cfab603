"""The face controls: the named numbers that describe one frame of a face.

This is the one language between speech, motion and pixels. A frame of controls is a float32 vector of
`CONTROL_COUNT` values indexed by `Control`; a track is an array (frames, CONTROL_COUNT) at `FRAME_RATE_HZ`.
The mouth part alone, (frames, MOUTH_COUNT), is what a speech driver makes.

Left and right are as seen in the picture. Lengths are in IOD, the distance between the two eye centres.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

FRAME_RATE_HZ: Final = 25
FRAME_MS: Final = 40

Controls: TypeAlias = NDArray[np.float32]
"""One frame (CONTROL_COUNT,) or a track (frames, CONTROL_COUNT)."""


class Control(IntEnum):
    """Index of each control in a frame vector."""

    JAW = 0
    UPPER_LIP = 1
    LOWER_LIP = 2
    WIDE = 3
    ROUND = 4
    PRESS = 5
    TUCK = 6
    SMILE = 7
    SEAL = 8
    TONGUE = 9
    RELAX = 10
    BLINK_LEFT = 11
    BLINK_RIGHT = 12
    GAZE_X = 13
    GAZE_Y = 14
    BROW = 15
    YAW_DEG = 16
    PITCH_DEG = 17
    ROLL_DEG = 18
    SHIFT_X = 19
    SHIFT_Y = 20
    BREATH = 21
    CHEEKS = 22
    FROWN = 23


CONTROL_COUNT: Final = len(Control)
MOUTH_COUNT: Final = Control.RELAX + 1
MOUTH: Final = slice(0, MOUTH_COUNT)


@dataclass(frozen=True, slots=True)
class Range:
    """Limits, unit and meaning of one control."""

    low: float
    high: float
    unit: str
    meaning: str


RANGES: Final[dict[Control, Range]] = {
    Control.JAW: Range(0.0, 1.2, "1", "jaw drop; 0.78 is a clear /a/, 1.2 a shout"),
    Control.UPPER_LIP: Range(-0.5, 1.0, "1", "upper lip raised (negative: lowered)"),
    Control.LOWER_LIP: Range(-0.5, 1.0, "1", "lower lip dropped beyond the jaw (negative: raised)"),
    Control.WIDE: Range(-0.3, 1.0, "1", "mouth corners spread, as in /i/"),
    Control.ROUND: Range(0.0, 1.0, "1", "lips rounded and protruded, as in /u/"),
    Control.PRESS: Range(0.0, 1.0, "1", "closed lips pressed together, as in /m/"),
    Control.TUCK: Range(0.0, 1.0, "1", "lower lip tucked under the upper teeth, as in /f/"),
    Control.SMILE: Range(-0.5, 1.0, "1", "mouth corners out and up"),
    Control.SEAL: Range(0.0, 1.0, "1", "lips meet, whatever the jaw does; 1 is closed by law"),
    Control.TONGUE: Range(0.0, 1.0, "1", "tongue tip raised, as in /l/ and /th/"),
    Control.RELAX: Range(0.0, 1.0, "1", "how far an open or smiling source mouth is brought to neutral"),
    Control.BLINK_LEFT: Range(0.0, 1.0, "1", "lid of the eye on the left of the picture closed"),
    Control.BLINK_RIGHT: Range(0.0, 1.0, "1", "lid of the eye on the right of the picture closed"),
    Control.GAZE_X: Range(-0.06, 0.06, "IOD", "iris moved to the right of the picture"),
    Control.GAZE_Y: Range(-0.04, 0.04, "IOD", "iris moved down"),
    Control.BROW: Range(-0.04, 0.06, "IOD", "brows raised"),
    Control.YAW_DEG: Range(-6.0, 6.0, "degree", "head turned to the right of the picture"),
    Control.PITCH_DEG: Range(-5.0, 5.0, "degree", "head nodded down"),
    Control.ROLL_DEG: Range(-4.0, 4.0, "degree", "head tilted clockwise in the picture"),
    Control.SHIFT_X: Range(-0.05, 0.05, "IOD", "head moved to the right of the picture"),
    Control.SHIFT_Y: Range(-0.05, 0.05, "IOD", "head moved down"),
    Control.BREATH: Range(-1.5, 1.5, "1", "breath phase; 1 is full lungs"),
    Control.CHEEKS: Range(0.0, 1.0, "1", "cheeks raised against the lower lids, as in a smile that is meant"),
    Control.FROWN: Range(0.0, 1.0, "1", "inner ends of the brows drawn together and down"),
}

_LOW: Final = np.array([RANGES[control].low for control in Control], np.float32)
_HIGH: Final = np.array([RANGES[control].high for control in Control], np.float32)


def rest(frames: int | None = None) -> Controls:
    """The resting face: all zero. A vector, or a track of `frames` frames."""
    return np.zeros(CONTROL_COUNT if frames is None else (frames, CONTROL_COUNT), np.float32)


def clipped(controls: Controls) -> Controls:
    """The controls limited to their ranges, not-a-number read as rest. Full vectors or full tracks only."""
    return np.clip(np.nan_to_num(controls, nan=0.0), _LOW, _HIGH).astype(np.float32, copy=False)
