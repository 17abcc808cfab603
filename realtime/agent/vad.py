"""Frames of the microphone, and the stretch of them that is an utterance."""

import math
from collections import deque
from collections.abc import Iterator
from typing import Final

import numpy as np

from realtime.agent.protocols import HEARING_RATE_HZ, Samples

FRAME_SAMPLES: Final = 512
FRAME_MS: Final = FRAME_SAMPLES * 1000 // HEARING_RATE_HZ
# Voices begin softly: what lies just before the first voiced frame belongs to the first word.
PRE_ROLL_FRAMES: Final = 10
SILENCE_DB: Final = -90.0
HUSHED_DB: Final = 28.0
# A frame. What was louder by chance, a click or a cough, is forgotten in a few seconds.
FORGOTTEN_DB: Final = 0.1
KEPT_FRAMES: Final = PRE_ROLL_FRAMES + 16


class Framer:
    """Cuts sound of any length into frames of `FRAME_SAMPLES`, and keeps what is left for the next time."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)

    def push(self, samples: Samples) -> Iterator[Samples]:
        """Every frame that is whole now. samples: (n,) float32 at `HEARING_RATE_HZ`."""
        whole = np.concatenate([self._rest, np.asarray(samples, np.float32).reshape(-1)])
        end = len(whole) - len(whole) % FRAME_SAMPLES
        self._rest = whole[end:]
        for start in range(0, end, FRAME_SAMPLES):
            yield whole[start : start + FRAME_SAMPLES]


class Loudness:
    """How loud it was lately, to tell when a voice fades: the detector of voice takes 50 ms longer to say so."""

    def __init__(self) -> None:
        self._loudest_db = SILENCE_DB

    def hushed(self, frame: Samples) -> bool:
        """Whether the next frame is far below the loudest. frame: (FRAME_SAMPLES,)."""
        power_db = 10 * math.log10(float(np.dot(frame, frame)) / len(frame) + 1e-12)
        self._loudest_db = max(self._loudest_db - FORGOTTEN_DB, power_db)
        return power_db < self._loudest_db - HUSHED_DB


class Recorder:
    """The sound of the utterance under way, with the pre-roll before its first voiced frame."""

    def __init__(self) -> None:
        self._before: deque[Samples] = deque(maxlen=KEPT_FRAMES)
        self._taken: list[Samples] | None = None

    def push(self, frame: Samples) -> None:
        """Add the next frame, whether or not an utterance is under way."""
        self._before.append(frame)
        if self._taken is not None:
            self._taken.append(frame)

    def begin(self, voiced_frames: int) -> None:
        """An utterance began; its first voiced frame is the `voiced_frames`-th from the end."""
        count = min(len(self._before), voiced_frames + PRE_ROLL_FRAMES)
        self._taken = list(self._before)[len(self._before) - count :]

    def samples(self) -> Samples:
        """The utterance so far, (n,) float32."""
        return np.concatenate(self._taken) if self._taken else np.zeros(0, np.float32)

    def end(self) -> None:
        """The utterance is over."""
        self._taken = None
