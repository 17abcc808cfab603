"""What the head and the brows do with speech."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatars.engine.accents import NOD_DEG, accents
from avatars.engine.controls import CONTROL_COUNT, Control
from avatars.engine.speech.phones import SILENCE, TARGETS
from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, Phone, Speech

PHONES = st.lists(st.tuples(st.sampled_from(sorted(TARGETS)), st.floats(0.02, 0.3), st.integers(0, 2)), max_size=25)


def speech_of(*parts: tuple[str, float, int]) -> Speech:
    phones, now_s = [], 0.0
    for symbol, duration_s, stress in parts:
        phones.append(Phone(symbol, now_s, now_s + duration_s, stress))
        now_s += duration_s
    return Speech(np.zeros(round(now_s * SAMPLE_RATE_HZ), np.float32), tuple(phones))


def track_of(speech: Speech, seed: int = 0) -> np.ndarray:
    frames = -(-len(speech.samples) // SAMPLES_PER_FRAME)
    return accents(speech, frames, np.random.default_rng(seed))


@settings(max_examples=100, deadline=None)
@given(PHONES, st.integers(0, 1000))
def test_accents_are_small_and_move_nothing_else(parts: list[tuple[str, float, int]], seed: int) -> None:
    speech = speech_of(*parts)
    track = track_of(speech, seed)
    assert track.shape[1] == CONTROL_COUNT
    assert track.dtype == np.float32
    assert np.isfinite(track).all()
    others = [c for c in Control if c not in (Control.PITCH_DEG, Control.BROW)]
    assert not track[:, others].any()
    assert np.abs(track[:, Control.PITCH_DEG]).max(initial=0) < 6
    assert track[:, Control.BROW].min(initial=0) >= 0
    assert track[:, Control.BROW].max(initial=0) < 0.12
    assert np.abs(np.diff(track[:, Control.PITCH_DEG])).max(initial=0) < 1.6
    assert np.array_equal(track, track_of(speech, seed))


def test_some_stressed_vowels_are_nodded_at_and_unstressed_ones_are_not() -> None:
    def nod(stress: int, seed: int) -> float:
        track = track_of(speech_of(("S", 0.8, 0), ("AA", 0.2, stress), ("S", 1.6, 0)), seed)
        return float(track[20:26, Control.PITCH_DEG].max())

    plain = nod(0, 0)
    deep = [nod(2, seed) > plain + NOD_DEG[0] / 2 for seed in range(40)]
    assert 15 < sum(deep) < 40
    assert all(nod(stress, seed) == plain for stress in (0, 1) for seed in range(5))


def test_nods_leave_each_other_time() -> None:
    syllables = [("T", 0.05, 0), ("AA", 0.1, 2)] * 14
    for seed in range(20):
        pitch = track_of(speech_of(*syllables), seed)[:, Control.PITCH_DEG]
        assert pitch.max() < 4.5


def test_a_phrase_begins_with_a_lift_and_ends_with_a_fall() -> None:
    pitch = track_of(speech_of((SILENCE, 0.4, 0), ("S", 1.2, 0), (SILENCE, 0.8, 0)))[:, Control.PITCH_DEG]
    assert pitch[13] == pytest.approx(-0.8, abs=0.1)
    assert pitch[39] == pytest.approx(1.1, abs=0.1)
    assert abs(pitch[-1]) < 0.1


def test_a_pause_makes_two_phrases_of_one() -> None:
    pitch = track_of(speech_of(("S", 1.0, 0), (SILENCE, 0.6, 0), ("S", 1.0, 0)))[:, Control.PITCH_DEG]
    assert pitch[24] > 0.5
    assert pitch[43] < -0.5


def test_where_only_the_sound_is_known_loudness_nods() -> None:
    seconds = np.arange(2 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    sound = (0.3 * np.sin(2 * np.pi * 200 * seconds) * (seconds > 1)).astype(np.float32)
    track = track_of(Speech(sound))
    quiet, loud = track[:20], track[30:45]
    assert np.abs(quiet).max() < 1e-3
    assert loud[:, Control.PITCH_DEG].min() > 0.5
    assert loud[:, Control.BROW].min() > 0.005


@pytest.mark.parametrize("phones", [None, ()])
def test_nothing_and_silence_are_no_accents(phones: tuple[Phone, ...] | None) -> None:
    assert accents(Speech(np.zeros(0, np.float32), phones), 0, np.random.default_rng(0)).shape == (0, CONTROL_COUNT)
    assert not track_of(Speech(np.zeros(5000, np.float32), phones)).any()
