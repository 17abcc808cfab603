"""The curves that everything on a face fades with."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def smoothstep(
    low: float | NDArray[np.float32], high: float | NDArray[np.float32], value: ArrayLike
) -> NDArray[np.float32]:
    """0 below `low`, 1 above `high`, the cubic 3t²-2t³ between. `high` below `low` turns it round."""
    t = np.clip((np.asarray(value, np.float32) - low) / (np.asarray(high, np.float32) - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


def bell(value: ArrayLike, width: float) -> NDArray[np.float32]:
    """exp(-(value/width)²)."""
    return np.asarray(np.exp(-np.square(np.asarray(value, np.float32) / width)), np.float32)


def sigmoid(value: ArrayLike) -> NDArray[np.float32]:
    """1/(1+exp(-value)), the soft step."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * np.asarray(value, np.float32)), np.float32)
