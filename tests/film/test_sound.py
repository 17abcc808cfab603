"""Sound files of strangers: every sort of WAV is read, everything else is refused with a sentence."""

import os
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avatars.sound import SoundRefused, read_sound
from tests.material import FOLDER


def write_wav(path: Path, samples: np.ndarray, rate_hz: int, channels: int = 1, width: int = 2) -> Path:
    """A WAV of mono samples -1..1, the same in every channel."""
    scaled = np.clip(samples, -1, 1) * (2 ** (8 * width - 1) - 1)
    packed = (scaled.round().astype(np.int64) + (128 if width == 1 else 0)).astype("<i8").view(np.uint8).reshape(-1, 8)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(np.repeat(packed[:, None, :width], channels, axis=1).tobytes())
    return path


def tone(rate_hz: int, seconds: float = 0.5) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate_hz)) / rate_hz)


@pytest.mark.parametrize(
    ("rate_hz", "channels", "width"),
    [(8_000, 1, 1), (16_000, 1, 2), (22_050, 2, 3), (24_000, 1, 2), (44_100, 2, 2), (48_000, 6, 2), (96_000, 1, 4)],
)
def test_every_wav_is_read(tmp_path: Path, rate_hz: int, channels: int, width: int) -> None:
    speech = read_sound(write_wav(tmp_path / "tone.wav", tone(rate_hz), rate_hz, channels, width))
    assert speech.samples.dtype == np.float32
    assert speech.duration_s == pytest.approx(0.5, abs=0.005)
    assert speech.phones is None
    middle = speech.samples[2400:-2400]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert np.argmax(spectrum) * 24_000 / len(middle) == pytest.approx(440, abs=6)
    # Sound that is the same in six channels is louder in one.
    assert 0.2 < np.abs(middle).max() <= 1.0


def test_a_recorded_voice_keeps_its_length() -> None:
    with wave.open(str(FOLDER / "speech" / "arctic_a0007.wav")) as file:
        seconds = file.getnframes() / file.getframerate()
    assert read_sound(FOLDER / "speech" / "arctic_a0007.wav").duration_s == pytest.approx(seconds, abs=0.005)


def test_a_wav_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = write_wav(tmp_path / "whole.wav", tone(16_000), 16_000).read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    assert 0.2 < read_sound(tmp_path / "cut.wav").duration_s < 0.3


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is not a WAV file"),
        (b"hello, this is a text file", "is not a WAV file"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "is not a WAV file"),
        (b"RIFF\x24\x00\x00\x00WAVE", "damaged"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(40), "damaged|no sound|empty"),
    ],
)
def test_everything_else_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "file.wav").write_bytes(content)
    with pytest.raises(SoundRefused, match=complaint):
        read_sound(tmp_path / "file.wav")


def test_no_samples_are_no_sound(tmp_path: Path) -> None:
    with pytest.raises(SoundRefused, match="is empty"):
        read_sound(write_wav(tmp_path / "none.wav", np.zeros(0), 16_000))


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(SoundRefused, match=r"There is no file .*gone\.wav"):
        read_sound(tmp_path / "gone.wav")
    with pytest.raises(SoundRefused, match="cannot be read"):
        read_sound(tmp_path)


def test_eleven_minutes_are_too_long(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "long.wav", np.zeros(8_000 * 660), 8_000, width=1)
    with pytest.raises(SoundRefused, match="longer than 10 minutes"):
        read_sound(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(head=st.binary(max_size=80), seed=st.integers(0, 2**16))
def test_no_bytes_get_through_as_something_else(tmp_path: Path, head: bytes, seed: int) -> None:
    (tmp_path / "any.wav").write_bytes(b"RIFF\xff\xff\x00\x00WAVE" + head + os.urandom(seed % 500))
    try:
        samples = read_sound(tmp_path / "any.wav").samples
    except SoundRefused:
        return
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 1
