"""The media thread: every show's frames at their times, one show's trouble not the others'."""

import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from realtime.frames import FrameThread
from realtime.rtc import FRAME_S, Tick

WITHIN_S = 20.0


class Recorded:
    """A show that keeps its ticks; at the tick of this index it takes `work_s` or raises `error`."""

    def __init__(self, at: int = -1, work_s: float = 0.0, error: Exception | None = None) -> None:
        self.ticks: list[Tick] = []
        self.performed_s: list[float] = []
        self.errors: list[Exception] = []
        self._at, self._work_s, self._error = at, work_s, error
        self._changed = threading.Condition()

    def perform(self, tick: Tick) -> None:
        with self._changed:
            self.performed_s.append(time.monotonic())
            self.ticks.append(tick)
            self._changed.notify_all()
        if len(self.ticks) - 1 == self._at:
            time.sleep(self._work_s)
            if self._error:
                raise self._error

    def failed(self, error: Exception) -> None:
        with self._changed:
            self.errors.append(error)
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.ticks) >= count, WITHIN_S), f"only {len(self.ticks)} frames"

    def wait_for_error(self) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.errors, WITHIN_S)

    @property
    def phase_s(self) -> float:
        return self.ticks[0].due_s % FRAME_S


@pytest.fixture
def frames() -> Iterator[FrameThread]:
    thread = FrameThread()
    thread.start()
    yield thread
    thread.stop()
    assert "frames" not in {other.name for other in threading.enumerate()}


def test_frames_are_made_in_order_and_not_before_their_time(frames: FrameThread) -> None:
    show = Recorded()
    frames.add(show)
    show.wait_for(15)
    frames.remove(show)
    for before, after in pairwise(show.ticks):
        assert after.index == before.index + 1 + after.skipped
        assert after.due_s - before.due_s == pytest.approx((after.index - before.index) * FRAME_S)
    assert all(at >= tick.due_s for at, tick in zip(show.performed_s, show.ticks, strict=True))


def test_the_first_frame_is_made_soon(frames: FrameThread) -> None:
    before_s = time.monotonic()
    show = Recorded()
    frames.add(show)
    show.wait_for(1)
    assert show.ticks[0].index == show.ticks[0].skipped
    assert show.ticks[0].due_s - show.ticks[0].index * FRAME_S - before_s < FRAME_S + 0.01


def test_shows_are_staggered(frames: FrameThread) -> None:
    shows = [Recorded() for _ in range(4)]
    for show in shows:
        frames.add(show)
    for show in shows:
        show.wait_for(2)
    phases = sorted(show.phase_s for show in shows)
    gaps = [after - before for before, after in pairwise([*phases, phases[0] + FRAME_S])]
    assert gaps == pytest.approx([FRAME_S / 4] * 4, abs=0.001)


def test_a_show_takes_the_place_of_one_that_has_gone(frames: FrameThread) -> None:
    first, second, third = Recorded(), Recorded(), Recorded()
    frames.add(first)
    frames.add(second)
    frames.remove(first)
    frames.add(third)
    second.wait_for(2)
    third.wait_for(2)
    apart = abs(second.phase_s - third.phase_s)
    assert min(apart, FRAME_S - apart) == pytest.approx(FRAME_S / 2, abs=0.001)


def test_a_show_that_is_removed_is_performed_no_more(frames: FrameThread) -> None:
    gone, other = Recorded(), Recorded()
    frames.add(gone)
    frames.add(other)
    gone.wait_for(3)
    frames.remove(gone)
    frames.remove(gone)
    other.wait_for(len(other.ticks) + 2)
    count = len(gone.ticks)
    other.wait_for(len(other.ticks) + 5)
    assert len(gone.ticks) == count


def test_a_show_that_is_removed_and_added_again_is_performed_once_a_frame(frames: FrameThread) -> None:
    show = Recorded()
    for _ in range(3):
        frames.add(show)
        frames.remove(show)
    frames.add(show)
    show.wait_for(10)
    frames.remove(show)
    assert all(at >= tick.due_s for at, tick in zip(show.performed_s, show.ticks, strict=True))


def test_a_show_that_fails_is_removed_and_told_once_while_the_others_go_on(frames: FrameThread) -> None:
    error = ValueError("no picture")
    broken, other = Recorded(at=2, error=error), Recorded()
    frames.add(broken)
    frames.add(other)
    broken.wait_for_error()
    other.wait_for(len(other.ticks) + 5)
    assert broken.errors == [error]
    assert len(broken.ticks) == 3
    assert frames.skipped(broken) == 0


def test_a_show_that_cannot_even_be_told_stops_nobody(frames: FrameThread) -> None:
    class Deaf(Recorded):
        def failed(self, error: Exception) -> None:
            super().failed(error)
            raise RuntimeError("the loop is closed")

    deaf, other = Deaf(at=0, error=ValueError("no picture")), Recorded()
    frames.add(deaf)
    frames.add(other)
    deaf.wait_for_error()
    other.wait_for(len(other.ticks) + 5)


def test_a_show_may_remove_itself_while_it_performs(frames: FrameThread) -> None:
    class Modest(Recorded):
        def perform(self, tick: Tick) -> None:
            super().perform(tick)
            frames.remove(self)

    modest, other = Modest(), Recorded()
    frames.add(modest)
    frames.add(other)
    other.wait_for(6)
    assert len(modest.ticks) == 1


def test_a_show_that_took_too_long_leaves_frames_out_and_says_so(frames: FrameThread) -> None:
    slow = Recorded(at=2, work_s=0.5)
    frames.add(slow)
    slow.wait_for(5)
    after = slow.ticks[3]
    assert after.skipped >= 10
    assert after.index == slow.ticks[2].index + 1 + after.skipped
    assert frames.skipped(slow) == sum(tick.skipped for tick in slow.ticks)
    assert after.late_s < FRAME_S + 0.2


def test_a_show_that_was_a_little_late_catches_up(frames: FrameThread) -> None:
    slow = Recorded(at=2, work_s=0.15)
    frames.add(slow)
    slow.wait_for(4)
    # Unless the machine itself stood still, nothing was left out.
    assert slow.ticks[3].skipped == 0 or slow.ticks[3].due_s - slow.ticks[2].due_s > 0.2


def test_it_tells_how_late_and_how_busy_it_is() -> None:
    thread = FrameThread()
    assert (thread.late_ms, thread.work_ms) == (0.0, 0.0)
    thread.start()
    show = Recorded()
    thread.add(show)
    show.wait_for(10)
    thread.stop()
    assert 0 <= thread.work_ms < 40
    assert thread.late_ms >= 0


def test_it_stops_in_the_middle_of_everything() -> None:
    thread = FrameThread()
    thread.start()
    shows = [Recorded() for _ in range(3)]
    for show in shows:
        thread.add(show)
    shows[0].wait_for(1)
    thread.stop()
    counts = [len(show.ticks) for show in shows]
    time.sleep(3 * FRAME_S)
    assert [len(show.ticks) for show in shows] == counts


def test_it_stops_with_nothing_to_do() -> None:
    thread = FrameThread()
    thread.start()
    thread.stop()
