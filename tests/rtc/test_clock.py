"""Which frame is next, and when: a table of what happens to a late one, and what holds whatever happens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.rtc.clock import FRAME_S, GAP_AFTER_S, LONGEST_STILL, FrameClock, Tick, free_phase_s

T0_S = 1000.0
# How much later than the frame before, or than its due time, each frame is made.
DELAYS = st.lists(st.floats(0, 0.5), min_size=1, max_size=60)


def ticks(*late_s: float) -> list[Tick]:
    """The frames of a clock, each made so late."""
    clock = FrameClock(T0_S)
    return [clock.tick(clock.due_s + late) for late in late_s]


@pytest.mark.parametrize(
    ("late_s", "index", "skipped", "picture"),
    [
        (0.0, 0, 0, True),
        (0.03, 0, 0, True),
        (0.059, 0, 0, True),
        # Too late to be looked at; its sound is sent all the same.
        (0.061, 0, 0, False),
        (0.19, 0, 0, False),
        # So late that the listener hears a pause instead.
        (0.21, 5, 5, True),
        (1.0, 25, 25, True),
        (1.03, 25, 25, True),
        (3600.0, 90_000, 90_000, True),
    ],
)
def test_what_becomes_of_a_late_frame(late_s: float, index: int, skipped: int, picture: bool) -> None:
    (tick,) = ticks(late_s)
    assert (tick.index, tick.skipped, tick.picture) == (index, skipped, picture)
    assert tick.due_s == pytest.approx(T0_S + index * FRAME_S)
    assert tick.late_s == pytest.approx(late_s - skipped * FRAME_S, abs=1e-6)


def test_frames_on_time_are_numbered_and_shown() -> None:
    made = ticks(*[0.001] * 100)
    assert [tick.index for tick in made] == list(range(100))
    assert all(tick.picture and not tick.skipped for tick in made)


def test_a_frame_taken_early_is_not_late() -> None:
    clock = FrameClock(T0_S)
    assert clock.tick(T0_S - 1).late_s == 0


def test_a_picture_is_shown_now_and_then_however_late_it_is() -> None:
    shown = [tick.picture for tick in ticks(*[0.1] * 20)]
    assert shown == ([False] * LONGEST_STILL + [True]) * 4


def test_a_clock_that_was_late_catches_up_without_a_gap() -> None:
    clock = FrameClock(T0_S)
    now_s = T0_S + 0.15
    made = []
    while clock.due_s <= now_s:
        made.append(clock.tick(now_s))
        now_s += 0.002
    assert [tick.index for tick in made] == [0, 1, 2, 3]
    assert clock.skipped == 0
    assert [tick.picture for tick in made] == [False, False, False, True]


@given(DELAYS)
def test_time_goes_on_and_every_number_is_counted(delays: list[float]) -> None:
    clock = FrameClock(T0_S)
    now_s, expected, skipped = T0_S, 0, 0
    for delay in delays:
        now_s = max(now_s, clock.due_s) + delay
        tick = clock.tick(now_s)
        skipped += tick.skipped
        assert tick.index == expected + tick.skipped
        assert tick.due_s == pytest.approx(T0_S + tick.index * FRAME_S)
        assert 0 <= tick.late_s <= GAP_AFTER_S + 1e-6
        assert tick.late_s == pytest.approx(now_s - tick.due_s, abs=1e-6)
        assert tick.picture or tick.late_s > 0.05
        expected = tick.index + 1
    assert clock.skipped == skipped
    assert clock.due_s == pytest.approx(T0_S + expected * FRAME_S)


@given(st.lists(st.floats(0, 1e6), max_size=40))
def test_a_new_phase_keeps_its_distance(taken: list[float]) -> None:
    phase = free_phase_s(taken)
    assert 0 <= phase < FRAME_S
    distances = [abs((other - phase + FRAME_S / 2) % FRAME_S - FRAME_S / 2) for other in taken]
    assert all(distance >= FRAME_S / (2 * len(taken)) - 1e-6 for distance in distances)


def test_phases_halve_the_widest_gap() -> None:
    taken: list[float] = []
    for _ in range(8):
        taken.append(free_phase_s(taken))
    assert sorted(taken) == pytest.approx([number * FRAME_S / 8 for number in range(8)])
