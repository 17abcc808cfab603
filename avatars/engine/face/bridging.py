"""From one moving picture into another without seeing anything twice: what moves is moved along optical flow."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.face.i420 import planes

FLOW_SIDE_PX: Final = 192
FLOW_BLUR_PX: Final = 1.5

Picture = NDArray[np.uint8]
Array = NDArray[np.float32]


class Bridge:
    """The way between two I420 pictures (height * 3 // 2, width) of one size."""

    def __init__(self, first: Picture, second: Picture) -> None:
        height, width = first.shape[0] * 2 // 3, first.shape[1]
        self._size = height, width
        self._pictures = first, second
        scale = min(1.0, FLOW_SIDE_PX / max(height, width))
        small = (max(32, round(width * scale)), max(32, round(height * scale)))
        lumas = [cv2.resize(one[:height], small, interpolation=cv2.INTER_AREA) for one in (first, second)]
        flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        unit = np.array([width / small[0], height / small[1]], np.float32)
        self._ways = []
        for start, end in (lumas, lumas[::-1]):
            field = flow.calc(start, end, np.zeros((*small[::-1], 2), np.float32))
            self._ways.append(np.asarray(cv2.GaussianBlur(field, (0, 0), FLOW_BLUR_PX) * unit, np.float32))

    def at(self, share: float) -> Picture:
        """The picture `share` (0..1) of the way from the first to the second."""
        first, second = self.drawn(share)
        return np.asarray(cv2.addWeighted(first, 1 - share, second, share, 0), np.uint8)

    def drawn(self, share: float) -> tuple[Picture, Picture]:
        """What the first picture and what the second looks like there, before one becomes the other."""
        parts = share, 1 - share
        first, second = (
            self._moved(picture, way, part)
            for picture, way, part in zip(self._pictures, self._ways, parts, strict=True)
        )
        return first, second

    def _moved(self, picture: Picture, way: Array, part: float) -> Picture:
        height, width = self._size
        out = np.empty_like(picture)
        luma, chroma = planes(picture, height, width)
        new_luma, new_chroma = planes(out, height, width)
        # Where a pixel comes from is taken to be where it goes to, turned round: true for small movements.
        back = way * np.float32(-part)
        x, y = _places(back, width, height)
        cv2.remap(luma, x, y, cv2.INTER_LINEAR, dst=new_luma, borderMode=cv2.BORDER_REPLICATE)
        half_x, half_y = _places(back * np.float32(0.5), width // 2, height // 2)
        for plane, new in zip(chroma, new_chroma, strict=True):
            cv2.remap(plane, half_x, half_y, cv2.INTER_LINEAR, dst=new, borderMode=cv2.BORDER_REPLICATE)
        return out


def _places(field: Array, width: int, height: int) -> tuple[Array, Array]:
    """Where each pixel of a plane comes from: a way for each of a smaller grid, drawn as large, and added."""
    # Plane by plane: to part a large field takes longer than all the rest.
    x, y = (
        np.asarray(cv2.resize(np.ascontiguousarray(part), (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        for part in (field[..., 0], field[..., 1])
    )
    x += np.arange(width, dtype=np.float32)
    y += np.arange(height, dtype=np.float32)[:, None]
    return x, y
