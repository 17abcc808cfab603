"""Pauses as they are heard: the letters tell too little of them, the sound tells where they begin and end."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from avatars.engine.speech.phones import BILABIALS, SILENCE
from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, Phone

STEP_S: Final = 0.010
QUIET: Final = 0.010
# Longer than any stop is held within a word; at the end of the sound there is no word to go on with.
PAUSE_S: Final = 0.100
LAST_PAUSE_S: Final = 0.050
SHORTEST_S: Final = 0.020
# Lips that close are seen to close, even where nothing is heard of it.
SHORTEST_CLOSURE_S: Final = 0.040


def with_pauses(phones: Sequence[Phone], samples: NDArray[np.float32]) -> tuple[Phone, ...]:
    """The phones without what of them is silent, with a `SIL` wherever no phone is left: they cover the sound whole.

    phones: in time order, of `samples` (n,). Gaps too short for a pause go to the phone before them.
    """
    duration_s = len(samples) / SAMPLE_RATE_HZ
    sounded = [phone for phone in phones if phone.symbol != SILENCE]
    for start_s, end_s in _pauses(samples):
        sounded = [part for phone in sounded if (part := _outside(phone, start_s, end_s)) is not None]
    covered: list[Phone] = []
    now_s = 0.0
    for phone in sounded:
        if phone.start_s - now_s > SHORTEST_S:
            covered.append(Phone(SILENCE, now_s, phone.start_s))
        elif covered:
            last = covered.pop()
            covered.append(Phone(last.symbol, last.start_s, phone.start_s, last.stress))
        covered.append(phone)
        now_s = phone.end_s
    if duration_s > now_s:
        covered.append(Phone(SILENCE, now_s, duration_s))
    return tuple(covered)


def _pauses(samples: NDArray[np.float32]) -> Iterator[tuple[float, float]]:
    """From when to when the sound is all but silent, seconds."""
    step = round(STEP_S * SAMPLE_RATE_HZ)
    count = len(samples) // step
    level = np.sqrt(np.square(samples[: count * step].reshape(count, step)).mean(axis=1))
    if not count or not level.any():
        return
    quiet = level < QUIET * np.percentile(level, 98)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(int))).reshape(-1, 2)
    for start, end in edges.tolist():
        if (end - start) * STEP_S >= (LAST_PAUSE_S if end == count else PAUSE_S) - 1e-6:
            yield start * STEP_S, len(samples) / SAMPLE_RATE_HZ if end == count else end * STEP_S


def _outside(phone: Phone, start_s: float, end_s: float) -> Phone | None:
    """What is left of a phone without a pause; None where that is nothing."""
    if phone.end_s <= start_s or phone.start_s >= end_s:
        return phone
    closes = phone.symbol in BILABIALS
    if phone.start_s < start_s:
        shortest_s = SHORTEST_CLOSURE_S if closes else SHORTEST_S
        return Phone(
            phone.symbol, phone.start_s, min(phone.end_s, max(start_s, phone.start_s + shortest_s)), phone.stress
        )
    if closes:
        return phone
    if phone.end_s - end_s < SHORTEST_S:
        return None
    return Phone(phone.symbol, end_s, phone.end_s, phone.stress)
