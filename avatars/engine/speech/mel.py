"""What the audio driver hears: log-mel spectra, two for every 20 ms step, each of the 25 ms before its moment."""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from avatars.engine.speech.spoken import SAMPLE_RATE_HZ

Array = NDArray[np.float32]

STEP_MS: Final = 20
STEP_SAMPLES: Final = SAMPLE_RATE_HZ * STEP_MS // 1000
HOP_SAMPLES: Final = STEP_SAMPLES // 2
WINDOW_SAMPLES: Final = SAMPLE_RATE_HZ // 40
# How much of the sound before a step its first window reaches back to.
PAST_SAMPLES: Final = WINDOW_SAMPLES - HOP_SAMPLES
FFT_SAMPLES: Final = 1024
BANDS: Final = 40
FEATURES: Final = 2 * BANDS
LOWEST_HZ: Final = 60.0
# Telephones and 16 kHz voices have nothing beyond.
HIGHEST_HZ: Final = 7600.0
FLOOR: Final = 1e-8


def log_mel(samples: Array) -> Array:
    """Features (steps, FEATURES) float32, about -1.5 for silence to 2.5.

    samples: (PAST_SAMPLES + steps * STEP_SAMPLES,) at `SAMPLE_RATE_HZ`, in -1..1: the steps and what came before them.
    """
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW_SAMPLES)[::HOP_SAMPLES]
    window, filters = _window(), _filters()
    power = np.square(np.abs(np.fft.rfft(windows * window, FFT_SAMPLES, axis=1))) / np.square(window).sum()
    level = (np.log10(power.astype(np.float32) @ filters + np.float32(FLOOR)) + 5) / 2
    return np.asarray(level.reshape(-1, FEATURES), np.float32)


@cache
def _window() -> Array:
    return np.hanning(WINDOW_SAMPLES + 2)[1:-1].astype(np.float32)


@cache
def _filters() -> Array:
    """Triangles (bins, BANDS), evenly spaced in mel (O'Shaughnessy 1987)."""

    def mel(hertz: float) -> float:
        return float(2595 * np.log10(1 + hertz / 700))

    corners = 700 * (10 ** (np.linspace(mel(LOWEST_HZ), mel(HIGHEST_HZ), BANDS + 2) / 2595) - 1)
    hertz = np.fft.rfftfreq(FFT_SAMPLES, 1 / SAMPLE_RATE_HZ)[:, None]
    low, middle, high = corners[:-2], corners[1:-1], corners[2:]
    triangles = np.minimum((hertz - low) / (middle - low), (high - hertz) / (high - middle))
    return np.maximum(triangles, 0).astype(np.float32)
