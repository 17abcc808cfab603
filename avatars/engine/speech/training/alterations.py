"""Clips as they sound elsewhere: other throats, rooms, microphones, telephones, noise, loudness."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import soxr
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.fft import next_fast_len

from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, Phone
from avatars.engine.speech.training.clips import Array, Clip

SIZES: Final = (0.84, 1.2)
EDGE_S: Final = (0.05, 0.6)
LEVEL_DBFS: Final = (-36.0, -14.0)


def altered(clip: Clip, others: Sequence[Clip], random: Generator) -> Clip:
    """The clip as it might sound elsewhere, with silence around it.

    others: clips of which babble is made.
    """
    size = random.uniform(*SIZES)
    samples = soxr.resample(clip.samples, SAMPLE_RATE_HZ * size, SAMPLE_RATE_HZ)
    lead, tail = (int(random.uniform(*EDGE_S) * SAMPLE_RATE_HZ) for _ in range(2))
    samples = np.pad(samples, (lead, tail))
    lead_s = lead / SAMPLE_RATE_HZ
    phones = [Phone(p.symbol, p.start_s / size + lead_s, p.end_s / size + lead_s) for p in clip.phones]
    samples = _in_a_room(samples, random)
    if random.random() < 0.65:
        samples = _with_noise(samples, others, random)
    samples = _coloured(samples, random)
    samples *= 10 ** (random.uniform(*LEVEL_DBFS) / 20) / _loudness(samples)
    if random.random() < 0.04:
        samples = samples * random.uniform(3, 10)
    if random.random() < 0.1:
        samples = _mu_law(samples)
    return Clip(np.clip(samples, -1, 1).astype(np.float32), tuple(phones))


def not_speech(random: Generator, duration_s: float) -> Array:
    """Noise, hum, tones or nothing: sound at which a mouth should stay shut."""
    count = int(duration_s * SAMPLE_RATE_HZ)
    times = np.arange(count) / SAMPLE_RATE_HZ
    samples: NDArray[np.floating[Any]] = _coloured(_noise(count, random), random)
    if random.random() < 0.5:
        for _ in range(int(random.integers(1, 5))):
            hertz, begin = random.uniform(60, 2000), random.uniform(0, duration_s)
            tone = sum(np.sin(2 * np.pi * hertz * n * times) / n for n in range(1, int(random.integers(2, 5))))
            samples = samples + random.uniform(0.2, 3) * tone * np.exp(-np.abs(times - begin) / random.uniform(0.1, 2))
    level = random.choice([0.0, 10 ** (random.uniform(-70, -20) / 20)], p=[0.15, 0.85])
    return np.asarray(np.clip(samples / _loudness(samples) * level, -1, 1), np.float32)


def _loudness(samples: NDArray[np.floating[Any]]) -> float:
    """Root mean square of what is not silent."""
    power = np.square(samples)
    return float(np.sqrt(power[power > 1e-3 * power.max()].mean())) if power.any() else 1.0


def _noise(count: int, random: Generator) -> Array:
    """Noise between white and brown."""
    size = next_fast_len(count, real=True)
    hertz = np.maximum(np.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ), 50)
    spectrum = np.fft.rfft(random.standard_normal(size)) / hertz ** random.uniform(0, 1)
    return np.asarray(np.fft.irfft(spectrum, size)[:count], np.float32)


def _with_noise(samples: Array, others: Sequence[Clip], random: Generator) -> Array:
    if random.random() < 0.15:
        noise = np.zeros_like(samples)
        for _ in range(int(random.integers(3, 7))):
            noise += np.resize(others[int(random.integers(len(others)))].samples, len(samples))
        ratio_db = random.uniform(12, 30)
    else:
        noise, ratio_db = _noise(len(samples), random), random.uniform(6, 40)
    return samples + noise * np.float32(_loudness(samples) / _loudness(noise) * 10 ** (-ratio_db / 20))


def _in_a_room(samples: Array, random: Generator) -> Array:
    if random.random() > 0.4:
        return samples
    decay_s = random.uniform(0.08, 0.45)
    times = np.arange(int(decay_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = random.standard_normal(len(times)) * 10 ** (-3 * times / decay_s) * (times > random.uniform(0.001, 0.006))
    tail *= 10 ** (random.uniform(-16, -2) / 20) / np.sqrt(np.square(tail).sum())
    tail[0] = 1
    size = next_fast_len(len(samples) + len(tail), real=True)
    echoing = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)
    return np.asarray(echoing[: len(samples)], np.float32)


def _coloured(samples: Array, random: Generator) -> Array:
    """Through a microphone: a few peaks and dips, a tilt, perhaps a narrow band."""
    size = next_fast_len(len(samples), real=True)
    hertz = np.maximum(np.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ), 20)
    octaves = np.log2(hertz / 1000)
    gain_db = random.uniform(-3, 3) * np.clip(octaves, -4, 3)
    for _ in range(int(random.integers(1, 4))):
        peak_db, middle, width = random.uniform(-9, 9), random.uniform(-3.5, 3), random.uniform(0.3, 1.2)
        gain_db += peak_db * np.exp(-np.square((octaves - middle) / width))
    band = random.random()
    if band < 0.1:
        gain_db += np.where((hertz < 300) | (hertz > 3400), -50, 0)
    elif band < 0.3:
        gain_db += np.where(hertz > random.uniform(3500, 7500), -50, 0)
    elif band < 0.4:
        gain_db += np.where(hertz < random.uniform(80, 250), -30, 0)
    coloured = np.fft.irfft(np.fft.rfft(samples, size) * 10 ** (gain_db / 20), size)
    return np.asarray(coloured[: len(samples)], np.float32)


def _mu_law(samples: Array) -> Array:
    """Eight bits, as on the telephone (ITU-T G.711)."""
    squeezed = np.sign(samples) * np.log1p(255 * np.minimum(np.abs(samples), 1)) / np.log(256)
    rounded = np.round(squeezed * 127) / 127
    return np.asarray(np.sign(rounded) * np.expm1(np.abs(rounded) * np.log(256)) / 255, np.float32)
