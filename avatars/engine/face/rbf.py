"""Scattered values to a smooth field: radial basis functions with the linear kernel and an affine part."""

import numpy as np
from numpy.typing import NDArray


def interpolate(
    points: NDArray[np.float32], values: NDArray[np.float32], queries: NDArray[np.float32], smoothing: float = 0.0
) -> NDArray[np.float32]:
    """Values at `queries` of the smoothest field through `values` at `points`.

    points: (n, 2), values: (n, k), queries: (..., 2); the same unit of length throughout.
    smoothing: 0 passes through every value; larger lets the field miss them. Returns (..., k) float32.
    """
    points64 = points.astype(np.float64)
    count = len(points64)
    distances = np.linalg.norm(points64[:, None] - points64[None], axis=2)
    affine = np.column_stack([np.ones(count), points64])
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = -distances + smoothing * np.eye(count)
    system[:count, count:] = affine
    system[count:, :count] = affine.T
    right = np.zeros((count + 3, values.shape[1]))
    right[:count] = values
    solved = np.linalg.lstsq(system, right, rcond=None)[0]
    flat = queries.reshape(-1, 2).astype(np.float64)
    kernel = -np.linalg.norm(flat[:, None] - points64[None], axis=2)
    field = kernel @ solved[:count] + np.column_stack([np.ones(len(flat)), flat]) @ solved[count:]
    return np.asarray(field.reshape(*queries.shape[:-1], values.shape[1]), np.float32)
