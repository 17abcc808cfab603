"""Clear speech is found in a clip's sound, and what is none is refused in words."""

import io
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avatars.build import BuildRefused
from avatars.build.clip import open_clip
from avatars.build.voice import FRAME, RATE_HZ, clearest, voice_sample
from tests.clips import write_clip


def speech(seconds: float, level: float = 0.2) -> np.ndarray:
    """Syllables of noise, four a second, with a breath after every two seconds."""
    at = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    loud = (np.sin(2 * np.pi * 4 * at) > -0.3) & (at % 2.5 < 2.0)
    return (np.random.default_rng(1).normal(0, level, len(at)) * loud).astype(np.float32)


def hush(seconds: float, level: float = 0.001) -> np.ndarray:
    return np.random.default_rng(2).normal(0, level, int(seconds * RATE_HZ)).astype(np.float32)


def test_the_clearest_half_minute_is_kept() -> None:
    samples = np.concatenate([hush(20), speech(10), hush(15), speech(35), hush(20)])
    first, last = clearest(samples)
    assert 44 <= first * FRAME / RATE_HZ <= 51
    assert 28 <= (last - first) * FRAME / RATE_HZ <= 30.01


def test_silence_around_speech_is_cut_off() -> None:
    first, last = clearest(np.concatenate([hush(5), speech(6), hush(5)]))
    assert first * FRAME / RATE_HZ == pytest.approx(5, abs=0.4)
    assert last * FRAME / RATE_HZ == pytest.approx(11, abs=0.7)


@pytest.mark.parametrize(
    "samples",
    [np.zeros(0, np.float32), hush(10), hush(10, 1e-6), speech(1.5), np.full(10 * RATE_HZ, 0.1, np.float32)],
    ids=["nothing", "noise", "silence", "a word", "a hum"],
)
def test_what_is_no_speech_is_refused(samples: np.ndarray) -> None:
    with pytest.raises(BuildRefused) as refusal:
        clearest(samples)
    assert refusal.value.code == "no_voice"
    assert refusal.value.message.endswith(".")


def write_talking(path: Path, samples: np.ndarray) -> Path:
    """A grey film with this sound."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=25)
        picture.width, picture.height, picture.pix_fmt = 128, 128, "yuv420p"
        sound = container.add_stream("aac", rate=RATE_HZ, layout="mono")
        for index in range(int(len(samples) / RATE_HZ * 25)):
            frame = av.VideoFrame.from_ndarray(np.full((128, 128, 3), 90, np.uint8), format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(picture.encode(frame))
        container.mux(picture.encode())
        spoken = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        spoken.sample_rate, spoken.pts, spoken.time_base = RATE_HZ, 0, Fraction(1, RATE_HZ)
        container.mux(sound.encode(spoken))
        container.mux(sound.encode())
    return path


def test_a_clip_gives_a_wav_file(tmp_path: Path) -> None:
    path = write_talking(tmp_path / "talks.mp4", np.concatenate([hush(1), speech(5), hush(1)]))
    assert open_clip(path).sounds
    data, seconds = voice_sample(path)
    assert seconds == pytest.approx(5, abs=0.7)
    with wave.open(io.BytesIO(data)) as read:
        assert (read.getframerate(), read.getnchannels(), read.getsampwidth()) == (RATE_HZ, 1, 2)
        assert read.getnframes() == round(seconds * RATE_HZ)


def test_a_clip_without_sound_says_so(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "mute.mp4", [np.full((128, 128, 3), 90, np.uint8)] * 80)
    assert not open_clip(path).sounds
    with pytest.raises(BuildRefused, match="no sound"):
        voice_sample(path)
    (tmp_path / "text.mp4").write_bytes(b"no video at all, only some words")
    with pytest.raises(BuildRefused):
        voice_sample(tmp_path / "text.mp4")
