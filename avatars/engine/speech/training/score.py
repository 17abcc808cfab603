"""Scores: how near the mouth that is heard comes to the one that phones give, and whether lips close when they should."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from avatars.engine.controls import FRAME_MS, Control
from avatars.engine.speech.coarticulation import LEAD_S, mouth_from_phones
from avatars.engine.speech.phones import BILABIALS
from avatars.engine.speech.spoken import Phone
from avatars.engine.speech.training.clips import Array, Clip

NEAR_S: Final = 0.040
SHUT: Final = 0.5

Driver = Callable[[Clip], Array]
"""Says the mouth (frames, MOUTH_COUNT) of a clip."""


@dataclass(frozen=True, slots=True)
class Score:
    """jaw, round: correlation over all frames. Closures: shares of those that should be seen, and of those that are.

    jitter: mean second difference of the jaw, for what flickers; the phones' own is about 0.03.
    """

    jaw: float
    round: float
    recall: float
    precision: float
    closures: int
    jitter: float

    @property
    def f1(self) -> float:
        """The harmonic mean of recall and precision."""
        return 2 * self.recall * self.precision / max(self.recall + self.precision, 1e-9)


def score(clips: Sequence[Clip], driver: Driver) -> Score:
    """How a driver does on clips."""
    wanted, given = [], []
    hits = said = expected = 0
    for clip in clips:
        reference, track = mouth_from_phones(clip.phones, clip.duration_s), driver(clip)
        wanted.append(reference)
        given.append(track)
        seen, spoken = closures(track), _closed_phones(clip.phones)
        hits += _matched(seen, spoken)
        said, expected = said + len(seen), expected + len(spoken)
    reference, track = np.concatenate(wanted), np.concatenate(given)

    def correlation(control: Control) -> float:
        return float(np.corrcoef(reference[:, control], track[:, control])[0, 1])

    jitter = float(np.mean([np.abs(np.diff(one[:, Control.JAW], 2)).mean() for one in given if len(one) > 2]))
    recall, precision = hits / max(expected, 1), hits / max(said, 1)
    return Score(correlation(Control.JAW), correlation(Control.ROUND), recall, precision, expected, jitter)


def closures(track: Array) -> list[float]:
    """When lips are seen closed: the middle of each run of frames, in seconds of the sound."""
    shut = np.concatenate([[False], track[:, Control.SEAL] > SHUT, [False]])
    edges = np.flatnonzero(np.diff(shut.astype(int))).reshape(-1, 2)
    return [(float(start + end) / 2) * FRAME_MS / 1000 + LEAD_S for start, end in edges]


def _closed_phones(phones: Sequence[Phone]) -> list[tuple[float, float]]:
    """From when to when lips should be closed; neighbours are one closure."""
    spans: list[tuple[float, float]] = []
    for phone in phones:
        if phone.symbol not in BILABIALS:
            continue
        if spans and phone.start_s - spans[-1][1] < 0.01:
            spans[-1] = spans[-1][0], phone.end_s
        else:
            spans.append((phone.start_s, phone.end_s))
    return spans


def _matched(seen: Sequence[float], spoken: Sequence[tuple[float, float]]) -> int:
    """How many closures are seen within `NEAR_S` of where they are spoken, one to one."""
    left = list(seen)
    hits = 0
    for start_s, end_s in spoken:
        near = [moment for moment in left if start_s - NEAR_S <= moment <= end_s + NEAR_S]
        if near:
            left.remove(near[0])
            hits += 1
    return hits


def shuffled(driver: Driver, clips: Sequence[Clip]) -> Driver:
    """The control: the driver hears another clip of these than it is judged by."""
    others = {id(clip): clips[(index + 1) % len(clips)] for index, clip in enumerate(clips)}

    def wrong(clip: Clip) -> Array:
        other = others[id(clip)].samples
        samples = np.resize(other, len(clip.samples))
        return driver(Clip(samples, clip.phones))

    return wrong
