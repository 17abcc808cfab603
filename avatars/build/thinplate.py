"""Thin-plate splines: the smoothest bend of the plane that takes some points to others."""

import numpy as np
from numpy.typing import NDArray


class ThinPlate:
    """Maps the plane so that each source point lands on its target."""

    def __init__(self, source: NDArray[np.float32], target: NDArray[np.float32], stiffness: float = 0.0) -> None:
        """Fit (n, 2) source points to (n, 2) targets; `stiffness` above 0 trades exactness for smoothness."""
        points = source.astype(np.float64)
        # Distances in units of the points' own spread keep the system well conditioned in any scale.
        self._middle, self._spread = points.mean(axis=0), float(points.std()) or 1.0
        self._points = (points - self._middle) / self._spread
        count = len(points)
        affine = np.column_stack([np.ones(count), self._points])
        system = np.zeros((count + 3, count + 3))
        system[:count, :count] = _kernel(self._points, self._points) + stiffness * np.eye(count)
        system[:count, count:], system[count:, :count] = affine, affine.T
        wanted = np.vstack([target.astype(np.float64), np.zeros((3, 2))])
        solved = np.linalg.solve(system, wanted)
        self._bend, self._affine = solved[:count], solved[count:]

    def __call__(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (m, 2) points mapped."""
        local = (points.astype(np.float64) - self._middle) / self._spread
        flat = np.column_stack([np.ones(len(local)), local]) @ self._affine
        return np.asarray(flat + _kernel(local, self._points) @ self._bend, np.float32)


def _kernel(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    squared = ((first[:, None] - second[None]) ** 2).sum(axis=2)
    return np.asarray(squared * np.log(np.maximum(squared, 1e-12)) / 2)
