"""Smart Turn: hears in the tone of the last seconds whether somebody has finished."""

from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from realtime.agent.protocols import HEARING_RATE_HZ, Samples
from realtime.agent.providers import onnx
from realtime.agent.providers.worker import Worker

SPAN_SAMPLES: Final = 8 * HEARING_RATE_HZ
WINDOW: Final = 400
HOP: Final = 160
MELS: Final = 80
# The mel scale of Slaney: straight below 1 kHz, logarithmic above.
STRAIGHT_TO_HZ: Final = 1000.0
HZ_PER_MEL: Final = 200 / 3
LOG_STEP: Final = np.log(6.4) / 27


def _mel(hertz: float) -> float:
    if hertz < STRAIGHT_TO_HZ:
        return hertz / HZ_PER_MEL
    return float(STRAIGHT_TO_HZ / HZ_PER_MEL + np.log(hertz / STRAIGHT_TO_HZ) / LOG_STEP)


def _hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    knee = STRAIGHT_TO_HZ / HZ_PER_MEL
    return np.where(mels < knee, mels * HZ_PER_MEL, STRAIGHT_TO_HZ * np.exp(LOG_STEP * (mels - knee)))


@cache
def _filters() -> NDArray[np.float64]:
    """(MELS, bins): triangles of equal area between neighbouring centres."""
    corners = _hertz(np.linspace(_mel(0.0), _mel(HEARING_RATE_HZ / 2), MELS + 2))
    bins = np.linspace(0, HEARING_RATE_HZ / 2, WINDOW // 2 + 1)
    low, middle, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    return np.maximum(0.0, np.minimum(rising, falling)) * 2 / (high - low)


def features(samples: Samples) -> NDArray[np.float32]:
    """(80, 800) of the log-mel picture of the last 8 s, shorter sound having silence before it."""
    span = np.zeros(SPAN_SAMPLES, np.float32)
    last = samples[-SPAN_SAMPLES:]
    span[SPAN_SAMPLES - len(last) :] = last
    level = (span - span.mean()) / np.sqrt(span.var() + 1e-7)
    padded = np.pad(level.astype(np.float64), WINDOW // 2, mode="reflect")
    frames = sliding_window_view(padded, WINDOW)[::HOP][:-1] * np.hanning(WINDOW + 1)[:-1]
    power = np.square(np.abs(np.fft.rfft(frames, axis=1)))
    logs = np.log10(np.maximum(1e-10, _filters() @ power.T))
    return np.asarray((np.maximum(logs, logs.max() - 8) + 4) / 4, np.float32)


class SmartTurn:
    """Loads the network from a file: 60 ms of processor time a question."""

    def __init__(self, path: Path) -> None:
        self._network: Any = onnx.session(path)
        self._worker = Worker("turn")

    async def finished(self, samples: Samples) -> float:
        """How likely the turn that ends with these samples at 16 kHz is complete: 0..1."""
        return await self._worker.run(lambda: self.finished_now(samples))

    def finished_now(self, samples: Samples) -> float:
        """The same, in the calling thread."""
        (found,) = self._network.run(None, {"input_features": features(samples)[None]})
        return float(np.asarray(found).reshape(-1)[0])
