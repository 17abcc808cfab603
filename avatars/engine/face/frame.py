"""The face's own coordinates, and the landmarks that matter here by name.

Origin in the middle of the mouth, x along the line of the eyes to the right of the picture, y down the face, in units
of IOD (the distance between the eye centres): what is written in these coordinates holds for every size and tilt.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

# Ids of the 478-point face mesh, from the left of the picture to the right.
INNER_UPPER: Final = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
INNER_LOWER: Final = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
OUTER_UPPER: Final = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
OUTER_LOWER: Final = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
LEFT_EYE_CORNERS: Final = (33, 133)
RIGHT_EYE_CORNERS: Final = (362, 263)
CHIN: Final = 152
LEFT_ALA: Final = 98
RIGHT_ALA: Final = 327
FACE_OVAL: Final = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)


@dataclass(frozen=True, slots=True)
class FaceFrame:
    """The face's coordinates in the picture. origin, right, down and eyes_middle are (2,) float32; iod_px in pixels."""

    origin: NDArray[np.float32]
    right: NDArray[np.float32]
    down: NDArray[np.float32]
    iod_px: float
    eyes_middle: NDArray[np.float32]

    @classmethod
    def of(cls, landmarks: NDArray[np.float32]) -> "FaceFrame":
        """The frame of a (478, 3) mesh in pixels. Raises ValueError where the eyes coincide."""
        left = landmarks[list(LEFT_EYE_CORNERS), :2].mean(axis=0)
        right = landmarks[list(RIGHT_EYE_CORNERS), :2].mean(axis=0)
        span = right - left
        iod_px = float(np.linalg.norm(span))
        if not iod_px > 1.0:
            raise ValueError("The eyes of this face are in one place.")
        axis = (span / iod_px).astype(np.float32)
        down = np.array([-axis[1], axis[0]], np.float32)
        middle = landmarks[[13, 14], :2].mean(axis=0)
        corners = landmarks[[78, 308], :2].mean(axis=0)
        origin = middle + axis * float((corners - middle) @ axis)
        return cls(origin.astype(np.float32), axis, down, iod_px, ((left + right) / 2).astype(np.float32))

    def to_face(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Pixels (..., 2) to face coordinates (..., 2)."""
        offset = pixels - self.origin
        return np.stack([offset @ self.right, offset @ self.down], axis=-1).astype(np.float32) / np.float32(self.iod_px)

    def to_pixels(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Face coordinates (..., 2) to pixels (..., 2)."""
        return self.origin + self.vectors(points)

    def vectors(self, displacements: NDArray[np.float32]) -> NDArray[np.float32]:
        """Displacements (..., 2) in face coordinates to pixels."""
        scaled = displacements * np.float32(self.iod_px)
        return (scaled[..., :1] * self.right + scaled[..., 1:] * self.down).astype(np.float32)
