"""A mouth that knows only the sound: the same in pieces and whole, silent in silence, sane for any sound, in time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from avatars.engine.controls import MOUTH_COUNT, RANGES, Control
from avatars.engine.speech import LocalVoice, Phone, Speech, mouth_track
from avatars.engine.speech.audio_driver import (
    LOOK_AHEAD_MS,
    LOOK_BACK_MS,
    LOW_LATENCY_MS,
    AudioDriver,
    mouth_from_sound,
)
from avatars.engine.speech.coarticulation import mouth_from_phones
from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from avatars.sound import read_sound
from tests.material import FOLDER

TIMES = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
SOUNDS = {
    "clipping": np.sign(np.sin(2 * np.pi * 200 * TIMES)),
    "far too loud": 1e6 * np.sin(2 * np.pi * 200 * TIMES),
    "constant": np.full(SAMPLE_RATE_HZ, 0.8),
    "noise": np.random.default_rng(1).uniform(-1, 1, SAMPLE_RATE_HZ),
    "click": np.eye(1, SAMPLE_RATE_HZ, SAMPLE_RATE_HZ // 2)[0],
    "not a number": np.full(SAMPLE_RATE_HZ, np.nan),
    "one sample": np.ones(1),
    "less than a frame": np.random.default_rng(2).normal(0, 0.1, 700),
    "two frames": np.random.default_rng(3).normal(0, 0.1, 1920),
}
SENTENCE = "My brother Bob may have bought five big apples, and father packed them in a box."


def recording() -> np.ndarray:
    return read_sound(FOLDER / "speech" / "arctic_a0007.wav").samples


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
    assert track.shape == (-(-len(samples) // SAMPLES_PER_FRAME), MOUTH_COUNT)
    assert_sane(track)


@settings(max_examples=40, deadline=None)
@given(arrays(np.float32, st.integers(0, 4000), elements=st.floats(-1, 1, width=32)))
def test_no_samples_break_it(samples: np.ndarray) -> None:
    assert_sane(mouth_from_sound(samples))


@pytest.mark.parametrize("level", [0.0, 1e-4, 1e-3])
def test_silence_is_still(level: float) -> None:
    hum = level * np.random.default_rng(4).normal(0, 1, 2 * SAMPLE_RATE_HZ)
    assert not mouth_from_sound(hum.astype(np.float32))[:, : Control.RELAX].any()


def test_nothing_is_no_frames() -> None:
    assert mouth_from_sound(np.zeros(0, np.float32)).shape == (0, MOUTH_COUNT)


@pytest.mark.parametrize("low_latency", [False, True])
@pytest.mark.parametrize("chunk", [1, 333, 480, 960, 7000])
def test_pieces_give_the_same_as_the_whole(chunk: int, low_latency: bool) -> None:
    samples = recording()[: 3 * SAMPLE_RATE_HZ if chunk > 1 else 3000]
    whole = AudioDriver(low_latency=low_latency)
    pieces = AudioDriver(low_latency=low_latency)
    at_once = np.concatenate([whole.push(samples), whole.finish()])
    parts = [pieces.push(samples[at : at + chunk]) for at in range(0, len(samples), chunk)]
    assert np.allclose(np.concatenate([*parts, pieces.finish()]), at_once, atol=1e-5)


@pytest.mark.parametrize(("low_latency", "look_ahead_ms"), [(False, LOOK_AHEAD_MS), (True, LOW_LATENCY_MS)])
def test_a_frame_is_known_once_the_look_ahead_is_there(low_latency: bool, look_ahead_ms: int) -> None:
    driver = AudioDriver(low_latency=low_latency)
    known = [len(driver.push(recording()[:SAMPLES_PER_FRAME])) for _ in range(10)]
    assert known == [0] * (look_ahead_ms // 40) + [1] * (10 - look_ahead_ms // 40)


def test_what_comes_later_changes_nothing() -> None:
    samples = recording()
    frames = 40
    heard = frames * SAMPLES_PER_FRAME + SAMPLE_RATE_HZ * LOOK_AHEAD_MS // 1000
    other = np.concatenate([samples[:heard], -samples[heard:][::-1]])
    assert np.allclose(mouth_from_sound(samples)[:frames], mouth_from_sound(other)[:frames], atol=1e-5)


def test_a_part_of_a_speech_moves_as_it_does_in_the_whole() -> None:
    samples = recording()
    start, end = 30 * SAMPLES_PER_FRAME, 55 * SAMPLES_PER_FRAME
    before = samples[start - SAMPLE_RATE_HZ * LOOK_BACK_MS // 1000 : start]
    after = samples[end : end + SAMPLE_RATE_HZ * LOOK_AHEAD_MS // 1000]
    part = mouth_track(Speech(samples[start:end], before=before, after=after))
    assert np.allclose(part, mouth_from_sound(samples)[30:55], atol=1e-5)


def test_a_voice_moves_the_mouth_as_its_phones_do_and_another_voice_does_not() -> None:
    speech, other = (LocalVoice.shared().say(text, "man") for text in (SENTENCE, "What would you like to talk about?"))
    wanted = mouth_track(speech)
    heard = mouth_from_sound(speech.samples)
    assert np.corrcoef(wanted[:, Control.JAW], heard[:, Control.JAW])[0, 1] > 0.8
    assert np.corrcoef(wanted[:, Control.ROUND], heard[:, Control.ROUND])[0, 1] > 0.35
    unheard = mouth_from_sound(np.resize(other.samples, len(speech.samples)))
    assert np.corrcoef(wanted[:, Control.JAW], unheard[:, Control.JAW])[0, 1] < 0.5


def test_lips_close_where_they_are_heard_to_close() -> None:
    speech = LocalVoice.shared().say(SENTENCE, "alto")
    assert speech.phones is not None
    closed = mouth_from_sound(speech.samples)[:, Control.SEAL] == 1
    wanted = mouth_track(speech)[:, Control.SEAL]
    starts = np.flatnonzero(np.diff(np.concatenate([[False], wanted == 1]).astype(int)) == 1)
    met = [closed[max(0, start - 1) : start + 3].any() for start in starts]
    assert np.mean(met) >= 0.75
    # Of the frames that are closed, few are far from a closure.
    near = np.convolve(wanted > 0, np.ones(3), "same") > 0
    assert (closed & ~near).sum() <= 0.25 * closed.sum()


def test_a_recorded_voice_moves_the_mouth() -> None:
    track = mouth_track(Speech(recording()))
    assert_sane(track)
    assert 0.3 < np.percentile(track[:, Control.JAW], 95) < 0.75
    assert (track[:, Control.JAW] < 0.05).mean() > 0.05


def test_phones_are_preferred_where_they_are_known() -> None:
    noise = SOUNDS["noise"].astype(np.float32)
    phones = (Phone("M", 0.0, 0.2), Phone("AA", 0.2, 1.0))
    assert np.array_equal(mouth_track(Speech(noise)), mouth_from_sound(noise))
    assert np.array_equal(mouth_track(Speech(noise, phones)), mouth_from_phones(phones, 1.0))
