"""Stillness: when a face moves so little that the picture shown last may be shown once more.

Nobody sees whether a head that sways slowly is drawn 25 or 12 times a second. Blinks, glances, gestures and the mouth are
always drawn as they come.
"""

from typing import Final

import numpy as np

from avatars.engine.controls import CONTROL_COUNT, Control, Controls

# In a face of 80 pixels from eye to eye less than half a pixel where it moves most.
LARGEST_STEP_IOD: Final = 0.005
# How far a unit of each moves what it moves most, in IOD. What is not named changes the face itself: a hundredth of it shows.
REACH_IOD: Final = {
    Control.SHIFT_X: 1.0,
    Control.SHIFT_Y: 1.0,
    Control.GAZE_X: 1.0,
    Control.GAZE_Y: 1.0,
    Control.YAW_DEG: 0.018,
    Control.PITCH_DEG: 0.018,
    Control.ROLL_DEG: 0.06,
    Control.BREATH: 0.01,
}
REACH_OF_OTHERS_IOD: Final = 0.5

_REACH: Final = np.array(
    [REACH_IOD.get(Control(number), REACH_OF_OTHERS_IOD) for number in range(CONTROL_COUNT)], np.float32
)


class Stillness:
    """Compares each frame's controls with those that were drawn last."""

    def __init__(self) -> None:
        self._drawn: Controls | None = None

    def holds(self, controls: Controls) -> bool:
        """Whether the last picture will do for these controls, (CONTROL_COUNT,); never twice in a row."""
        drawn, self._drawn = self._drawn, None
        if drawn is not None and float(np.abs(controls - drawn) @ _REACH) < LARGEST_STEP_IOD:
            return True
        self._drawn = controls
        return False
