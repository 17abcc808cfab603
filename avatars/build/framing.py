"""Where the frame lies: around a face as in a news portrait, with room for hair and shoulders, or around a figure."""

from dataclasses import dataclass
from enum import StrEnum
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

FIGURE_MARGIN: Final = 0.04
"""Room around a whole figure, in its heights."""
FIGURE_FACE_MIN_PX: Final = 96.0
FIGURE_SOLID: Final = 96

OUTSIDE_COST: Final = 6.0
TIGHTNESS_COST: Final = 1.0
EXTENDED_WARNING: Final = 0.06
SOFTER: Final = ((0.03, 0.05), (0.12, 0.22))
"""Beyond the picture: blurs and where each is complete, in heights of the frame."""
SMALL_SIGMA_PX: Final = 4.0


class Shot(StrEnum):
    """How much of the character is in the frame."""

    FACE = "face"
    """Head and shoulders."""
    FIGURE = "figure"
    """All of it."""


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


def frame_figure(
    matte: NDArray[np.uint8], landmarks: NDArray[np.float32], size: tuple[int, int], *, cut_out: bool
) -> tuple[Frame, bool]:
    """Choose the frame for the whole figure that a matte (height, width) of the picture shows around a face.

    cut_out: there is nothing around the figure, so that the frame may reach beyond the picture.
    Returns the frame and whether all of the figure is in it: it is cropped from the head downwards where the picture
    does not reach far enough, or where its face would be drawn less than `FIGURE_FACE_MIN_PX` high.
    """
    left, top, right, bottom = _figure_box(matte, landmarks)
    picture_height, picture_width = matte.shape
    aspect = size[0] / size[1]
    face_px = max(float(np.hypot(*(landmarks[CHIN, :2] - landmarks[FOREHEAD_TOP, :2]))), 1.0)
    margin = FIGURE_MARGIN * max(bottom - top, (right - left) / aspect)
    if not cut_out:
        # Where the picture's edge cuts the figure, there is no margin to be had.
        margin = min(margin, max(top, picture_height - bottom, left, picture_width - right))
    needed = max(bottom - top, (right - left) / aspect) + 2 * margin
    height = min(needed, face_px * size[1] / FIGURE_FACE_MIN_PX)
    if not cut_out:
        height = min(height, picture_height, picture_width / aspect)
    width = height * aspect
    fits_across, fits_down = width >= right - left, height >= bottom - top
    start = (left + right) / 2 - width / 2 if fits_across else float(landmarks[:, 0].mean()) - width / 2
    above = (top + bottom) / 2 - height / 2 if fits_down else top - margin
    if not cut_out:
        start = float(np.clip(start, 0, picture_width - width))
        above = float(np.clip(above, 0, picture_height - height))
    frame = Frame(round(start), round(above), max(2, round(width)), max(2, round(height)))
    return frame, fits_across and fits_down


def _figure_box(matte: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom of the part of a matte that holds the face; never less than the face itself."""
    low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
    _, labels = cv2.connectedComponents((matte > FIGURE_SOLID).astype(np.uint8))
    height, width = matte.shape
    at = np.clip(landmarks[:, :2].round().astype(int), 0, (width - 1, height - 1))
    touched = labels[at[:, 1], at[:, 0]]
    touched = touched[touched > 0]
    if touched.size:
        rows, columns = np.nonzero(labels == np.bincount(touched).argmax())
        low = np.minimum(low, (columns.min(), rows.min()))
        high = np.maximum(high, (columns.max() + 1, rows.max() + 1))
    low, high = np.maximum(low, 0), np.minimum(high, (width, height))
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


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
    # Lanczos is the best of what was tried on small faces; a super-resolution network paints them like a cartoon.
    enlarges = cv2.INTER_CUBIC if beyond is not None else cv2.INTER_LANCZOS4
    way = cv2.INTER_AREA if shrinks else enlarges
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
    softened = drawn.astype(np.float32)
    for sigma, reach in SOFTER:
        blurred = _wide_blur(drawn, sigma * size[1])
        share = np.clip(distance / (reach * size[1]), 0, 1)
        softened += (blurred - softened) * (share[:, :, None] if drawn.ndim == 3 else share)
    return np.asarray(softened.round(), np.uint8)


def _wide_blur(picture: NDArray[np.uint8], sigma_px: float) -> NDArray[np.float32]:
    """Blur a picture, by way of a small one: so wide a blur leaves no detail to be lost."""
    scale = min(1.0, SMALL_SIGMA_PX / sigma_px)
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma_px * scale, borderType=cv2.BORDER_REPLICATE)
    wide = cv2.resize(small, (picture.shape[1], picture.shape[0]), interpolation=cv2.INTER_CUBIC)
    return wide.astype(np.float32)
