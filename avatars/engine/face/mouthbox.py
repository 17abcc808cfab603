"""The box around a mouth as a network sees it: upright, always of one size, the face where it is in the portrait.

Pictures are cut out of I420 planes and changes are put back into them by the similarity that says where the portrait's
mouth is in a picture of its footage. Chroma has half the size in the box as well.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.face.falloff import smoothstep
from avatars.engine.face.fields import CONTOUR_POINTS, STEP_PX, look_up
from avatars.engine.face.frame import OUTER_LOWER, OUTER_UPPER
from avatars.engine.face.i420 import Picture, planes
from avatars.engine.face.rig import Rig

SIDE: Final = 96
HALF: Final = SIDE // 2
# Pixels of the box for the distance of the eyes.
IOD: Final = 72.0
LEFT_IOD: Final = -0.67
TOP_IOD: Final = -0.48
CONTROL_COUNT: Final = 10
MIDDLE_GAP: Final = 1
"""Which of the controls is the opening in the middle."""
CHANNELS: Final = 7
"""Of `seen`: luma as four of half size, both chroma planes, how much of each pixel is between the lips."""
CHANGED: Final = 6
"""Of a change: luma as four of half size, both chroma planes."""
# Resting lips are the footage's own; so far moved by any shape, drawn ones may be painted over wholly.
MOVED: Final = 0.15
# What is painted: the lips and so much around them, fading out by a Gaussian.
REACH_IOD: Final = 0.13
FADE_IOD: Final = 0.045
_SHIFT: Final = 4

Array = NDArray[np.float32]


class MouthBox:
    """The box of one rig. Immutable."""

    def __init__(self, rig: Rig) -> None:
        frame, fields = rig.frame, rig.fields
        self._fields = fields
        turn = np.stack([frame.right, frame.down]) * np.float32(IOD / frame.iod_px)
        shift = -turn @ frame.origin - np.array([LEFT_IOD, TOP_IOD], np.float32) * IOD - 0.5
        self._to_box = np.vstack([np.column_stack([turn, shift]), [0, 0, 1]])
        pixels = [rig.portrait.landmarks[list(ids), :2] for ids in (OUTER_UPPER, OUTER_LOWER)]
        self._outer = frame.to_face(np.concatenate(pixels))
        moves = []
        for points, field in zip(pixels, (fields.upper, fields.lower), strict=True):
            at_x = (points[:, 0] + 0.5) / STEP_PX - 0.5 - fields.column
            at_y = (points[:, 1] + 0.5) / STEP_PX - 0.5 - fields.row
            moves.append([look_up(shape, at_x[None], at_y[None])[0] for shape in field])
        pixels_moved = np.concatenate(np.array(moves, np.float32), axis=1)
        self._outer_moves = np.stack([pixels_moved @ frame.right, pixels_moved @ frame.down], axis=-1) / frame.iod_px

    def lines(self, weights: Array) -> tuple[Array, Array, Array]:
        """The moved inner lips, upper and lower, and the outline of the outer ones, all in face coordinates."""
        outer = self._outer + np.tensordot(weights, self._outer_moves, 1)
        return (*self._fields.contours(weights), np.asarray(outer, np.float32))

    def controls(self, weights: Array) -> Array:
        """What a network is told of the lips besides their picture, (CONTROL_COUNT,) in IOD, the last the jaw's weight."""
        upper, lower, outer = self.lines(weights)
        middle, side = CONTOUR_POINTS // 2, CONTOUR_POINTS // 4
        gaps = (lower - upper)[[side, middle, -1 - side], 1]
        count = len(outer) // 2
        return np.array(
            [
                *gaps,
                upper[-1, 0] - upper[0, 0],
                (upper[0, 1] + upper[-1, 1]) / 2,
                upper[middle, 1],
                lower[middle, 1],
                outer[count // 2, 1],
                outer[count + count // 2, 1],
                weights[0],
            ],
            np.float32,
        )

    def masks(self, weights: Array) -> tuple[Array, Array]:
        """How much of each pixel is between the lips, and how much of it may be painted: both (HALF, HALF), 0..1."""
        upper, lower, outer = self.lines(weights)
        within = _filled(np.concatenate([upper, lower[::-1]]))
        centre = outer.mean(axis=0)
        away = outer - centre
        grown = centre + away * (1 + REACH_IOD / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 0.05))
        painted = _filled(cv2.convexHull(grown.astype(np.float32))[:, 0])
        painted *= smoothstep(0, MOVED, np.abs(weights).max())
        return within, np.asarray(cv2.GaussianBlur(painted, (0, 0), FADE_IOD * IOD / 2), np.float32)

    def seen(self, i420: Picture, height: int, width: int, pose: Array, within: Array) -> Array:
        """The box of a picture (CHANNELS, HALF, HALF), 0..1. pose: (2, 3), from the portrait's pixels to the picture's."""
        luma, chroma = planes(i420, height, width)
        to_box = self._matrix(pose)
        flags = cv2.INTER_LINEAR
        box = cv2.warpAffine(luma, to_box, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        out = np.empty((CHANNELS, HALF, HALF), np.float32)
        out[:4] = box.reshape(HALF, 2, HALF, 2).transpose(1, 3, 0, 2).reshape(4, HALF, HALF)
        halved = _of_chroma(to_box)
        for index, plane in enumerate(chroma):
            out[4 + index] = cv2.warpAffine(plane, halved, (HALF, HALF), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        out[:6] *= np.float32(1 / 255)
        out[6] = within
        return out

    def add(self, i420: Picture, height: int, width: int, pose: Array, change: Array, painted: Array) -> None:
        """Add a change (CHANGED, HALF, HALF), as a share of 255, to a picture where it may be painted (HALF, HALF)."""
        luma, chroma = planes(i420, height, width)
        to_box = self._matrix(pose)
        corners = np.array([(x, y) for x in (0, SIDE) for y in (0, SIDE)], np.float64)
        back = cv2.invertAffineTransform(to_box)
        there = corners @ back[:, :2].T + back[:, 2]
        low = np.clip(np.floor(there.min(axis=0)).astype(int) // 2 * 2, 0, [width, height])
        high = np.clip(-(-np.ceil(there.max(axis=0)).astype(int) // 2) * 2, low, [width, height])
        if (high - low < 2).any():
            return
        scaled = change * (painted * np.float32(255))
        large = scaled[:4].reshape(2, 2, HALF, HALF).transpose(2, 0, 3, 1).reshape(SIDE, SIDE)
        _added(luma, np.ascontiguousarray(large), to_box, low, high)
        for plane, part in zip(chroma, scaled[4:], strict=True):
            _added(plane, part, _of_chroma(to_box), low // 2, high // 2)

    def _matrix(self, pose: Array) -> NDArray[np.float64]:
        """From the pixels of a picture to those of the box."""
        return np.asarray((self._to_box @ np.linalg.inv(np.vstack([pose, [0, 0, 1]])))[:2])


def box_pixels(points: Array) -> Array:
    """Points (n, 2) in face coordinates as pixels of the box at half its size."""
    return np.asarray((points - [LEFT_IOD, TOP_IOD]) * (IOD / 2) - 0.5, np.float32)


def _added(
    plane: Picture, change: Array, to_box: NDArray[np.float64], low: NDArray[np.intp], high: NDArray[np.intp]
) -> None:
    here = to_box.copy()
    here[:, 2] += here[:, :2] @ low
    size = int(high[0] - low[0]), int(high[1] - low[1])
    drawn = cv2.warpAffine(change, here, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    target = plane[low[1] : high[1], low[0] : high[0]]
    np.copyto(target, cv2.add(target, drawn, dtype=cv2.CV_8U))


def _of_chroma(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix between luma pixels as one between chroma pixels, whose centres lie between those of four others."""
    half = matrix.copy()
    half[:, 2] = (matrix[:, :2] @ [0.5, 0.5] + matrix[:, 2] + 0.5) / 2 - 0.5
    return half


def _filled(polygon: Array) -> Array:
    """A polygon in face coordinates, filled, at half the size of the box."""
    pixels = box_pixels(polygon) * 2**_SHIFT
    mask = np.zeros((HALF, HALF), np.uint8)
    cv2.fillPoly(mask, [pixels.round().astype(np.int32)], (255,), cv2.LINE_AA, _SHIFT)
    return np.asarray(mask, np.float32) / np.float32(255)
