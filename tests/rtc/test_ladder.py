"""Which bit rate a network bears: when a rung is left, when it is not, and how long one waits to try again."""

import pytest

from realtime.rtc.ladder import (
    CALM_S,
    FAR_TOO_MANY_LOST,
    FIRST_CALM_S,
    FIRST_RUNG,
    LONGEST_CALM_S,
    REPORTS,
    RUNGS,
    SETTLING_S,
    TOO_MANY_LOST,
    Ladder,
)

TOP_KBIT_S = 900


class Path:
    """A picture on its way: 25 frames a second with as many bits as its rung allows, a report each second."""

    def __init__(self) -> None:
        self.ladder = Ladder()
        self.now_s = 0.0
        self.rungs = [self.ladder.rung]

    @property
    def sent_kbit_s(self) -> float:
        return RUNGS[self.ladder.rung] * TOP_KBIT_S

    def go(self, seconds: float, *, lost: float = 0.0, bears_kbit_s: float | None = None) -> "Path":
        """bears_kbit_s: what gets through; more waits, and the browser's estimate falls below it."""
        for _ in range(round(seconds * 25)):
            self.now_s += 0.04
            self.ladder.sent(round(self.sent_kbit_s * 125 / 25), self.now_s)
            if round(self.now_s / 0.04) % 25 == 0:
                self.report(lost)
                if bears_kbit_s is not None:
                    over = self.sent_kbit_s > bears_kbit_s
                    self.ladder.estimated(0.85 * bears_kbit_s if over else 1.5 * self.sent_kbit_s, self.now_s)
            if self.ladder.rung != self.rungs[-1]:
                self.rungs.append(self.ladder.rung)
        return self

    def report(self, lost: float, after_s: float = 0.0) -> None:
        """What became of a hundred packets."""
        self.ladder.reported(100, round(100 * lost), self.now_s + after_s)


def test_a_calm_network_is_at_the_top_within_seconds_and_stays_there() -> None:
    path = Path().go(FIRST_RUNG * FIRST_CALM_S + 1)
    assert path.ladder.rung == 0
    assert path.go(600).rungs == [2, 1, 0]


@pytest.mark.parametrize("lost", [0.01, 0.05, 0.1])
def test_losses_that_are_the_networks_nature_change_nothing(lost: float) -> None:
    assert Path().go(300, lost=lost).rungs == [2, 1, 0]


@pytest.mark.parametrize(
    ("bears_kbit_s", "rungs"), [(1200, {0}), (650, {1, 0}), (500, {2, 1}), (300, {3, 2}), (200, {4, 3})]
)
def test_a_narrow_network_gets_what_it_bears_and_is_tried_ever_more_seldom(
    bears_kbit_s: float, rungs: set[int]
) -> None:
    path = Path().go(60, bears_kbit_s=bears_kbit_s)
    changes = len(path.rungs)
    path.rungs = [path.ladder.rung]
    path.go(240, bears_kbit_s=bears_kbit_s)
    assert set(path.rungs) <= rungs | {min(len(RUNGS) - 1, max(rungs) + 1)}
    # Ten minutes hold few key frames more.
    assert changes <= 12
    assert len(path.rungs) <= 10


def test_a_network_that_gets_narrow_is_answered_within_two_reports() -> None:
    path = Path().go(30)
    assert path.ladder.rung == 0
    path.ladder.estimated(1200, path.now_s)
    path.go(2, bears_kbit_s=500)
    assert path.ladder.rung >= 2


def test_many_lost_packets_in_a_row_of_seconds_cost_a_rung_and_very_many_two_at_once() -> None:
    path = Path().go(30)
    path.go(REPORTS + 0.1, lost=TOO_MANY_LOST + 0.05)
    assert path.ladder.rung == 1
    path = Path().go(30)
    path.go(1, lost=FAR_TOO_MANY_LOST + 0.05)
    assert path.ladder.rung == 2


def test_reports_of_few_packets_are_judged_together() -> None:
    path = Path().go(30)
    for number in range(400):
        # One of three is lost now and then: one in twelve in all.
        path.ladder.reported(3, number % 4 == 0, path.now_s)
        path.go(0.04)
    assert path.ladder.rung == 0


def test_what_was_sent_before_a_step_is_not_held_against_it() -> None:
    path = Path().go(30)
    path.go(1, lost=0.5)
    rung = path.ladder.rung
    assert rung > 0
    path.go(SETTLING_S - 0.6, lost=0.5)
    assert path.ladder.rung == rung
    path.go(2, lost=0.5)
    assert path.ladder.rung > rung


def test_one_slow_moment_of_a_busy_machine_changes_nothing() -> None:
    path = Path().go(30)
    for _ in range(10):
        path.ladder.estimated(1000, path.now_s)
        path.ladder.estimated(0.85 * path.sent_kbit_s, path.now_s)
        path.go(5)
    assert path.ladder.rung == 0


def test_an_estimate_below_what_is_sent_says_nothing_unless_it_falls() -> None:
    path = Path().go(30)
    for kbit_s in range(100, 600, 10):
        path.ladder.estimated(kbit_s, path.now_s)
        path.go(0.5)
    assert path.ladder.rung == 0


def test_a_still_face_is_too_little_to_judge_by() -> None:
    ladder = Ladder()
    for number in range(2500):
        ladder.sent(100, number * 0.04)
        if number % 25 == 0:
            ladder.estimated(30 if number % 50 else 40, number * 0.04)
    assert ladder.rung == 0


def test_who_climbs_in_vain_waits_twice_as_long_each_time() -> None:
    path = Path().go(30)
    waits_s: list[float] = []
    for _ in range(7):
        # The burst of the key frame is over.
        path.go(1)
        path.ladder.estimated(100, path.now_s)
        path.ladder.estimated(70, path.now_s)
        fell_s, rung = path.now_s, path.ladder.rung
        while path.ladder.rung >= rung and path.now_s < fell_s + 2 * LONGEST_CALM_S:
            path.go(0.2)
        waits_s.append(path.now_s - fell_s)
    assert waits_s == pytest.approx([min(2**n * CALM_S, LONGEST_CALM_S) for n in range(7)], abs=0.5)
