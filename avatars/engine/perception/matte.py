"""The person cut out of a picture: a small network's mask, drawn to the picture's own edges."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.perception.session import open_session
from avatars.engine.weights import Weight

INPUT_SIDE_PX: Final = 256
RADIUS_PX: Final = 12
EPSILON: Final = 1e-4
FOOT: Final = 0.12
SPAN: Final = 0.76


def guided_filter(
    guide: NDArray[np.float32], mask: NDArray[np.float32], radius_px: int, epsilon: float
) -> NDArray[np.float32]:
    """Let `mask` follow the edges of `guide`; both (height, width) float32 in 0..1.

    In every window the mask is explained as a linear function of the guide; `epsilon` is the guide's variance below
    which a window counts as flat.
    """
    window = (2 * radius_px + 1, 2 * radius_px + 1)

    def mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.blur(values, window, borderType=cv2.BORDER_REFLECT), np.float32)

    guide_mean, mask_mean = mean(guide), mean(mask)
    slope = (mean(guide * mask) - guide_mean * mask_mean) / (mean(guide * guide) - guide_mean**2 + epsilon)
    offset = mask_mean - slope * guide_mean
    return mean(slope) * guide + mean(offset)


def sharpened(mask: NDArray[np.float32], picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a soft mask (height, width) in 0..1 as a uint8 matte whose edge follows the picture's."""
    guide = (cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) / 255).astype(np.float32)
    fine = guided_filter(guide, mask, RADIUS_PX, EPSILON)
    return np.asarray((np.clip((fine - FOOT) / SPAN, 0, 1) * 255).round(), np.uint8)


class Matter:
    """Cuts persons out of pictures."""

    def __init__(self) -> None:
        self._session = open_session(Weight.PERSON_MATTE)
        self._input = self._session.get_inputs()[0].name

    def mask(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the network's own soft mask (height, width) float32 in 0..1 for a BGR picture."""
        height, width = picture.shape[:2]
        small = cv2.resize(picture, (INPUT_SIDE_PX, INPUT_SIDE_PX), interpolation=cv2.INTER_AREA)
        rgb = cv2.cvtColor(small, cv2.COLOR_BGR2RGB).astype(np.float32)[None] / 255
        (mask,) = self._session.run(None, {self._input: rgb})
        return np.clip(cv2.resize(np.asarray(mask, np.float32)[0, :, :, 0], (width, height)), 0, 1)

    def matte(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the matte (height, width) uint8, 255 is person, of a BGR picture."""
        return sharpened(self.mask(picture), picture)
