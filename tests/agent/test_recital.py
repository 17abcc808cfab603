"""Which words of a reply have been heard."""

import pytest

from realtime.agent.recital import STALLED_S, Recital


@pytest.fixture
def recital() -> Recital:
    recital = Recital()
    recital.begin("One two three four.")
    recital.extend(1000)
    recital.begin("Five six seven eight.")
    recital.extend(500)
    recital.extend(500)
    recital.complete = True
    return recital


@pytest.mark.parametrize(
    ("heard_ms", "heard", "caption", "whole"),
    [
        (0, "", "", 0),
        (40, "", "One two three four.", 0),
        (520, "One two", "One two three four.", 0),
        (990, "One two three four.", "One two three four.", 1),
        (1300, "One two three four. Five", "One two three four. Five six seven eight.", 1),
        (2000, "One two three four. Five six seven eight.", "One two three four. Five six seven eight.", 2),
    ],
)
def test_what_was_heard(recital: Recital, heard_ms: float, heard: str, caption: str, whole: int) -> None:
    recital.observe(heard_ms, 100, 1.0)
    assert (recital.heard_text(), recital.caption(), recital.heard_pieces()) == (heard, caption, whole)


def test_it_is_over_when_all_was_played(recital: Recital) -> None:
    assert not recital.observe(None, 1000, 0.0)
    assert not recital.observe(500, 1500, 0.5)
    assert not recital.observe(1950, 50, 1.9)
    assert recital.observe(None, 0, 2.0)
    assert recital.heard_text().endswith("eight.")


def test_it_is_not_over_while_more_is_to_come(recital: Recital) -> None:
    recital.complete = False
    assert not recital.observe(2000, 0, 2.0)
    assert not recital.observe(None, 0, 60.0)


def test_a_stage_that_lost_the_rest_does_not_hold_it_up(recital: Recital) -> None:
    assert not recital.observe(None, 0, 1.0)
    assert not recital.observe(None, 0, 1.0 + STALLED_S)
    assert recital.observe(None, 0, 1.1 + STALLED_S)


def test_text_without_sound_is_shown_at_once() -> None:
    recital = Recital()
    recital.begin("Only to be read.")
    recital.complete = True
    assert recital.observe(None, 0, 0.0)
    assert recital.caption() == recital.heard_text() == "Only to be read."
