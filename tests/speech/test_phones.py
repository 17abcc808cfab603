"""Written phonemes become phones with times."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatars.engine.speech.alignment import PAUSE_S, align
from avatars.engine.speech.phones import (
    BILABIALS,
    LABIODENTALS,
    LENGTH_MARK,
    OPEN_VOWELS,
    SILENCE,
    STRESS_MARKS,
    TARGETS,
    VOWELS,
    phones_of,
)

LETTERS = "ɑæʌəɛɜɪiɔoʊupbmfvθðtdnlszʃʒʧʤkɡŋhɹwjAIOWYQˈˌː ,.!"


def test_every_phone_has_a_target() -> None:
    assert {SILENCE} | BILABIALS | LABIODENTALS | VOWELS <= set(TARGETS)
    assert OPEN_VOWELS <= VOWELS
    for letter in LETTERS:
        for symbol, share in phones_of(letter) or ():
            assert symbol in TARGETS
            assert 0 < share <= 1


@pytest.mark.parametrize("letter", list("AIOWYQɑpʃ"))
def test_the_phones_of_a_letter_share_its_time(letter: str) -> None:
    assert sum(share for _, share in phones_of(letter) or ()) == pytest.approx(1)


@pytest.mark.parametrize("letter", [" ", ",", ".", "ˈ", "ː", "?"])
def test_marks_are_not_sounded(letter: str) -> None:
    assert phones_of(letter) is None


def test_open_vowels_aim_at_open_mouths_and_closures_at_closed_ones() -> None:
    assert min(TARGETS[symbol].jaw for symbol in OPEN_VOWELS) > 0.5
    assert max(TARGETS[symbol].jaw for symbol in BILABIALS | LABIODENTALS | {SILENCE}) <= 0.1
    assert max(TARGETS, key=lambda symbol: TARGETS[symbol].wide) == "IY"
    assert TARGETS["UW"].round == TARGETS["W"].round == 1


def test_a_stress_mark_gives_its_time_to_the_vowel() -> None:
    (phone,) = align("ˈi", [0.02, 0.10])
    assert (phone.symbol, phone.stress, phone.start_s, phone.end_s) == ("IY", 2, 0.0, pytest.approx(0.12))


def test_a_length_mark_prolongs_the_phone_before_it() -> None:
    first, second = align("iːt", [0.1, 0.05, 0.05])
    assert (first.symbol, first.end_s, second.start_s) == ("IY", pytest.approx(0.15), pytest.approx(0.15))


def test_a_diphthong_is_two_phones() -> None:
    assert [phone.symbol for phone in align("I", [0.2])] == ["AA", "IH"]


def test_a_short_space_is_spoken_over_and_a_long_one_is_a_pause() -> None:
    assert [phone.symbol for phone in align("a b", [0.1, 0.03, 0.1])] == ["AA", "B"]
    assert [phone.symbol for phone in align("a, b", [0.1, 0.1, 0.1, 0.1])] == ["AA", SILENCE, "B"]


def test_letters_and_durations_belong_together() -> None:
    with pytest.raises(ValueError, match="2 letters, but 1 durations"):
        align("ab", [0.1])


@settings(max_examples=200, deadline=None)
@given(
    spoken=st.lists(
        st.tuples(st.sampled_from(LETTERS), st.integers(0, 8).map(lambda units: units * 0.025)), max_size=40
    ),
    start_s=st.floats(-0.1, 2),
)
def test_phones_follow_each_other_without_a_gap(spoken: list[tuple[str, float]], start_s: float) -> None:
    phones = align("".join(letter for letter, _ in spoken), [duration for _, duration in spoken], start_s)
    now_s = start_s
    for phone in phones:
        assert phone.symbol in TARGETS
        assert phone.start_s == pytest.approx(now_s, abs=1e-6)
        assert phone.end_s >= phone.start_s
        now_s = phone.end_s
    spoken_s = sum(duration for _, duration in spoken)
    if phones and not any(letter == LENGTH_MARK or letter in STRESS_MARKS for letter, _ in spoken):
        assert now_s - start_s == pytest.approx(spoken_s, abs=PAUSE_S + 1e-6)
