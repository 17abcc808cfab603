"""The yardstick: a mouth that follows nothing but loudness and colour of the sound, without a network.

It cannot hear lips close: they are closed where the sound dips below half of what is around it.
"""

from typing import Final

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from avatars.engine.controls import FRAME_MS, MOUTH_COUNT, Control
from avatars.engine.speech.coarticulation import LEAD_S, SPEAKING_RELAX, frame_count
from avatars.engine.speech.spoken import SAMPLE_RATE_HZ

Array = NDArray[np.float32]

WINDOW: Final = 1024
QUIETEST_DBFS: Final = -52.0
ABOVE_FLOOR_DB: Final = 9.0
SPAN_DB: Final = 26.0
AROUND_FRAMES: Final = 7
DIP: Final = 0.5


def mouth_from_loudness(samples: Array) -> Array:
    """The mouth (frames, MOUTH_COUNT) at 25 Hz for mono samples at `SAMPLE_RATE_HZ`."""
    frames = frame_count(len(samples) / SAMPLE_RATE_HZ)
    track = np.zeros((frames, MOUTH_COUNT), np.float32)
    if frames == 0:
        return track
    track[:, Control.RELAX] = SPEAKING_RELAX
    centres = ((np.arange(frames) + 0.5) * FRAME_MS / 1000 + LEAD_S) * SAMPLE_RATE_HZ
    padded = np.pad(samples, (WINDOW, WINDOW + SAMPLE_RATE_HZ // 10))
    starts = (centres + WINDOW / 2).astype(int)
    pieces = np.stack([padded[start : start + WINDOW] for start in starts]) * np.hanning(WINDOW).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(pieces, axis=1))) + 1e-9
    hertz = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE_HZ)

    def band(low: float, high: float) -> NDArray[np.float64]:
        return np.asarray(power[:, (hertz >= low) & (hertz < high)].sum(axis=1), np.float64)

    voice, hiss = band(100, 4000), band(4500, 11000)
    level_db = 10 * np.log10((voice + hiss) / (WINDOW * WINDOW / 4 * 0.375))
    floor_db = max(float(np.percentile(level_db, 10)), QUIETEST_DBFS - ABOVE_FLOOR_DB)
    floor_db = min(floor_db, float(level_db.max()) - 18)
    loudness = np.clip((level_db - floor_db - ABOVE_FLOOR_DB) / SPAN_DB, 0, 1) * (level_db > QUIETEST_DBFS)
    hissing = np.clip((hiss / (voice + hiss) - 0.35) / 0.3, 0, 1)
    openness = np.clip(band(550, 1100) / (band(200, 550) + band(550, 1100)) * 1.5, 0.25, 1)
    front, back = band(1800, 3200), band(700, 1300)
    colour = np.clip(np.log10(front / back) + 0.9, -0.8, 0.8)
    track[:, Control.JAW] = 0.62 * loudness**0.8 * openness * (1 - 0.85 * hissing)
    track[:, Control.UPPER_LIP] = 0.22 * loudness
    track[:, Control.LOWER_LIP] = 0.24 * loudness
    track[:, Control.WIDE] = loudness * (0.45 * np.maximum(colour, 0) + 0.35 * hissing)
    track[:, Control.ROUND] = 0.7 * loudness * np.maximum(-colour, 0) * (1 - hissing)
    sounding = loudness > 0
    # One frame either side of sound may move; silence beyond that is still.
    near = np.convolve(np.pad(sounding, 1), np.ones(3), "valid") > 0
    for control in (Control.JAW, Control.UPPER_LIP, Control.LOWER_LIP, Control.WIDE, Control.ROUND):
        smooth = np.convolve(np.pad(track[:, control], 1, mode="edge"), (0.2, 0.6, 0.2), "valid")
        track[:, control] = smooth * near
    around = scipy.ndimage.maximum_filter1d(loudness, AROUND_FRAMES)
    track[:, Control.SEAL] = (loudness < DIP * around) & (around > 0)
    return track
