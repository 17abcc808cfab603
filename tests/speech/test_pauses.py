"""Pauses are where the sound is silent, and phones cover the rest."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatars.engine.speech.pauses import with_pauses
from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, Phone


def sound(*parts: tuple[float, bool]) -> np.ndarray:
    """Noise and silence in a row: (seconds, audible)."""
    random = np.random.default_rng(1)
    pieces = [random.normal(0, 0.1, round(s * SAMPLE_RATE_HZ)) * audible for s, audible in parts]
    return np.concatenate(pieces).astype(np.float32)


def symbols(phones: tuple[Phone, ...]) -> list[str]:
    return [phone.symbol for phone in phones]


def test_a_silence_between_words_is_a_pause() -> None:
    phones = [Phone("OW", 0.0, 0.35), Phone("AA", 0.35, 0.8)]
    cut = with_pauses(phones, sound((0.3, True), (0.15, False), (0.35, True)))
    assert symbols(cut) == ["OW", "SIL", "AA"]
    assert [phone.end_s for phone in cut] == pytest.approx([0.3, 0.45, 0.8], abs=0.011)


def test_the_silence_of_a_stop_is_none() -> None:
    phones = [Phone("AA", 0.0, 0.3), Phone("T", 0.3, 0.4), Phone("AA", 0.4, 0.7)]
    assert symbols(with_pauses(phones, sound((0.31, True), (0.07, False), (0.32, True)))) == ["AA", "T", "AA"]


def test_the_end_of_the_sound_is_silent_sooner() -> None:
    phones = [Phone("IY", 0.0, 0.5)]
    assert symbols(with_pauses(phones, sound((0.43, True), (0.07, False)))) == ["IY", "SIL"]


def test_lips_close_even_where_it_is_not_heard() -> None:
    silent_p = [Phone("AA", 0.0, 0.3), Phone("P", 0.3, 0.4)]
    cut = with_pauses(silent_p, sound((0.28, True), (0.3, False)))
    assert symbols(cut) == ["AA", "P", "SIL"]
    begun = with_pauses([Phone("P", 0.27, 0.5)], sound((0.28, True), (0.3, False)))
    assert begun[1].end_s - begun[1].start_s == pytest.approx(0.04)


def test_phones_of_silence_leave_nothing_but_silence() -> None:
    assert symbols(with_pauses([], np.zeros(24_000, np.float32))) == ["SIL"]
    assert with_pauses([], np.zeros(0, np.float32)) == ()


@settings(max_examples=100, deadline=None)
@given(
    parts=st.lists(st.tuples(st.integers(1, 30).map(lambda n: n / 100), st.booleans()), min_size=1, max_size=10),
    lengths=st.lists(st.integers(0, 12).map(lambda n: n * 0.025), min_size=1, max_size=20),
    names=st.lists(st.sampled_from(["AA", "P", "M", "S", "T", "SIL", "UW"]), min_size=20, max_size=20),
)
def test_phones_and_pauses_cover_the_sound(
    parts: list[tuple[float, bool]], lengths: list[float], names: list[str]
) -> None:
    samples = sound(*parts)
    duration_s = len(samples) / SAMPLE_RATE_HZ
    ends = np.minimum(np.cumsum(lengths), duration_s)
    starts = np.concatenate([[0], ends[:-1]])
    phones = [Phone(name, a, b) for name, a, b in zip(names, starts, ends, strict=False) if b > a]
    covered = with_pauses(phones, samples)
    assert covered[-1].end_s == pytest.approx(duration_s)
    for before, after in pairwise(covered):
        assert after.start_s == pytest.approx(before.end_s)
        assert not before.symbol == after.symbol == "SIL"
    assert covered[0].start_s <= 0.021
    assert sum(phone.symbol in "PM" for phone in covered) == sum(phone.symbol in "PM" for phone in phones)
