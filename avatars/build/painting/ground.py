"""What a mouth's network knows: which lips it learnt from, and so which it may paint."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Ground:
    """mean and spread (CONTROL_COUNT,) of the controls that were learnt from; centres: some of them (k, CONTROL_COUNT), in
    units of the spread; near: how far from the nearest of these the network still paints fully."""

    mean: Array
    spread: Array
    centres: Array
    near: float

    def standard(self, controls: Array) -> Array:
        """Controls (..., CONTROL_COUNT) in units of the spread."""
        return np.asarray((controls - self.mean) / self.spread, np.float32)

    def known(self, controls: Array) -> Array:
        """How much of what the network makes of controls (n, CONTROL_COUNT) is shown, 0..1, (n,); as in its file."""
        apart = np.linalg.norm(self.standard(controls)[:, None] - self.centres[None], axis=2).min(axis=1)
        return np.asarray(np.clip(2 - apart / self.near, 0, 1), np.float32)
