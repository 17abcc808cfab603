"""When a picture may be shown twice."""

import numpy as np
import pytest

from avatars.engine.activity import Activity
from avatars.engine.controls import Control, rest
from avatars.engine.motion import Motion
from avatars.engine.stillness import LARGEST_STEP_IOD, Stillness


def moved(control: Control, by: float) -> np.ndarray:
    controls = rest()
    controls[control] += by
    return controls


@pytest.mark.parametrize(
    ("control", "by", "holds"),
    [
        (Control.SHIFT_X, 0.8 * LARGEST_STEP_IOD, True),
        (Control.SHIFT_X, 1.2 * LARGEST_STEP_IOD, False),
        (Control.YAW_DEG, 0.2, True),
        (Control.YAW_DEG, 0.4, False),
        (Control.ROLL_DEG, -0.05, True),
        (Control.ROLL_DEG, -0.1, False),
        (Control.GAZE_X, 0.01, False),
        (Control.BLINK_LEFT, 0.05, False),
        (Control.JAW, 0.02, False),
    ],
)
def test_small_moves_of_the_head_hold_and_nothing_else_does(control: Control, by: float, holds: bool) -> None:
    stillness = Stillness()
    assert not stillness.holds(rest())
    assert stillness.holds(moved(control, by)) is holds


def test_small_moves_add_up() -> None:
    both = moved(Control.SHIFT_X, 0.6 * LARGEST_STEP_IOD) + moved(Control.SHIFT_Y, 0.6 * LARGEST_STEP_IOD) - rest()
    stillness = Stillness()
    stillness.holds(rest())
    assert not stillness.holds(both)


def test_no_picture_is_shown_three_times() -> None:
    stillness = Stillness()
    assert [stillness.holds(rest()) for _ in range(6)] == [False, True, False, True, False, True]


def test_an_idle_face_is_still_a_third_of_the_time() -> None:
    motion, stillness = Motion(3), Stillness()
    held = [stillness.holds(motion.next(Activity.IDLE)) for _ in range(1500)]
    assert 0.2 < np.mean(held) < 0.5
