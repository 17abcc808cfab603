"""What a face does by itself: the same for the same seed, within its limits, and never twice alike."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from avatars.engine.activity import Activity
from avatars.engine.controls import MOUTH, RANGES, Control
from avatars.engine.motion import BLINK_RANGE_S, LIMITS_DEG, Motion

MINUTE = 60 * 25
SEEDS = st.integers(0, 2**32 - 1)
ANGLES = [Control.YAW_DEG, Control.PITCH_DEG, Control.ROLL_DEG]
# The fastest that a head may turn, tilt and nod from one picture to the next.
FASTEST_DEG_A_FRAME = 1.2


def moved(seed: int, frames: int = MINUTE, *activities: Activity) -> np.ndarray:
    """A track of a face that is so busy, each activity for an equal part of the time."""
    motion = Motion(seed)
    activities = activities or (Activity.IDLE,)
    part = -(-frames // len(activities))
    return np.stack([motion.next(activities[frame // part]) for frame in range(frames)])


def blinks(track: np.ndarray, closed: float = 0.5) -> np.ndarray:
    """The frames in which the left lid begins to be closed."""
    shut = track[:, Control.BLINK_LEFT] > closed
    return np.flatnonzero(shut[1:] & ~shut[:-1]) + 1


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_the_same_seed_moves_the_same(seed: int) -> None:
    assert np.array_equal(moved(seed, 200, *Activity), moved(seed, 200, *Activity))


def test_two_faces_do_not_move_alike() -> None:
    one, other = moved(1), moved(2)
    for control in (*ANGLES, Control.GAZE_X, Control.BREATH):
        assert abs(np.corrcoef(one[:, control], other[:, control])[0, 1]) < 0.6


@settings(max_examples=12, deadline=None)
@given(SEEDS, st.permutations(list(Activity)))
@example(3139120, [Activity.SPEAKING, Activity.LISTENING, Activity.THINKING, Activity.IDLE])
def test_everything_keeps_its_range(seed: int, activities: list[Activity]) -> None:
    track = moved(seed, MINUTE, *activities)
    for control in Control:
        low, high = track[:, control].min(), track[:, control].max()
        if control in (Control.GAZE_X, Control.GAZE_Y):
            # A glance now and then goes too far; the renderer limits it.
            low, high = np.percentile(track[:, control], [2, 98])
        assert low >= RANGES[control].low - 1e-6
        assert high <= RANGES[control].high + 1e-6
    assert not track[:, MOUTH].any()
    assert not track[:, Control.BROW].any()


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.permutations(list(Activity)))
def test_the_head_never_jerks(seed: int, activities: list[Activity]) -> None:
    track = moved(seed, MINUTE, *activities)
    assert np.abs(np.diff(track[:, ANGLES], axis=0)).max() < FASTEST_DEG_A_FRAME
    assert np.abs(np.diff(track[:, [Control.SHIFT_X, Control.SHIFT_Y]], axis=0)).max() < 0.012


@pytest.mark.parametrize("seed", range(5))
def test_the_head_does_not_stand_still(seed: int) -> None:
    for activity in Activity:
        second = moved(seed, 20 * 25, activity)[:, ANGLES].reshape(20, 25, -1)
        assert (np.ptp(second, axis=1).max(axis=1) > 0.05).all()


@pytest.mark.parametrize("seed", range(5))
def test_lids_close_and_open_again(seed: int) -> None:
    track = moved(seed, 3 * MINUTE)
    lids = track[:, [Control.BLINK_LEFT, Control.BLINK_RIGHT]]
    assert lids.max(axis=0) == pytest.approx([1.0, 0.985], abs=0.05)
    begins = blinks(track)
    assert 3 * 8 < len(begins) < 3 * 45
    # No blink is longer than it should be, and between blinks the eyes are open.
    assert all((lids[begin : begin + 8] < 0.2).all(axis=1).any() for begin in begins[:-1])
    assert (lids < 0.02).all(axis=1).mean() > 0.6
    assert np.diff(begins).max() <= (BLINK_RANGE_S[1] + 1) * 25


def test_both_lids_close_together() -> None:
    track = moved(3, 3 * MINUTE)
    for begin in blinks(track):
        assert track[begin : begin + 2, Control.BLINK_RIGHT].max() > 0.4


def test_a_blink_can_be_asked_for() -> None:
    motion = Motion(11)
    before = np.stack([motion.next(Activity.IDLE) for _ in range(3)])
    assert before[:, Control.BLINK_LEFT].max() == 0
    motion.blink()
    assert max(motion.next(Activity.IDLE)[Control.BLINK_LEFT] for _ in range(4)) > 0.5


def test_nothing_repeats() -> None:
    track = moved(5, 4 * MINUTE)[:, [*ANGLES, Control.GAZE_X, Control.GAZE_Y]]
    track = (track - track.mean(axis=0)) / track.std(axis=0)
    # No two stretches of ten seconds are the same, wherever the second begins.
    length = 250
    for begin in (0, 1000, 2500):
        stretch = track[begin : begin + length]
        apart = [
            np.sqrt(np.square(track[other : other + length] - stretch).mean())
            for other in range(0, len(track) - length, 5)
            if abs(other - begin) >= length
        ]
        assert min(apart) > 0.5


def test_who_thinks_looks_away_and_who_speaks_moves_more() -> None:
    thinking, idle, speaking = (moved(7, 2 * MINUTE, a) for a in (Activity.THINKING, Activity.IDLE, Activity.SPEAKING))
    assert thinking[:, Control.GAZE_X].mean() > idle[:, Control.GAZE_X].mean() + 0.01
    assert thinking[:, Control.GAZE_Y].mean() < idle[:, Control.GAZE_Y].mean() - 0.005
    assert speaking[:, Control.YAW_DEG].std() > idle[:, Control.YAW_DEG].std()


def test_only_who_listens_nods() -> None:
    def nodding(activity: Activity) -> float:
        # A nod swings about twice a second, where postures and the tremor hardly move.
        pitch = moved(9, 4 * MINUTE, activity)[:, Control.PITCH_DEG]
        spectrum = np.abs(np.fft.rfft(pitch - pitch.mean())) ** 2
        hertz = np.fft.rfftfreq(len(pitch), 1 / 25)
        return float(spectrum[(hertz > 1.6) & (hertz < 2.4)].sum() / len(pitch))

    assert nodding(Activity.LISTENING) > 3 * nodding(Activity.IDLE)


def test_who_listens_nods_at_a_pause_but_not_at_every_one() -> None:
    def nods(motion: Motion, frames: int, pauses: set[int]) -> int:
        down = [0.0] * 5
        for frame in range(frames):
            if frame in pauses:
                motion.user_paused()
            down.append(motion._nods.next(Activity.LISTENING))
        # Between the beats of one nod the head is back for a single frame.
        return sum(down[at] > 0 and not any(down[at - 3 : at]) for at in range(3, len(down)))

    # Three seconds: too soon for a nod without a reason.
    assert nods(Motion(3), 75, set()) == 0
    assert nods(Motion(3), 75, {10}) == 1
    assert nods(Motion(3), 75, {10, 20, 30, 40, 50, 60}) == 1
    assert nods(Motion(3), 10 * 25, {10, 100, 190}) == 3


def test_a_pause_makes_only_a_listener_nod() -> None:
    motion = Motion(3)
    motion.user_paused()
    assert not any(motion._nods.next(Activity.SPEAKING) for _ in range(100))


def test_who_begins_to_think_turns_the_eyes_away_at_leisure() -> None:
    for seed in range(20):
        motion = Motion(seed)
        motion._gaze.rng = np.random.default_rng(0)
        gaze = np.stack([motion._gaze.next(Activity.THINKING) for _ in range(12)])
        assert gaze[0, 0] < 0.015
        assert gaze[7:, 0].mean() > 0.018
        assert gaze[7:, 1].mean() < -0.008


def test_who_thinks_blinks_less() -> None:
    thinking, idle = (
        sum(len(blinks(moved(seed, 2 * MINUTE, activity))) for seed in range(4))
        for activity in (Activity.THINKING, Activity.IDLE)
    )
    assert thinking < 0.8 * idle


def test_the_limits_of_the_head_leave_room_for_speech() -> None:
    for control, limit in zip(ANGLES, LIMITS_DEG, strict=True):
        assert limit < RANGES[control].high
