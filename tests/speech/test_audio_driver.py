"""A mouth that knows only the sound: silent in silence, sane for any sound, in time with what it hears."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from avatars.engine.controls import MOUTH_COUNT, RANGES, Control
from avatars.engine.speech import Phone, Speech, mouth_track
from avatars.engine.speech.audio_driver import mouth_from_sound
from avatars.engine.speech.coarticulation import mouth_from_phones
from avatars.engine.speech.spoken import SAMPLE_RATE_HZ
from avatars.sound import read_sound
from tests.material import FOLDER

TIMES = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
SOUNDS = {
    "clipping": np.sign(np.sin(2 * np.pi * 200 * TIMES)),
    "constant": np.full(SAMPLE_RATE_HZ, 0.8),
    "noise": np.random.default_rng(1).uniform(-1, 1, SAMPLE_RATE_HZ),
    "click": np.eye(1, SAMPLE_RATE_HZ, SAMPLE_RATE_HZ // 2)[0],
    "one sample": np.ones(1),
    "less than a frame": np.random.default_rng(2).normal(0, 0.1, 700),
    "two frames": np.random.default_rng(3).normal(0, 0.1, 1920),
}


def assert_sane(track: np.ndarray) -> None:
    assert np.isfinite(track).all()
    for index in range(MOUTH_COUNT):
        limits = RANGES[Control(index)]
        assert (track[:, index] >= limits.low).all()
        assert (track[:, index] <= limits.high).all()


@pytest.mark.parametrize("name", SOUNDS)
def test_any_sound_gives_a_possible_mouth(name: str) -> None:
    samples = SOUNDS[name].astype(np.float32)
    track = mouth_from_sound(samples)
    assert track.shape == (-(-len(samples) // 960), MOUTH_COUNT)
    assert_sane(track)


@settings(max_examples=40, deadline=None)
@given(arrays(np.float32, st.integers(0, 4000), elements=st.floats(-1, 1, width=32)))
def test_no_samples_break_it(samples: np.ndarray) -> None:
    assert_sane(mouth_from_sound(samples))


@pytest.mark.parametrize("level", [0.0, 1e-4])
def test_silence_is_still(level: float) -> None:
    hum = level * np.random.default_rng(4).normal(0, 1, 2 * SAMPLE_RATE_HZ)
    assert not mouth_from_sound(hum.astype(np.float32))[:, : Control.RELAX].any()


def test_nothing_is_no_frames() -> None:
    assert mouth_from_sound(np.zeros(0, np.float32)).shape == (0, MOUTH_COUNT)


def test_the_mouth_opens_with_the_sound_and_closes_after_it() -> None:
    vowel = 0.3 * np.sin(2 * np.pi * 150 * TIMES) * (1 + np.sin(2 * np.pi * 700 * TIMES))
    samples = np.concatenate([np.zeros(SAMPLE_RATE_HZ), vowel, np.zeros(SAMPLE_RATE_HZ)]).astype(np.float32)
    track = mouth_from_sound(samples)
    moving = np.flatnonzero(track[:, : Control.RELAX].any(axis=1))
    # The mouth leads by a frame, and a window around the sound's edge hears it a little early and late.
    assert 22 <= moving.min() <= 25
    assert 49 <= moving.max() <= 51
    assert track[30:45, Control.JAW].min() > 0.1


def test_hiss_keeps_the_teeth_together() -> None:
    random = np.random.default_rng(5)
    spectrum = np.fft.rfft(random.normal(0, 0.2, SAMPLE_RATE_HZ))
    hertz = np.fft.rfftfreq(SAMPLE_RATE_HZ, 1 / SAMPLE_RATE_HZ)
    hiss, vowel = (np.fft.irfft(spectrum * ((hertz > a) & (hertz < b))) for a, b in ((5000, 9000), (300, 1200)))
    pause = np.zeros(SAMPLE_RATE_HZ // 4)
    track = mouth_from_sound(np.concatenate([pause, hiss, pause, vowel, pause]).astype(np.float32))
    assert track[10:28, Control.JAW].max() < 0.3 * track[42:58, Control.JAW].min()
    assert track[10:28, Control.WIDE].min() > 0.05


def test_a_recorded_voice_moves_the_mouth() -> None:
    speech = read_sound(FOLDER / "speech" / "arctic_a0007.wav")
    track = mouth_track(speech)
    assert_sane(track)
    assert 0.3 < np.percentile(track[:, Control.JAW], 95) < 0.75
    assert (track[:, Control.JAW] < 0.05).mean() > 0.05


def test_phones_are_preferred_where_they_are_known() -> None:
    noise = SOUNDS["noise"].astype(np.float32)
    phones = (Phone("M", 0.0, 0.2), Phone("AA", 0.2, 1.0))
    assert np.array_equal(mouth_track(Speech(noise)), mouth_from_sound(noise))
    assert np.array_equal(mouth_track(Speech(noise, phones)), mouth_from_phones(phones, 1.0))
