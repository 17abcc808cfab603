"""Displacement fields on a coarse grid: summed from the shapes, then turned round so that pixels can be fetched."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.face.falloff import smoothstep
from avatars.engine.face.frame import CHIN, FaceFrame
from avatars.engine.face.mouthline import MouthLine
from avatars.engine.face.relax import Relaxation
from avatars.engine.face.shapes import SHAPES, Place

STEP_PX: Final = 8
CONTOUR_POINTS: Final = 41
INVERSION_STEPS: Final = 3
# Plain fixed-point iteration swings to and fro under the lower lip; damped it converges in three steps.
DAMPING: Final = 0.7

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class MouthFields:
    """The shapes of one mouth, sampled.

    column, row: the first grid node of the region in the grid of the whole frame (nodes `STEP_PX` apart, the first at
    half a cell). upper, lower: (shapes, rows, columns, 2) displacements in pixels. contour_x: (CONTOUR_POINTS,) and
    contour_upper_y, contour_lower_y: the inner lips at rest; contour_upper, contour_lower: (shapes, CONTOUR_POINTS, 2)
    how they move; all in face coordinates.
    """

    column: int
    row: int
    upper: Array
    lower: Array
    points: Array
    contour_x: Array
    contour_upper_y: Array
    contour_lower_y: Array
    contour_upper: Array
    contour_lower: Array

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the region's grid."""
        return int(self.upper.shape[1]), int(self.upper.shape[2])

    def blend(self, weights: Array) -> tuple[Array, Array]:
        """The two forward fields (rows, columns, 2) in pixels for these weights."""
        rows, columns = self.shape
        flat = weights @ self.upper.reshape(len(weights), -1), weights @ self.lower.reshape(len(weights), -1)
        return flat[0].reshape(rows, columns, 2), flat[1].reshape(rows, columns, 2)

    def contours(self, weights: Array) -> tuple[Array, Array]:
        """The moved inner lips, upper and lower, (CONTOUR_POINTS, 2) in face coordinates. They touch, never cross."""
        upper = np.tensordot(weights, self.contour_upper, 1)
        lower = np.tensordot(weights, self.contour_lower, 1)
        upper += np.stack([self.contour_x, self.contour_upper_y], axis=-1)
        lower += np.stack([self.contour_x, self.contour_lower_y], axis=-1)
        crossed = lower[:, 1] < upper[:, 1]
        middle = (upper[crossed, 1] + lower[crossed, 1]) / 2
        upper[crossed, 1] = lower[crossed, 1] = middle
        return upper.astype(np.float32), lower.astype(np.float32)


def grid_nodes(columns: int, rows: int) -> Array:
    """Pixel positions (rows, columns, 2) of the grid over a frame, so that resizing the grid puts values in place."""
    xs = (np.arange(columns, dtype=np.float32) + 0.5) * STEP_PX - 0.5
    ys = (np.arange(rows, dtype=np.float32) + 0.5) * STEP_PX - 0.5
    return np.stack(np.meshgrid(xs, ys), axis=-1).astype(np.float32)


def build_fields(
    landmarks: Array, frame: FaceFrame, mouth: MouthLine, nodes: Array, relaxation: Relaxation | None
) -> MouthFields:
    """Sample every shape over the mouth's region of the frame's grid `nodes` (rows, columns, 2)."""
    chin = float(frame.to_face(landmarks[CHIN : CHIN + 1, :2])[0, 1])
    local = frame.to_face(nodes)
    inside = (np.abs(local[..., 0]) < 1.25) & (local[..., 1] > -1.0) & (local[..., 1] < chin + 0.75)
    rows = np.flatnonzero(inside.any(axis=1))
    columns = np.flatnonzero(inside.any(axis=0))
    row, column = int(rows[0]), int(columns[0])
    region = local[row : rows[-1] + 1, column : columns[-1] + 1]
    fade = (
        smoothstep(-1.0, -0.7, region[..., 1])
        * smoothstep(chin + 0.6, chin + 0.05, region[..., 1])
        * smoothstep(1.2, 0.9, np.abs(region[..., 0]))
    )[..., None]
    contour_x = np.linspace(-mouth.half_width, mouth.half_width, CONTOUR_POINTS, dtype=np.float32)
    contour_y = [np.interp(contour_x, mouth.xs, line).astype(np.float32) for line in (mouth.upper, mouth.lower)]

    def sampled(points: Array, *, lower: bool) -> Array:
        place = Place.of(points, mouth, chin, lower=lower)
        fields = [shape(place) for _, shape in SHAPES]
        fields.append(relaxation.field(points, lower=lower) if relaxation else np.zeros_like(points))
        return np.stack(fields)

    fields, contours = [], []
    for lower in (False, True):
        fields.append(frame.vectors(sampled(region, lower=lower) * fade))
        contours.append(sampled(np.stack([contour_x, contour_y[lower]], axis=-1), lower=lower))
    return MouthFields(
        column, row, fields[0], fields[1], np.ascontiguousarray(region), contour_x, *contour_y, *contours
    )


def inverse(forward: Array) -> Array:
    """For each node the way to where its pixel comes from: b with b(p) = -f(p + b). (rows, columns, 2) pixels."""
    rows, columns = forward.shape[:2]
    base_x, base_y = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
    back = -forward
    for _ in range(INVERSION_STEPS):
        moved = look_up(forward, base_x + back[..., 0] / STEP_PX, base_y + back[..., 1] / STEP_PX)
        back += DAMPING * (-moved - back)
    return back


def look_up(field: Array, columns: NDArray[np.floating], rows: NDArray[np.floating]) -> Array:
    """Bilinear values of a grid at fractional grid positions; the edge goes on outside."""
    return np.asarray(
        cv2.remap(
            field,
            columns.astype(np.float32),
            rows.astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        np.float32,
    )
