"""What comes in front of a face or beside its chin: a hand, a cup. Found by what was there before it came.

A picture without anything in front is known. Face and background of every other are looked for in it, the face as it is
turned, with some room for what moves; what is found in neither is in front.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.build.neutral import LIPS, SOLID
from avatars.engine.face.falloff import smoothstep
from avatars.engine.face.frame import FACE_OVAL
from avatars.engine.perception import eye_distance_px

# How far parts of the face, and of what is around it, are looked for.
FACE_ROOM_IOD: Final = 0.07
ROUND_ROOM_IOD: Final = 0.16
# In Lab, lightness counting less: a face that turns is lit otherwise.
UNLIKE_LAB: Final = 7.0
# What touches something so unlike has to be less so.
UNLIKE_BESIDE_LAB: Final = 3.2
LIGHTNESS_WEIGHT: Final = 0.55
SOFT_IOD: Final = 0.02
# Gaps between fingers count as well; what is smaller than this is none.
CLOSED_IOD: Final = 0.10
SIDE_MIN_IOD: Final = 0.22
# Around a hand skin is held still so far, and moves freely from so far on.
HELD_IOD: Final = 0.08
FREE_IOD: Final = 0.26
# Lips that something comes as near as this fade, altogether before it touches them.
LIPS_FROM_IOD: Final = (0.04, 0.22)

# A hand this near to the lower face is moved with the mouth; it has the colour of the cheeks, in Lab.
BESIDE_IOD: Final = 0.15
SKIN_LAB: Final = 12.0
SKIN_LIGHTNESS: Final = 45.0

REACH_IOD: Final = 1.7
BELOW_CHIN_IOD: Final = 0.7
_NOSE, _CHIN = 1, 152
_CHEEKS: Final = (50, 280, 101, 330, 117, 346)

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]


class Unobstructed:
    """A picture (height, width, 3) uint8 BGR with nothing in front of its face, and its landmarks (478, 2 or 3)."""

    def __init__(self, picture: Picture, landmarks: Array) -> None:
        self._iod_px = eye_distance_px(landmarks)
        self._lab = _lab(picture, SOFT_IOD * self._iod_px)
        self._marks = landmarks[:, :2]
        self._around = _range(self._lab, ROUND_ROOM_IOD * self._iod_px)

    def in_front(self, picture: Picture, landmarks: Array) -> NDArray[np.bool_]:
        """Which pixels of another picture show something in front: (height, width). The lips may do as they like."""
        marks = landmarks[:, :2]
        height, width = picture.shape[:2]
        solid = list(SOLID)
        known = np.column_stack([self._marks[solid], np.ones(len(solid))])
        fit, *_ = np.linalg.lstsq(known, marks[solid].astype(np.float64), rcond=None)
        turned = cv2.warpAffine(self._lab, fit.T, (width, height), borderMode=cv2.BORDER_REPLICATE)
        iod_px = eye_distance_px(landmarks)
        lab = _lab(picture, SOFT_IOD * iod_px)
        unlike = np.minimum(
            _beyond(lab, _range(np.asarray(turned, np.float32), FACE_ROOM_IOD * iod_px)), _beyond(lab, self._around)
        )
        cv2.fillConvexPoly(unlike, _lips(marks), (0,))
        # Nothing of the mouth is drawn farther away, above the nose or below the neck.
        low = np.array([marks[_NOSE, 0] - REACH_IOD * iod_px, marks[_NOSE, 1]])
        high = np.array([marks[_NOSE, 0] + REACH_IOD * iod_px, marks[_CHIN, 1] + BELOW_CHIN_IOD * iod_px])
        left, top = np.clip(low, 0, [width, height]).astype(int)
        right, bottom = np.clip(high, 0, [width, height]).astype(int)
        unlike[:top] = unlike[bottom:] = 0
        unlike[:, :left] = unlike[:, right:] = 0
        certain = (unlike > UNLIKE_LAB).astype(np.uint8)
        seeds = np.asarray(cv2.morphologyEx(certain, cv2.MORPH_OPEN, _disc(0.25 * CLOSED_IOD * iod_px)), np.uint8)
        likely = (unlike > UNLIKE_BESIDE_LAB).astype(np.uint8) | seeds
        mask = np.asarray(cv2.morphologyEx(likely, cv2.MORPH_CLOSE, _disc(CLOSED_IOD * iod_px)), np.uint8)
        count, labels = cv2.connectedComponents(mask)
        area = np.bincount(labels[seeds > 0], minlength=count)
        large = area >= (SIDE_MIN_IOD * iod_px) ** 2
        large[0] = False
        return np.asarray(large[labels], np.bool_)


def hand_at_mouth(in_front: NDArray[np.bool_], picture: Picture, landmarks: Array) -> bool:
    """Whether what is in front of a face or beside it is a hand before the lower face, or right beside it.

    Whatever else moves behind a face, a landscape behind the window of a car, has another colour.
    """
    marks, iod_px = landmarks[:, :2], eye_distance_px(landmarks)
    lower = marks[list(FACE_OVAL)]
    hull = cv2.convexHull(lower[lower[:, 1] > marks[_NOSE, 1]].astype(np.float32)).round().astype(np.int32)
    region = np.zeros(in_front.shape, np.uint8)
    cv2.fillConvexPoly(region, hull, (1,))
    near = in_front & (cv2.dilate(region, _disc(BESIDE_IOD * iod_px)) > 0)
    if not near.any():
        return False
    lab = _lab(picture, SOFT_IOD * iod_px)
    columns, rows = np.clip(marks[list(_CHEEKS)].round().astype(int), 0, np.array(picture.shape[1::-1]) - 1).T
    apart = np.abs(lab[near] - np.median(lab[rows, columns], axis=0))
    skin = (np.hypot(apart[:, 1], apart[:, 2]) < SKIN_LAB) & (apart[:, 0] < SKIN_LIGHTNESS * LIGHTNESS_WEIGHT)
    return bool(skin.sum() >= (SIDE_MIN_IOD * iod_px) ** 2)


def free_share(in_front: NDArray[np.bool_], landmarks: Array, size: tuple[int, int]) -> Array:
    """How far skin may be moved, 0 at what is in front to 1, over cells of `size` (columns, rows): (rows, columns)."""
    distance = _distance_iod(in_front, landmarks)
    free = smoothstep(HELD_IOD, FREE_IOD, distance)
    return np.asarray(cv2.resize(free, size, interpolation=cv2.INTER_AREA), np.float32)


def lips_share(in_front: NDArray[np.bool_], landmarks: Array) -> float:
    """How much of speaking lips may be drawn, 0 where something touches them, to 1."""
    lips = np.zeros(in_front.shape, np.uint8)
    cv2.fillConvexPoly(lips, _lips(landmarks[:, :2]), (1,))
    distance = _distance_iod(in_front, landmarks)[lips > 0]
    return float(smoothstep(*LIPS_FROM_IOD, distance.min())) if distance.size else 0.0


def _distance_iod(in_front: NDArray[np.bool_], landmarks: Array) -> Array:
    """How far each pixel is from what is in front."""
    if not in_front.any():
        return np.full(in_front.shape, 1e3, np.float32)
    distance = cv2.distanceTransform((~in_front).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(distance / np.float32(eye_distance_px(landmarks)), np.float32)


def _lips(marks: Array) -> NDArray[np.int32]:
    hull = cv2.convexHull(marks[list(LIPS)].astype(np.float32))
    return np.asarray(hull.round(), np.int32)


def _disc(radius_px: float) -> Picture:
    side = 2 * max(1, round(radius_px)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _lab(picture: Picture, soft_px: float) -> Array:
    lab = cv2.cvtColor(picture.astype(np.float32) / np.float32(255), cv2.COLOR_BGR2LAB)
    lab *= np.array([LIGHTNESS_WEIGHT, 1, 1], np.float32)
    return np.asarray(cv2.GaussianBlur(lab, (0, 0), max(0.5, soft_px)), np.float32)


def _range(lab: Array, room_px: float) -> tuple[Array, Array]:
    kernel = _disc(room_px)
    return np.asarray(cv2.erode(lab, kernel), np.float32), np.asarray(cv2.dilate(lab, kernel), np.float32)


def _beyond(lab: Array, limits: tuple[Array, Array]) -> Array:
    low, high = limits
    beyond = np.maximum(low - lab, 0) + np.maximum(lab - high, 0)
    return np.asarray(np.linalg.norm(beyond, axis=2), np.float32)
