"""Which way a head points, from its landmarks and the canonical face."""

from functools import cache
from math import asin, atan2, degrees
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.weights import Weight, weight_path

DISTANCE_IN_FACES: Final = 5.0
"""How far away the camera is taken to be, in heights of the face; about right for portraits and webcams alike."""


class Pose(NamedTuple):
    """Degrees: yaw to the right of the picture, pitch down, roll clockwise in the picture."""

    yaw: float
    pitch: float
    roll: float


@cache
def canonical_mesh() -> NDArray[np.float32]:
    """Return the mean neutral face: (468, 3) float32, centimetres, x right, y down, z away from us. Read-only."""
    with np.load(weight_path(Weight.FACE_MESH), allow_pickle=False) as stored:
        mesh = np.asarray(stored["vertices_cm"], np.float32) * np.array([1, -1, -1], np.float32)
    mesh.setflags(write=False)
    return mesh


@cache
def canonical_triangles() -> NDArray[np.int32]:
    """Return which points of the mean face are joined: (898, 3) int32 landmark ids. Read-only."""
    with np.load(weight_path(Weight.FACE_MESH), allow_pickle=False) as stored:
        triangles = np.asarray(stored["triangles"], np.int32)
    triangles.setflags(write=False)
    return triangles


def head_pose(landmarks: NDArray[np.float32]) -> Pose:
    """Return the pose of landmarks (478, 3) as seen from straight ahead, wherever in the picture the face is."""
    mesh = canonical_mesh().astype(np.float64)
    points = landmarks[: len(mesh), :2].astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    # The camera is aimed at the face: with the picture's own middle, a face near its edge would seem to look aside.
    x, y = (low + high) / 2
    focal_px = DISTANCE_IN_FACES * float((high - low).max())
    camera = np.array([[focal_px, 0, x], [0, focal_px, y], [0, 0, 1]])
    _, rotation, _ = cv2.solvePnP(mesh, points, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    turn, _ = cv2.Rodrigues(rotation)
    nose, ear = -turn[:, 2], turn[:, 0]
    return Pose(
        yaw=degrees(atan2(nose[0], -nose[2])),
        pitch=degrees(asin(float(np.clip(nose[1], -1, 1)))),
        roll=degrees(atan2(ear[1], ear[0])),
    )
