"""Speech as the engine knows it: samples, and where known the phones in them."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ: Final = 24_000
SAMPLES_PER_FRAME: Final = SAMPLE_RATE_HZ // 25


def _nothing() -> NDArray[np.float32]:
    return np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Phone:
    """One phone of an utterance, in the inventory of `phones.py` (ARPAbet-like, `SIL` for silence)."""

    symbol: str
    start_s: float
    end_s: float
    stress: int = 0


@dataclass(frozen=True, slots=True)
class Speech:
    """A piece of speech.

    samples: (n,) float32 in -1..1, mono, at `SAMPLE_RATE_HZ`.
    phones: in time order from the first sample, or None where only the sound is known.
    text: the words spoken, or "".
    before, after: (n,) the sound this piece was cut out of, as far as it is known and matters to the mouth.
    """

    samples: NDArray[np.float32]
    phones: tuple[Phone, ...] | None = None
    text: str = ""
    before: NDArray[np.float32] = field(default_factory=_nothing)
    after: NDArray[np.float32] = field(default_factory=_nothing)

    @property
    def duration_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ
