"""What the head and the brows do with speech: nods on stressed vowels, a lift where a phrase begins, a fall where it ends.

Known in advance, so a nod can begin before the vowel it belongs to.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from avatars.engine.controls import CONTROL_COUNT, FRAME_RATE_HZ, Control, Controls
from avatars.engine.speech.phones import SILENCE, VOWELS
from avatars.engine.speech.spoken import SAMPLES_PER_FRAME, Phone, Speech

STRESSED: Final = 2
NOD_CHANCE: Final = 0.7
NOD_DEG: Final = (1.0, 2.4)
NOD_GAP_S: Final = 0.55
COUNTER_NOD: Final = 0.35
BROW_CHANCE: Final = 0.38
BROW_IOD: Final = (0.010, 0.022)
PHRASE_GAP_S: Final = 0.12
PHRASE_LIFT_DEG: Final = -0.8
PHRASE_FALL_DEG: Final = 1.1
PHRASE_BROW_IOD: Final = 0.010
# Without phones the loudness has to do: how deep it nods, and how far the brows go.
LOUD_NOD_DEG: Final = 0.9
LOUD_BROW_IOD: Final = 0.018
LOUD_SMOOTH_FRAMES: Final = 7


def accents(speech: Speech, frames: int, rng: Generator) -> Controls:
    """A track (frames, CONTROL_COUNT) to be added to the motion of the head: pitch and brow, all else zero."""
    track = np.zeros((frames, CONTROL_COUNT), np.float32)
    if speech.phones:
        _from_phones(track, speech.phones, rng)
    elif frames:
        _from_loudness(track, speech.samples)
    return track


def _from_phones(track: Controls, phones: Sequence[Phone], rng: Generator) -> None:
    seconds = (np.arange(len(track)) + 0.5) / FRAME_RATE_HZ
    last_nod_s = -NOD_GAP_S
    for phone in phones:
        if phone.stress < STRESSED or phone.symbol not in VOWELS or phone.start_s - last_nod_s < NOD_GAP_S:
            continue
        peak_s = phone.start_s + 0.09
        if rng.random() < NOD_CHANCE:
            last_nod_s = phone.start_s
            depth = rng.uniform(*NOD_DEG)
            track[:, Control.PITCH_DEG] += depth * _swing(seconds, peak_s, 0.16, 0.36)
            track[:, Control.PITCH_DEG] -= COUNTER_NOD * depth * _swing(seconds, peak_s - 0.22, 0.16, 0.12)
        if rng.random() < BROW_CHANCE:
            track[:, Control.BROW] += rng.uniform(*BROW_IOD) * _plateau(seconds, peak_s, 0.16, 0.10, 0.42)
    for start_s, end_s in _phrases(phones):
        track[:, Control.PITCH_DEG] += PHRASE_LIFT_DEG * _swing(seconds, start_s + 0.15, 0.25, 0.45)
        track[:, Control.BROW] += PHRASE_BROW_IOD * _swing(seconds, start_s + 0.15, 0.20, 0.50)
        track[:, Control.PITCH_DEG] += PHRASE_FALL_DEG * _swing(seconds, end_s, 0.35, 0.60)


def _phrases(phones: Sequence[Phone]) -> list[tuple[float, float]]:
    """Start and end of each stretch without a pause, seconds."""
    phrases: list[tuple[float, float]] = []
    for phone in phones:
        if phone.symbol == SILENCE:
            continue
        if phrases and phone.start_s - phrases[-1][1] < PHRASE_GAP_S:
            phrases[-1] = (phrases[-1][0], phone.end_s)
        else:
            phrases.append((phone.start_s, phone.end_s))
    return phrases


def _from_loudness(track: Controls, samples: NDArray[np.float32]) -> None:
    padded = np.pad(samples, (0, len(track) * SAMPLES_PER_FRAME - len(samples)))
    level = np.sqrt(np.square(padded.reshape(len(track), -1)).mean(axis=1))
    kernel = np.hanning(LOUD_SMOOTH_FRAMES + 2)[1:-1]
    spread = np.pad(level / max(float(np.percentile(level, 95)), 1e-4), LOUD_SMOOTH_FRAMES // 2)
    smooth = np.convolve(spread, kernel / kernel.sum(), "valid")
    loud = np.clip(smooth, 0, 1)
    track[:, Control.PITCH_DEG] = LOUD_NOD_DEG * loud
    track[:, Control.BROW] = LOUD_BROW_IOD * np.square(loud)


def _swing(seconds: NDArray[np.float64], peak_s: float, rise_s: float, fall_s: float) -> NDArray[np.float64]:
    return _plateau(seconds, peak_s, rise_s, 0.0, fall_s)


def _plateau(
    seconds: NDArray[np.float64], peak_s: float, rise_s: float, hold_s: float, fall_s: float
) -> NDArray[np.float64]:
    """0, rising as a cosine over `rise_s` to 1 at `peak_s`, held, then falling back."""
    up = np.clip((seconds - peak_s + rise_s) / rise_s, 0, 1)
    down = np.clip((seconds - peak_s - hold_s) / fall_s, 0, 1)
    return np.asarray((1 - np.cos(np.pi * up)) / 2 * (1 + np.cos(np.pi * down)) / 2)
