"""Where the frame lies around a face: a news portrait, with room for hair above and shoulders below."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

FOREHEAD_TOP: Final = 10
CHIN: Final = 152

FACE_SHARE: Final = 0.45
"""Wanted height of the face, hairline to chin, in heights of the frame."""
FACE_SHARE_MAX: Final = 0.72
FACE_WIDTH_SHARE_MAX: Final = 0.56
SHARES_TRIED: Final = 25
FOREHEAD_AT: Final = 0.24
"""Wanted height of the hairline, in heights of the frame from its top."""
FOREHEAD_SLACK: Final = 0.10
CENTRE_SLACK: Final = 0.08

OUTSIDE_COST: Final = 6.0
TIGHTNESS_COST: Final = 1.0
EXTENDED_WARNING: Final = 0.06


@dataclass(frozen=True, slots=True)
class Frame:
    """A rectangle in a source picture, in its pixels; may reach beyond the picture."""

    left: int
    top: int
    width: int
    height: int

    def outside_share(self, picture_width: int, picture_height: int) -> float:
        """Return how far the frame reaches beyond the picture, in heights of the frame, all sides together."""
        beyond = max(0, -self.left) + max(0, self.left + self.width - picture_width)
        beyond += max(0, -self.top) + max(0, self.top + self.height - picture_height)
        return beyond / self.height

    def to_frame(self, points: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
        """Return (n, 2) or (n, 3) points of the picture in pixels of the frame drawn as (width, height)."""
        across, down = size[0] / self.width, size[1] / self.height
        moved = points.astype(np.float32).copy()
        moved[:, 0] = (points[:, 0] - self.left) * across
        moved[:, 1] = (points[:, 1] - self.top) * down
        moved[:, 2:] = points[:, 2:] * across
        return moved


def frame_around(landmarks: NDArray[np.float32], picture_size: tuple[int, int], size: tuple[int, int]) -> Frame:
    """Choose the frame for landmarks (478, 3) in a picture of (width, height), drawn later as `size`.

    The face keeps its wanted share of the frame where the picture is large enough; otherwise the frame is moved, then
    tightened, and only what is missing even then lies outside the picture.
    """
    aspect = size[0] / size[1]
    forehead, chin = landmarks[FOREHEAD_TOP, :2], landmarks[CHIN, :2]
    face_px = max(float(np.hypot(*(chin - forehead))), 1.0)
    face_width_px = float(np.ptp(landmarks[:, 0]))
    centre = float(landmarks[:, 0].min() + face_width_px / 2)
    top_px = float(min(forehead[1], chin[1] - face_px * 0.9))

    wanted = min(FACE_SHARE, FACE_WIDTH_SHARE_MAX * aspect * face_px / max(face_width_px, 1.0))
    best, best_cost = Frame(0, 0, 2, 2), float("inf")
    for share in np.linspace(wanted, max(FACE_SHARE_MAX, wanted), SHARES_TRIED):
        height = face_px / float(share)
        width = height * aspect
        left = _inside(centre - width / 2, width, picture_size[0], CENTRE_SLACK * width)
        top = _inside(top_px - FOREHEAD_AT * height, height, picture_size[1], FOREHEAD_SLACK * height)
        frame = Frame(round(left), round(top), max(2, round(width)), max(2, round(height)))
        cost = OUTSIDE_COST * frame.outside_share(*picture_size) + TIGHTNESS_COST * float(np.log(share / wanted))
        if cost < best_cost - 1e-6:
            best, best_cost = frame, cost
    return best


def _inside(start: float, length: float, available: int, slack: float) -> float:
    """Move an interval towards the inside of 0..available by at most `slack`."""
    if start < 0:
        return min(0.0, start + slack) if length <= available else start + min(slack, -start)
    if start + length > available:
        return max(available - length, start - slack, 0.0 if length <= available else start - slack)
    return start


def cut(
    picture: NDArray[np.uint8], frame: Frame, size: tuple[int, int], *, beyond: tuple[int, ...] | None = None
) -> NDArray[np.uint8]:
    """Cut a frame out of a picture (grey or BGR) and draw it as `size` (width, height).

    Outside the picture the frame is filled with `beyond`, or, without it, with the picture mirrored and blurred.
    """
    height, width = picture.shape[:2]
    top, left = max(0, -frame.top), max(0, -frame.left)
    bottom, right = (
        max(0, frame.top + frame.height - height),
        max(0, frame.left + frame.width - width),
    )
    inner = picture[
        max(0, frame.top) : min(height, frame.top + frame.height),
        max(0, frame.left) : min(width, frame.left + frame.width),
    ]
    shrinks = frame.width > size[0]
    way = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    if not (top or left or bottom or right):
        return np.asarray(cv2.resize(inner, size, interpolation=way), np.uint8)
    if beyond is not None:
        padded = cv2.copyMakeBorder(inner, top, bottom, left, right, cv2.BORDER_CONSTANT, value=beyond)
        return np.asarray(cv2.resize(padded, size, interpolation=way), np.uint8)
    padded = cv2.copyMakeBorder(inner, top, bottom, left, right, cv2.BORDER_REFLECT)
    drawn = cv2.resize(padded, size, interpolation=way)
    return _softened(np.asarray(drawn, np.uint8), (top, bottom, left, right), frame, size)


def _softened(
    drawn: NDArray[np.uint8], margins: tuple[int, int, int, int], frame: Frame, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Blur the mirrored margins, more the farther out, so that nothing recognisable appears twice."""
    top, bottom, left, right = margins
    inside = np.zeros((frame.height, frame.width), np.uint8)
    inside[top : frame.height - bottom, left : frame.width - right] = 255
    small = cv2.resize(inside, size, interpolation=cv2.INTER_NEAREST)
    distance = cv2.distanceTransform(255 - small, cv2.DIST_L2, 5)
    blurred = cv2.GaussianBlur(drawn, (0, 0), 0.03 * size[1], borderType=cv2.BORDER_REPLICATE)
    share = np.clip(distance / (0.05 * size[1]), 0, 1)
    if drawn.ndim == 3:
        share = share[:, :, None]
    return np.asarray((drawn * (1 - share) + blurred * share).round(), np.uint8)
