"""A voice's sample rate to the engine's, as a stream."""

import av
import numpy as np
from av.audio.frame import AudioFrame

from avatars.engine.speech.spoken import SAMPLE_RATE_HZ
from realtime.agent.protocols import Samples


class Resampler:
    """Takes mono float samples at `rate_hz` and gives them at `SAMPLE_RATE_HZ`."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._resampler = (
            None if rate_hz == SAMPLE_RATE_HZ else av.AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE_HZ)
        )

    def push(self, samples: Samples) -> Samples:
        """What follows from these samples; a little always stays inside."""
        if self._resampler is None or not len(samples):
            return samples
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="fltp", layout="mono")
        frame.sample_rate = self._rate_hz
        return _joined(self._resampler.resample(frame))

    def finish(self) -> Samples:
        """What was still inside."""
        return np.zeros(0, np.float32) if self._resampler is None else _joined(self._resampler.resample(None))


def _joined(frames: list[AudioFrame]) -> Samples:
    parts = [frame.to_ndarray().reshape(-1) for frame in frames]
    return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, np.float32)
