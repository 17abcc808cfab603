"""The laws of the mouth hold for whatever is said."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatars.engine.controls import MOUTH_COUNT, RANGES, Control
from avatars.engine.speech.coarticulation import LEAD_S, SPEAKING_RELAX, frame_count, mouth_from_phones
from avatars.engine.speech.phones import TARGETS
from avatars.engine.speech.spoken import Phone

SHORTEST_S, LONGEST_S = 0.010, 0.400
PHONES = st.lists(
    st.tuples(st.sampled_from(sorted(TARGETS)), st.floats(SHORTEST_S, LONGEST_S), st.integers(0, 2)), max_size=30
)


def spoken(parts: list[tuple[str, float, int]]) -> list[Phone]:
    phones, now_s = [], 0.0
    for symbol, duration_s, stress in parts:
        phones.append(Phone(symbol, now_s, now_s + duration_s, stress))
        now_s += duration_s
    return phones


def say(*parts: tuple[str, float]) -> tuple[list[Phone], np.ndarray]:
    phones = spoken([(symbol, duration_s, 0) for symbol, duration_s in parts])
    return phones, mouth_from_phones(phones, phones[-1].end_s)


def shown_at(seconds: float) -> int:
    """The frame that shows the mouth of a moment of speech."""
    return round((seconds - LEAD_S) * 25 - 0.5)


@settings(max_examples=150, deadline=None)
@given(PHONES)
def test_controls_keep_their_ranges(parts: list[tuple[str, float, int]]) -> None:
    phones = spoken(parts)
    duration_s = phones[-1].end_s if phones else 0.0
    track = mouth_from_phones(phones, duration_s)
    assert track.shape == (frame_count(duration_s), MOUTH_COUNT)
    assert track.dtype == np.float32
    for index in range(MOUTH_COUNT):
        limits = RANGES[Control(index)]
        assert (track[:, index] >= limits.low - 1e-6).all()
        assert (track[:, index] <= limits.high + 1e-6).all()


@settings(max_examples=150, deadline=None)
@given(PHONES)
def test_every_closure_closes(parts: list[tuple[str, float, int]]) -> None:
    """Each p, b and m has a frame in which the lips are closed by law, at its place or the frame next to it."""
    phones = spoken(parts)
    track = mouth_from_phones(phones, phones[-1].end_s if phones else 0.0)
    for phone in phones:
        if phone.symbol in {"P", "B", "M"}:
            at = int(np.clip(shown_at((phone.start_s + phone.end_s) / 2), 0, len(track) - 1))
            near = track[max(0, at - 1) : at + 2, Control.SEAL]
            assert near.max() == 1.0


@settings(max_examples=150, deadline=None)
@given(PHONES)
def test_every_f_and_v_tucks_the_lip(parts: list[tuple[str, float, int]]) -> None:
    """Unless the lips are just then closed for another sound."""
    phones = spoken(parts)
    track = mouth_from_phones(phones, phones[-1].end_s if phones else 0.0)
    for phone in phones:
        if phone.symbol in {"F", "V"}:
            at = int(np.clip(shown_at((phone.start_s + phone.end_s) / 2), 0, len(track) - 1))
            near = track[max(0, at - 1) : at + 2]
            assert (near[:, Control.TUCK] + near[:, Control.SEAL]).max() >= 0.89


@pytest.mark.parametrize("symbol", ["P", "B", "M"])
def test_a_closure_between_open_vowels_is_as_closed_as_any(symbol: str) -> None:
    _, track = say(("AA", 0.2), (symbol, 0.02), ("AA", 0.2))
    at = int(np.argmax(track[:, Control.SEAL]))
    assert track[at, Control.SEAL] == 1
    assert track[at, Control.PRESS] > 0.5
    assert track[at - 3, Control.SEAL] == track[at + 3, Control.SEAL] == 0
    assert track[at - 3, Control.JAW] > 0.4


def test_a_closure_at_either_end_of_the_sound_closes() -> None:
    _, track = say(("M", 0.02), ("AA", 0.3), ("P", 0.02))
    assert track[0, Control.SEAL] == 1
    assert track[-2:, Control.SEAL].max() == 1


def test_a_tucked_lip_takes_the_jaw_along() -> None:
    _, track = say(("AA", 0.2), ("F", 0.1), ("AA", 0.2))
    at = int(np.argmax(track[:, Control.TUCK]))
    assert track[at, Control.TUCK] == 1
    assert track[at, Control.JAW] <= 0.11


def test_silence_is_still() -> None:
    _, track = say(("AA", 0.3), ("SIL", 0.8), ("AA", 0.3))
    quiet = track[shown_at(0.3 + 0.1) + 1 : shown_at(1.1 - 0.1)]
    assert len(quiet) > 10
    assert not quiet[:, : Control.RELAX].any()
    assert (track[:, Control.RELAX] == np.float32(SPEAKING_RELAX)).all()


@pytest.mark.parametrize("phones", [[], [Phone("SIL", 0.0, 1.0)], [Phone("AA", 3.0, 3.2)]])
def test_nothing_said_moves_nothing(phones: list[Phone]) -> None:
    assert not mouth_from_phones(phones, 1.0)[:, : Control.RELAX].any()


def test_the_mouth_settles_after_the_last_sound() -> None:
    phones, _ = say(("AA", 0.3), ("SIL", 0.05))
    track = mouth_from_phones(phones, 1.0)
    assert not track[shown_at(0.3 + 0.1) + 1 :, : Control.RELAX].any()


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.04, 0.041, 1.0])
def test_a_started_frame_counts(seconds: float) -> None:
    assert frame_count(seconds) == {0.0: 0, 0.001: 1, 0.04: 1, 0.041: 2, 1.0: 25}[seconds]


def test_open_vowels_open_and_rounded_ones_round() -> None:
    (_, aa), (_, iy), (_, uw) = (say(("T", 0.08), (vowel, 0.25), ("T", 0.08)) for vowel in ("AA", "IY", "UW"))
    assert aa[:, Control.JAW].max() > 2 * max(iy[:, Control.JAW].max(), uw[:, Control.JAW].max())
    assert iy[:, Control.WIDE].max() > 0.4 > 0.3 > uw[:, Control.WIDE].max()
    assert uw[:, Control.ROUND].max() > 0.7
    assert iy[:, Control.ROUND].max() < 0.1


def test_a_clear_a_opens_as_far_as_that_of_a_real_speaker() -> None:
    """Whose lips are apart by 0.15 IOD in one frame of a hundred."""
    (_, aa), (_, uw) = (say(("T", 0.08), (vowel, 0.25), ("T", 0.08)) for vowel in ("AA", "UW"))
    for track, low, high in ((aa, 0.12, 0.18), (uw, 0.02, 0.05)):
        assert low < (0.24 * track[:, Control.JAW] + 0.09 * track[:, Control.LOWER_LIP]).max() < high


def test_a_short_vowel_before_a_v_is_seen_open() -> None:
    _, track = say(("HH", 0.06), ("AE", 0.05), ("V", 0.06), ("T", 0.08))
    opening = 0.24 * track[:, Control.JAW] + 0.075 * track[:, Control.UPPER_LIP] + 0.09 * track[:, Control.LOWER_LIP]
    assert opening[:4].max() > 0.06


def test_stress_opens_wider() -> None:
    plain, stressed = (
        mouth_from_phones([Phone("T", 0, 0.1), Phone("AA", 0.1, 0.25, stress), Phone("T", 0.25, 0.35)], 0.35)
        for stress in (0, 2)
    )
    assert stressed[:, Control.JAW].max() > plain[:, Control.JAW].max() * 1.05


def test_a_long_speech_is_the_same_as_its_parts() -> None:
    """Blocks are an economy: what is said far away changes nothing."""
    part = [("M", 0.08, 0), ("AA", 0.2, 2), ("S", 0.1, 0), ("SIL", 0.52, 0), ("UW", 0.2, 1), ("T", 0.1, 0)]
    phones = spoken(part * 12)
    whole = mouth_from_phones(phones, phones[-1].end_s)
    once = round(25 * phones[5].end_s)
    assert np.allclose(whole[once : 2 * once], whole[9 * once : 10 * once], atol=1e-5)
