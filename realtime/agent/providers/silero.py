"""Voice activity by the Silero network that comes inside faster-whisper."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from realtime.agent.protocols import ProviderError, Samples
from realtime.agent.providers import onnx
from realtime.agent.vad import FRAME_SAMPLES

CONTEXT_SAMPLES: Final = 64


@cache
def _network() -> Any:
    spec = find_spec("faster_whisper")
    if spec is None or spec.origin is None:
        raise ProviderError("The package faster-whisper, which holds the voice detector, is not installed.")
    return onnx.session(Path(spec.origin).parent / "assets" / "silero_vad_v6.onnx")


class Silero:
    """Hears one microphone. The network is loaded once for the process."""

    def __init__(self) -> None:
        self._network = _network()
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._hidden = np.zeros((1, 1, 128), np.float32)
        self._cell = np.zeros((1, 1, 128), np.float32)
        self._input = np.zeros((1, CONTEXT_SAMPLES + FRAME_SAMPLES), np.float32)

    def probability(self, frame: Samples) -> float:
        """How likely the next 32 ms, (512,) at 16 kHz, hold a voice. About 0.15 ms."""
        self._input[0, :CONTEXT_SAMPLES] = self._input[0, -CONTEXT_SAMPLES:]
        self._input[0, CONTEXT_SAMPLES:] = frame
        found, self._hidden, self._cell = self._network.run(
            None, {"input": self._input, "h": self._hidden, "c": self._cell}
        )
        return float(found.reshape(-1)[0])
