"""Sound that comes in bit by bit, cut into pieces of speech that know the sound around them."""

from typing import Final

import numpy as np

from avatars.engine.speech.audio_driver import LOOK_AHEAD_MS, LOOK_BACK_MS
from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, Speech
from realtime.agent.protocols import Samples

# The first part is short so that it is heard soon.
FIRST_PART_S: Final = 0.6
PART_S: Final = 2.0
# Parts are cut where it is quietest in their last stretch; of what follows enough is kept to know the mouth at the cut.
SEARCH_S: Final = 0.35
WINDOW_S: Final = 0.02
AHEAD_SAMPLES: Final = SAMPLE_RATE_HZ * LOOK_AHEAD_MS // 1000
BACK_SAMPLES: Final = SAMPLE_RATE_HZ * LOOK_BACK_MS // 1000
AUDIBLE: Final = 0.01
LEAD_S: Final = 0.02


class Parts:
    """Takes sound and gives parts of it. audible_from_the_start: leave out the silence before the first sound."""

    def __init__(self, *, audible_from_the_start: bool = False) -> None:
        self.begun = False
        self._trims = audible_from_the_start
        self._waiting: Samples = np.zeros(0, np.float32)
        self._before: Samples = np.zeros(0, np.float32)

    def push(self, samples: Samples) -> Speech | None:
        """The next part, if with these samples (n,) at `SAMPLE_RATE_HZ` there is enough for one."""
        self._take(samples)
        if len(self._waiting) < (PART_S if self.begun else FIRST_PART_S) * SAMPLE_RATE_HZ:
            return None
        return self._part(quietest_cut(self._waiting))

    def rest(self, samples: Samples) -> Speech | None:
        """The last part, which ends with these samples; None where nothing is left."""
        self._take(samples)
        return self._part(len(self._waiting)) if len(self._waiting) else None

    def _take(self, samples: Samples) -> None:
        self._waiting = np.concatenate([self._waiting, samples])
        if self._trims and not self.begun:
            self._waiting = without_lead(self._waiting)

    def _part(self, cut: int) -> Speech:
        part, self._waiting = np.split(self._waiting, [cut])
        speech = Speech(part, before=self._before, after=self._waiting[:AHEAD_SAMPLES])
        self._before = np.concatenate([self._before, part])[-BACK_SAMPLES:]
        self.begun = True
        return speech


def quietest_cut(samples: Samples) -> int:
    """Where to cut, after a whole frame: nearest to the middle of the quietest 20 ms of the stretch to search."""
    window, search = int(WINDOW_S * SAMPLE_RATE_HZ), int(SEARCH_S * SAMPLE_RATE_HZ)
    end = len(samples) - AHEAD_SAMPLES
    start = max(0, end - search)
    power = np.convolve(np.square(samples[start:end]), np.ones(window), "valid")
    middle = start + int(np.argmin(power)) + window // 2
    return min(round(middle / SAMPLES_PER_FRAME), end // SAMPLES_PER_FRAME) * SAMPLES_PER_FRAME


def without_lead(samples: Samples) -> Samples:
    """The sound from just before its first audible sample; empty where all is silent."""
    loud = np.flatnonzero(np.abs(samples) > AUDIBLE)
    return samples[max(0, int(loud[0]) - int(LEAD_S * SAMPLE_RATE_HZ)) :] if loud.size else samples[:0]
