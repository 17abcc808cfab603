"""How skin and lips answer in light and shade when the mouth moves: four maps of log gain, mixed by the controls."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.controls import Control, Controls
from avatars.engine.face.falloff import bell, smoothstep
from avatars.engine.face.fields import MouthFields, grid_nodes
from avatars.engine.face.frame import CHIN, FACE_OVAL, LEFT_ALA, RIGHT_ALA, FaceFrame
from avatars.engine.face.mouthline import MouthLine

Array = NDArray[np.float32]

# Shadows on skin are red.
GAIN_POWERS_BGR: Final = np.array([1.10, 1.03, 0.86], np.float32)
INVISIBLE: Final = 0.004


def shading_maps(
    landmarks: Array, frame: FaceFrame, mouth: MouthLine, fields: MouthFields, size: tuple[int, int]
) -> Array:
    """Log gains (4, rows, columns) over the mouth's region in source coordinates: round, fold, press, jaw.

    size: (width, height) of the picture; outside the face nothing is shaded.
    """
    local = fields.points
    x, y = local[..., 0], local[..., 1]
    ax = np.abs(x)
    across = ax / mouth.half_width
    from_seam = y - mouth.seam(x)
    chin = float(frame.to_face(landmarks[CHIN : CHIN + 1, :2])[0, 1])
    above = np.interp(x, mouth.xs, mouth.upper) - y
    below = y - np.interp(x, mouth.xs, mouth.lower)
    ut, lt, a = mouth.upper_thickness, mouth.lower_thickness, mouth.half_width

    rounding = (
        0.17 * bell(x, 0.13) * bell(below - 0.5 * lt, 0.30 * lt)
        + 0.09 * bell(x, 0.12) * bell(above - 0.55 * ut, 0.35 * ut)
        - 0.17 * smoothstep(0.40, 0.95, across) * (1 - smoothstep(0.98, 1.18, across)) * bell(from_seam, 0.08)
        - 0.17 * bell(x, 0.17) * bell(below - lt - 0.055, 0.05)
        - 0.045 * bell(ax - a - 0.12, 0.10) * bell(from_seam, 0.22)
        - 0.05 * bell(ax - 0.09, 0.05) * bell(above - ut - 0.05, 0.05)
    )
    fold = sum(
        (_fold(local, frame, landmarks, a, side) for side in (-1.0, 1.0)), start=np.zeros(local.shape[:2], np.float32)
    )
    pressed = (
        -0.07 * bell(x, 0.13) * bell(below - lt - 0.06, 0.045)
        + 0.035 * bell(x, 0.10) * bell(below - lt - 0.16, 0.07)
        - 0.06 * bell(ax - 0.10, 0.04) * bell(below - lt - 0.17, 0.06)
        - 0.10 * bell(ax - a - 0.01, 0.05) * bell(from_seam, 0.05)
        - 0.05 * bell(x, 0.20) * bell(above - 0.5 * ut, 0.5 * ut)
    )
    dropped = (
        -0.05 * bell(ax - a - 0.20, 0.13) * bell(y - 0.12, 0.25)
        - 0.06 * bell(x, 0.2) * bell(below - lt - 0.05, 0.05)
        - 0.16 * bell(y - chin - 0.07, 0.07) * bell(x, 0.42)
        + 0.03 * bell(x, 0.15) * bell(y - chin + 0.18, 0.10)
    )
    mask = _face_mask(landmarks, frame, fields, size)
    return (np.stack([rounding, fold, pressed, dropped]) * mask).astype(np.float32)


def _fold(local: Array, frame: FaceFrame, landmarks: Array, a: float, side: float) -> Array:
    """The crease from the nose to beside the corner of the mouth, and the cheek that bulges outside of it."""
    alar = frame.to_face(landmarks[[LEFT_ALA if side < 0 else RIGHT_ALA], :2])[0]
    x0, y0 = abs(float(alar[0])) + 0.05, float(alar[1])
    x1, y1 = a + 0.11, 0.10
    t = np.linspace(0, 1, 24, dtype=np.float32)
    cx, cy = 0.55 * x0 + 0.45 * x1 + 0.06, 0.45 * y0 + 0.55 * y1 - 0.05
    curve = np.stack(
        [(1 - t) ** 2 * x0 + 2 * t * (1 - t) * cx + t**2 * x1, (1 - t) ** 2 * y0 + 2 * t * (1 - t) * cy + t**2 * y1], -1
    )
    point = np.stack([local[..., 0] * side, local[..., 1]], axis=-1)
    offsets = point[..., None, :] - curve
    distances = np.linalg.norm(offsets, axis=-1)
    nearest = distances.argmin(axis=-1)
    distance = np.take_along_axis(distances, nearest[..., None], -1)[..., 0]
    outside = np.take_along_axis(offsets[..., 0], nearest[..., None], -1)[..., 0] > 0
    taper = np.sin(np.pi * t[nearest])
    return np.asarray(
        taper * (-0.10 * bell(distance, 0.042) + 0.045 * bell(distance - 0.11, 0.06) * outside), np.float32
    )


def _face_mask(landmarks: Array, frame: FaceFrame, fields: MouthFields, size: tuple[int, int]) -> Array:
    mask = np.zeros((size[1], size[0]), np.float32)
    cv2.fillPoly(mask, [landmarks[list(FACE_OVAL), :2].round().astype(np.int32)], 1.0)
    soft = cv2.GaussianBlur(mask, (0, 0), 0.06 * frame.iod_px)
    rows, columns = fields.shape
    nodes = grid_nodes(fields.column + columns, fields.row + rows)[fields.row :, fields.column :]
    return smoothstep(0.45, 0.95, cv2.remap(soft, nodes[..., 0], nodes[..., 1], cv2.INTER_LINEAR))


def shading_weights(controls: Controls, relax: float, *, smiling: float) -> Array:
    """Weights (4,) of the maps for one frame. smiling: how much of a smile the source shows, 0..1."""
    c = controls
    return np.array(
        [
            c[Control.ROUND],
            0.9 * max(0.0, c[Control.WIDE])
            + c[Control.SMILE]
            + 0.35 * max(0.0, c[Control.UPPER_LIP])
            - 0.55 * relax * smiling,
            c[Control.PRESS],
            c[Control.JAW],
        ],
        np.float32,
    )
