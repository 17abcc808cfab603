"""Two films of one place never have quite the same light: one is brought to the colours of the other."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

GAIN: Final = (0.7, 1.45)
OFFSET_MAX: Final = 30.0
BLUR_PX: Final = 2.0
# What differs most moved, and says nothing of the light.
TRUSTED_SHARE: Final = 0.7
ROUNDS: Final = 4

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Colours:
    """gain, offset: (3,) of B, G and R."""

    gain: NDArray[np.float32]
    offset: NDArray[np.float32]

    def applied(self, picture: Picture) -> Picture:
        """A BGR picture in the other's colours."""
        levels = np.arange(256, dtype=np.float32)[:, None] * self.gain + self.offset
        table = np.clip(np.round(levels), 0, 255).astype(np.uint8)[None]
        return np.asarray(cv2.LUT(picture, table), np.uint8)


def match_colours(picture: Picture, other: Picture) -> Colours:
    """Learn from two BGR pictures of one size, which show nearly the same, what brings the first to the second."""
    a, b = (cv2.GaussianBlur(one, (0, 0), BLUR_PX).reshape(-1, 3).astype(np.float32) for one in (picture, other))
    gain, offset = np.ones(3, np.float32), (b - a).mean(axis=0)
    for _ in range(ROUNDS):
        apart = np.abs(a * gain + offset - b).max(axis=1)
        trusted = apart <= np.quantile(apart, TRUSTED_SHARE)
        x, y = a[trusted], b[trusted]
        middle_x, middle_y = x.mean(axis=0), y.mean(axis=0)
        spread = np.square(x - middle_x).mean(axis=0)
        slope = ((x - middle_x) * (y - middle_y)).mean(axis=0) / np.maximum(spread, 1.0)
        gain = np.clip(slope, *GAIN).astype(np.float32)
        offset = np.clip(middle_y - gain * middle_x, -OFFSET_MAX, OFFSET_MAX).astype(np.float32)
    return Colours(gain, offset)
