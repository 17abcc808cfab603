"""Which way a head points, from its landmarks and the canonical face."""

from functools import cache
from math import asin, atan2, degrees, radians, tan
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.weights import Weight, weight_path

FIELD_OF_VIEW_DEG: Final = 63.0
"""Vertical angle of the camera assumed; an unknown camera costs a few degrees of pitch, hardly any of yaw."""


class Pose(NamedTuple):
    """Degrees: yaw to the right of the picture, pitch down, roll clockwise in the picture."""

    yaw: float
    pitch: float
    roll: float


@cache
def canonical_mesh() -> NDArray[np.float32]:
    """Return the mean neutral face: (468, 3) float32 centimetres, x right, y down, z away from the viewer. Read-only."""
    with np.load(weight_path(Weight.FACE_MESH), allow_pickle=False) as stored:
        mesh = np.asarray(stored["vertices_cm"], np.float32) * np.array([1, -1, -1], np.float32)
    mesh.setflags(write=False)
    return mesh


def head_pose(landmarks: NDArray[np.float32], width: int, height: int) -> Pose:
    """Return the pose of landmarks (478, 3) found in a picture of this size."""
    mesh = canonical_mesh().astype(np.float64)
    focal_px = height / (2 * tan(radians(FIELD_OF_VIEW_DEG) / 2))
    camera = np.array([[focal_px, 0, width / 2], [0, focal_px, height / 2], [0, 0, 1]])
    points = landmarks[: len(mesh), :2].astype(np.float64)
    _, rotation, _ = cv2.solvePnP(mesh, points, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    turn, _ = cv2.Rodrigues(rotation)
    nose, ear = -turn[:, 2], turn[:, 0]
    return Pose(
        yaw=degrees(atan2(nose[0], -nose[2])),
        pitch=degrees(asin(float(np.clip(nose[1], -1, 1)))),
        roll=degrees(atan2(ear[1], ear[0])),
    )
