"""Gestures and expression put on motion and speech: the lips keep to the speech, and everything keeps its range."""

from typing import Final

import numpy as np

from avatars.engine.controls import RANGES, Control, Controls

# Rounded lips leave the corners little room for a smile.
SMILE_LEFT_BY_ROUNDING: Final = 0.3
# Beyond this share of its range a control is slowed down towards the limit instead of running into it.
FREE_SHARE: Final = 0.75
LIMITED_SOFTLY: Final = (
    *(Control.SMILE, Control.GAZE_X, Control.GAZE_Y, Control.BROW, Control.YAW_DEG, Control.PITCH_DEG),
    *(Control.ROLL_DEG, Control.SHIFT_X, Control.SHIFT_Y, Control.BREATH, Control.CHEEKS, Control.FROWN),
)
_SOFT: Final = list(LIMITED_SOFTLY)
_LIDS: Final = [Control.BLINK_LEFT, Control.BLINK_RIGHT]
_LOW: Final = np.array([RANGES[control].low for control in LIMITED_SOFTLY], np.float32)
_HIGH: Final = np.array([RANGES[control].high for control in LIMITED_SOFTLY], np.float32)


def blended(controls: Controls, added: Controls) -> Controls:
    """A frame (CONTROL_COUNT,) of motion and speech with a frame of gestures and expression on it.

    A lid that a gesture holds shut keeps the other eye from blinking.
    """
    out = controls + added
    lids = np.clip(added[_LIDS], 0, 1)
    out[_LIDS] = controls[_LIDS] * (1 - lids.max()) + lids
    room = 1 - (1 - SMILE_LEFT_BY_ROUNDING) * controls[Control.ROUND]
    out[Control.SMILE] = controls[Control.SMILE] + room * added[Control.SMILE]
    out[_SOFT] = softly_limited(out[_SOFT])
    return out


def softly_limited(values: Controls) -> Controls:
    """Values of `LIMITED_SOFTLY` as they are in the inner part of their range, then ever slower towards its end."""
    limit = np.where(values < 0, _LOW, _HIGH)
    free = FREE_SHARE * limit
    left = np.where(limit == 0, 1, limit - free)
    beyond = (values - free) / left
    return np.where(limit == 0, 0, np.where(beyond > 0, free + left * np.tanh(beyond), values)).astype(np.float32)
