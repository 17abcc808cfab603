"""The 478 face landmarks, found in a turned square around the face."""

from dataclasses import dataclass
from math import atan2, cos, sin
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.perception.session import open_session
from avatars.engine.weights import Weight

INPUT_SIDE_PX: Final = 256
MARGIN: Final = 1.5
EYE_LEFT_OUTER: Final = 33
EYE_RIGHT_OUTER: Final = 263


@dataclass(frozen=True, slots=True)
class Region:
    """A turned square: centre and side in pixels, angle clockwise in radians."""

    x: float
    y: float
    side_px: float
    angle_rad: float

    @classmethod
    def around_points(
        cls, points: NDArray[np.float32], left: NDArray[np.float32], right: NDArray[np.float32]
    ) -> "Region":
        """Return the square, turned so that `left` to `right` is level, with a margin around (n, 2) points."""
        angle = atan2(float(right[1] - left[1]), float(right[0] - left[0]))
        turn = np.array([[cos(angle), sin(angle)], [-sin(angle), cos(angle)]], np.float32)
        level = points @ turn.T
        low, high = level.min(axis=0), level.max(axis=0)
        centre = ((low + high) / 2) @ turn
        return cls(float(centre[0]), float(centre[1]), MARGIN * float((high - low).max()), angle)

    @classmethod
    def around_box(cls, box: NDArray[np.float32], left: NDArray[np.float32], right: NDArray[np.float32]) -> "Region":
        """Return the square with a margin around a detector's box (left, top, width, height)."""
        x, y, width, height = (float(value) for value in box)
        angle = atan2(float(right[1] - left[1]), float(right[0] - left[0]))
        return cls(x + width / 2, y + height / 2, MARGIN * max(width, height), angle)

    def to_picture(self, side_px: int) -> NDArray[np.float32]:
        """Return the (2, 3) matrix from pixels of the square drawn `side_px` wide to pixels of the picture."""
        scale = self.side_px / side_px
        along = np.array([cos(self.angle_rad), sin(self.angle_rad)]) * scale
        down = np.array([-along[1], along[0]])
        origin = np.array([self.x, self.y]) - (along + down) * side_px / 2
        return np.column_stack([along, down, origin]).astype(np.float32)


class Landmarker:
    """Runs the landmark network on one square of a picture."""

    def __init__(self) -> None:
        self._session = open_session(Weight.FACE_LANDMARKS)
        self._input = self._session.get_inputs()[0].name

    def locate(self, picture: NDArray[np.uint8], region: Region) -> tuple[NDArray[np.float32], float]:
        """Return landmarks (478, 3) float32 in pixels of `picture` and the presence of a face, 0..1.

        z has the scale of x and y and is negative towards the viewer.
        """
        matrix = region.to_picture(INPUT_SIDE_PX)
        square = cv2.warpAffine(
            picture,
            matrix,
            (INPUT_SIDE_PX, INPUT_SIDE_PX),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        rgb = cv2.cvtColor(square, cv2.COLOR_BGR2RGB).astype(np.float32)[None] / 255
        raw, presence, _ = self._session.run(None, {self._input: rgb})
        local = np.asarray(raw, np.float32).reshape(-1, 3)
        landmarks = np.empty_like(local)
        landmarks[:, :2] = local[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        landmarks[:, 2] = local[:, 2] * region.side_px / INPUT_SIDE_PX
        return landmarks, float(1 / (1 + np.exp(-float(np.ravel(presence)[0]))))


def region_of(landmarks: NDArray[np.float32]) -> Region:
    """Return the square in which landmarks already found should be looked for again."""
    flat = landmarks[:, :2]
    return Region.around_points(flat, flat[EYE_LEFT_OUTER], flat[EYE_RIGHT_OUTER])
