"""I420, the form in which pictures are sent: full-size luma, then both chroma planes at half size, BT.601 limited."""

from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

# Per row Y, U, V; per column B, G, R and the offset: ITU-R BT.601, limited range.
_FROM_BGR: Final = np.array(
    [
        [0.114 * 219 / 255, 0.587 * 219 / 255, 0.299 * 219 / 255, 16],
        [0.5 * 224 / 255, -0.587 / 1.772 * 224 / 255, -0.299 / 1.772 * 224 / 255, 128],
        [-0.114 / 1.402 * 224 / 255, -0.587 / 1.402 * 224 / 255, 0.5 * 224 / 255, 128],
    ],
    np.float32,
)

Picture: TypeAlias = NDArray[np.uint8]


def i420_of(picture: Picture, out: Picture | None = None) -> Picture:
    """BGR (height, width, 3) to I420 (height * 3 // 2, width), both even. Chroma is the mean of its four pixels.

    Into `out` if given.
    """
    height, width = picture.shape[:2]
    if out is None:
        out = np.empty((height * 3 // 2, width), np.uint8)
    luma, chroma = planes(out, height, width)
    cv2.transform(picture, _FROM_BGR[:1], dst=luma)
    half = cv2.resize(picture, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    for plane, row in zip(chroma, _FROM_BGR[1:], strict=True):
        cv2.transform(half, row[None], dst=plane)
    return out


def bgr_of(i420: Picture) -> Picture:
    """I420 (height * 3 // 2, width) to BGR (height, width, 3)."""
    return np.asarray(cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420), np.uint8)


def planes(i420: Picture, height: int, width: int) -> tuple[Picture, tuple[Picture, Picture]]:
    """Views of the planes of an I420 picture: Y (height, width), and U and V (height // 2, width // 2)."""
    flat = i420.reshape(-1)
    size = height * width
    shape = height // 2, width // 2
    return (
        flat[:size].reshape(height, width),
        (flat[size : size * 5 // 4].reshape(shape), flat[size * 5 // 4 :].reshape(shape)),
    )


def linear_yuv(bgr: NDArray[np.floating]) -> NDArray[np.float32]:
    """A colour (3,) BGR 0..255 to Y, U and V without their offsets."""
    return np.asarray(_FROM_BGR[:, :3] @ np.asarray(bgr, np.float32), np.float32)
