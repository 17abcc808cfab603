"""One face, measured."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from avatars.engine.perception.pose import Pose

INNER_LIP_PAIRS: Final = ((82, 87), (13, 14), (312, 317))
EYE_LEFT_CORNERS: Final = (33, 133)
EYE_RIGHT_CORNERS: Final = (263, 362)


@dataclass(frozen=True, slots=True)
class Face:
    """A face found in a picture; pixels are the picture's own.

    box: (4,) float32, left, top, width, height.
    five_points: (5, 2) float32, eyes, nose tip, mouth corners; left of the picture first.
    landmarks: (478, 3) float32; see `Portrait.landmarks`.
    presence: how surely this is a face, 0..1.
    blendshapes: 52 weights 0..1 by name.
    pose_deg: yaw right, pitch down, roll clockwise.
    """

    box: NDArray[np.float32]
    five_points: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    presence: float
    blendshapes: dict[str, float]
    pose_deg: Pose

    @property
    def iod_px(self) -> float:
        """Distance between the two eye centres in pixels."""
        return eye_distance_px(self.landmarks)

    @property
    def opening_iod(self) -> float:
        """Mean gap between the inner lips in the middle of the mouth, in IOD."""
        return lip_opening_iod(self.landmarks)


def eye_distance_px(landmarks: NDArray[np.float32]) -> float:
    """Return the IOD in pixels: the distance of the eye centres, each the mean of its two corners."""
    left = landmarks[list(EYE_LEFT_CORNERS), :2].mean(axis=0)
    right = landmarks[list(EYE_RIGHT_CORNERS), :2].mean(axis=0)
    return float(np.hypot(*(right - left)))


def lip_opening_iod(landmarks: NDArray[np.float32]) -> float:
    """Return the mean gap of the three middle pairs of inner lip points, in IOD."""
    gaps = [np.hypot(*(landmarks[lower, :2] - landmarks[upper, :2])) for upper, lower in INNER_LIP_PAIRS]
    return float(np.mean(gaps)) / max(eye_distance_px(landmarks), 1e-6)
