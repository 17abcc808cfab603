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
_LIDS: Final = (Control.BLINK_LEFT, Control.BLINK_RIGHT)
_LOW: Final = np.array([RANGES[control].low for control in LIMITED_SOFTLY], np.float32)
_HIGH: Final = np.array([RANGES[control].high for control in LIMITED_SOFTLY], np.float32)
_FREE_LOW, _FREE_HIGH = FREE_SHARE * _LOW, FREE_SHARE * _HIGH


def blended(controls: Controls, added: Controls) -> Controls:
    """A frame (CONTROL_COUNT,) of motion and speech with a frame of gestures and expression on it.

    A lid that a gesture holds shut keeps the other eye from blinking.
    """
    out = controls + added
    held = [min(max(float(added[lid]), 0.0), 1.0) for lid in _LIDS]
    for lid, shut in zip(_LIDS, held, strict=True):
        out[lid] = controls[lid] * (1 - max(held)) + shut
    # Of a smile that the source still shows, so much more is taken.
    out[Control.RELAX] = controls[Control.RELAX] + (1 - controls[Control.RELAX]) * added[Control.RELAX]
    room = 1 - (1 - SMILE_LEFT_BY_ROUNDING) * controls[Control.ROUND]
    out[Control.SMILE] = controls[Control.SMILE] + room * added[Control.SMILE]
    out[_SOFT] = softly_limited(out[_SOFT])
    return out


def softly_limited(values: Controls) -> Controls:
    """Values of `LIMITED_SOFTLY` as they are in the inner part of their range, then ever slower towards its end."""
    inner: Controls = np.minimum(np.maximum(values, _FREE_LOW), _FREE_HIGH)
    beyond = values - inner
    if not beyond.any():
        return inner
    left = np.where(beyond < 0, _LOW, _HIGH) * (1 - FREE_SHARE)
    inner += left * np.tanh(np.divide(beyond, left, out=np.zeros_like(beyond), where=left != 0))
    return inner
