"""The loop turns into a recorded gesture and back: at the best places, without a jump, and nothing is seen twice."""

from itertools import pairwise

import numpy as np
import pytest

from avatars.engine.face.bridging import Bridge
from avatars.engine.face.i420 import i420_of
from avatars.engine.face.projector import AHEAD, BRIDGE_FRAMES, HURRY, WAIT_FRAMES, Projector, Shown
from avatars.engine.footage import Footage, encode
from avatars.engine.portrait import Portrait
from avatars.engine.recorded import RecordedGesture

SIDE = 64
LOOP, LENGTH = 50, 40
# The loop is dark and the gesture light; both tell their number by how bright they are.
LOOP_FROM, GESTURE_FROM = 40, 160
IN_FLIGHT = AHEAD + 1


def footage(count: int, brightness: int) -> Footage:
    pictures = (i420_of(np.full((SIDE, SIDE, 3), brightness + number, np.uint8)) for number in range(count))
    poses = np.zeros((count, 2, 3), np.float32)
    poses[:, 0, 0] = poses[:, 1, 1] = 1
    poses[:, 0, 2] = np.arange(count) + (0 if brightness == LOOP_FROM else 100)
    return Footage(tuple(encode(pictures, SIDE, SIDE)), poses)


def gesture(name: str = "wave", *, enter: int = 7, leave: int = 30, free: np.ndarray | None = None) -> RecordedGesture:
    apart = np.full((2, LOOP), 10, np.float32)
    apart[0, enter] = apart[1, leave] = 0
    lips = np.ones(LENGTH, np.float32)
    lips[20] = 0
    return RecordedGesture(name, name.capitalize(), footage(LENGTH, GESTURE_FROM), lips, *apart, free)


@pytest.fixture
def projector() -> Projector:
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    matte = np.zeros((SIDE, SIDE), np.uint8)
    landmarks = np.zeros((478, 3), np.float32)
    return Projector(Portrait(picture, landmarks, matte, picture, footage=footage(LOOP, LOOP_FROM)))


def number(shown: Shown) -> float:
    """Which picture it is: of the loop from 0, of the gesture from 100, and between them on the way."""
    return float(shown.pose[0, 2])


def numbers(projector: Projector, count: int) -> list[float]:
    return [number(projector.next()) for _ in range(count)]


def test_without_a_cue_the_loop_goes_round(projector: Projector) -> None:
    assert numbers(projector, LOOP + 5) == [*range(LOOP), *range(5)]


def test_a_gesture_begins_where_the_loop_is_most_like_it_and_ends_so(projector: Projector) -> None:
    projector.next()
    projector.play(gesture())
    seen = numbers(projector, 7 + LENGTH + 10)
    # To the picture before the best one the loop is untouched.
    assert seen[:6] == [1, 2, 3, 4, 5, 6]
    entering, middle = seen[6 : 6 + BRIDGE_FRAMES], seen[6 + BRIDGE_FRAMES : 6 + LENGTH - BRIDGE_FRAMES]
    assert entering == sorted(entering)
    assert 7 < entering[0] < entering[-1] < 100 + BRIDGE_FRAMES
    assert middle == [100 + index for index in range(BRIDGE_FRAMES, LENGTH - BRIDGE_FRAMES)]
    # The last ones turn into the loop from its best picture on, which then goes on.
    after = 6 + LENGTH
    assert seen[after : after + 4] == [30 + BRIDGE_FRAMES + index for index in range(4)]


def test_pictures_change_no_faster_than_the_way_asks_for(projector: Projector) -> None:
    projector.play(gesture())
    bright = [float(projector.next().picture[:SIDE].mean()) for _ in range(7 + LENGTH + 5)]
    whole = GESTURE_FROM + LENGTH - LOOP_FROM
    assert max(bright) > 150
    assert max(abs(b - a) for a, b in pairwise(bright)) < 1.8 * whole / BRIDGE_FRAMES


def test_a_good_place_is_not_waited_for_too_long(projector: Projector) -> None:
    projector.play(gesture(enter=40))
    first = next(index for index, at in enumerate(numbers(projector, LOOP)) if at >= 100)
    assert first <= WAIT_FRAMES + BRIDGE_FRAMES


def test_lips_and_what_is_in_front_go_with_the_pictures(projector: Projector) -> None:
    free = np.full((LENGTH, 8, 8), 255, np.uint8)
    free[20] = 0
    projector.play(gesture(enter=3, free=free))
    shown = [projector.next() for _ in range(3 + LENGTH + 3)]
    held = [index for index, one in enumerate(shown) if one.lips == 0]
    assert [number(shown[index]) for index in held] == [120]
    assert shown[held[0]].free is not None
    assert not shown[held[0]].free.any()
    assert shown[0].free is None
    assert shown[-1].free is None
    assert shown[-1].lips == 1


def test_a_gesture_that_is_stopped_hurries_to_its_end(projector: Projector) -> None:
    projector.play(gesture(enter=3))
    numbers(projector, 3 + BRIDGE_FRAMES + 3)
    projector.stop()
    rest = numbers(projector, LENGTH)
    steps = [b - a for a, b in pairwise(rest[IN_FLIGHT:]) if a >= 100 and b >= 100]
    assert HURRY in steps
    assert max(steps) == HURRY
    # It joins the loop where it would have, only sooner.
    back = rest.index(30 + BRIDGE_FRAMES)
    assert back < LENGTH - BRIDGE_FRAMES - 8
    assert rest[back : back + 4] == [30 + BRIDGE_FRAMES + index for index in range(4)]


def test_a_gesture_that_is_stopped_before_it_begins_never_does(projector: Projector) -> None:
    projector.play(gesture(enter=15))
    projector.next()
    projector.stop()
    assert max(numbers(projector, LOOP)) < LOOP


def test_another_gesture_comes_after_the_first_has_hurried_home(projector: Projector) -> None:
    projector.play(gesture(enter=3))
    numbers(projector, 15)
    projector.play(gesture("clap", enter=35))
    seen = numbers(projector, 2 * LENGTH + WAIT_FRAMES)
    tops = [index for index, at in enumerate(seen) if at == 100 + LENGTH - BRIDGE_FRAMES - 1]
    assert tops, "the second one is played whole"
    assert any(at < LOOP for at in seen[: tops[-1]])


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_on_the_way_what_moves_is_seen_once(share: float) -> None:
    def with_square(left: int) -> np.ndarray:
        picture = np.full((128, 128, 3), 60, np.uint8)
        picture[48:80, left : left + 32] = np.random.default_rng(1).integers(120, 220, (32, 32, 1), np.uint8)
        return i420_of(picture)

    there = Bridge(with_square(40), with_square(52)).at(share)[:128]
    bright = np.flatnonzero(there[52:76].mean(axis=0) > 100)
    assert bright[0] == pytest.approx(40 + 12 * share, abs=2)
    assert bright[-1] == pytest.approx(71 + 12 * share, abs=2)


def test_the_ends_of_the_way_are_the_pictures_themselves() -> None:
    rng = np.random.default_rng(2)
    first, second = (i420_of(rng.integers(0, 255, (64, 64, 3), np.uint8)) for _ in range(2))
    bridge = Bridge(first, second)
    assert np.array_equal(bridge.at(0), first)
    assert np.array_equal(bridge.at(1), second)
