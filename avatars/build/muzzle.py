"""A first guess at an animal's face: two dark eyes alike, a dark nose between and below them, the mouth under it.

Two independent witnesses have to agree. One looks for round dark spots in pairs about which the picture mirrors itself;
the other is the detector of human faces, asked for what looks a little like one. Where they differ nothing is guessed.
"""

from dataclasses import dataclass
from itertools import permutations
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.build.points import FacePoints
from avatars.engine.perception import Perception

Array = NDArray[np.float32]

SIDE_PX: Final = 256
RADII_PX: Final = (2.5, 3.5, 5.0, 7.0, 10.0, 14.0)
SPOTS_A_RADIUS: Final = 24
GRADIENT_MIN: Final = 2.0
GRADIENT_MAX: Final = 12.0
PAIRS_MAX: Final = 600
EYES_APART_PX: Final = (14.0, 0.55 * SIDE_PX)
EYES_APART_RADII: Final = (3.4, 15.0)
RADII_ALIKE: Final = 1.5
ROLL_MAX_SLOPE: Final = 0.6

MIRROR_MIN: Final = 0.6
NOSE_MIN: Final = 0.8
EYES_NEAR_IOD: Final = 0.75
EYES_APART_RATIO: Final = 1.9
PAIRS_ASKED: Final = 8
SCORE_MIN: Final = 1.35
PERSON_SCORE: Final = 0.8
"""What the detector of human faces is so sure of is a person, in profile or crying out; of animals it is less sure."""

# Of a muzzle, in eye distances below the nose and beside the middle.
MOUTH_BELOW_NOSE: Final = 0.40
MOUTH_SPREAD: Final = 0.14
MOUTH_HALF_WIDTH: Final = 0.34
CORNERS_BELOW_MOUTH: Final = 0.05
CHIN_BELOW_MOUTH: Final = 0.40


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two spots that may be eyes, in pixels of the picture; nose: how far below them, in their distance."""

    left: Array
    right: Array
    nose: float
    mouth: float
    score: float


def guess_muzzle(picture: NDArray[np.uint8]) -> FacePoints | None:
    """Return where an animal's face seems to be in a BGR picture, in its pixels; None where that is unsure."""
    suspects = Perception.shared().suspects(picture)
    if not suspects:
        return None
    for pair in _pairs(picture)[:PAIRS_ASKED]:
        scores = [face.score for face in suspects if _agree(pair, face.five_points)]
        if pair.score > SCORE_MIN and scores:
            return _points(pair, picture.shape[1], picture.shape[0]) if max(scores) < PERSON_SCORE else None
    return None


def _agree(pair: _Pair, five_points: Array) -> bool:
    """Tell whether a suspected face has its eyes about where a pair of spots is."""
    apart = float(np.hypot(*(pair.right - pair.left)))
    suspected = float(np.hypot(*(five_points[1] - five_points[0])))
    if not 1 / EYES_APART_RATIO < suspected / apart < EYES_APART_RATIO:
        return False
    off = [np.hypot(*(seen - spot)) for seen, spot in zip(five_points[:2], (pair.left, pair.right), strict=True)]
    return float(max(off)) < EYES_NEAR_IOD * apart


def _points(pair: _Pair, width: int, height: int) -> FacePoints | None:
    across = pair.right - pair.left
    down = np.array([-across[1], across[0]], np.float32)
    middle = (pair.left + pair.right) / 2

    def at(x: float, y: float) -> tuple[float, float]:
        point = middle + x * across + y * down
        return round(float(point[0]), 1), round(float(point[1]), 1)

    corner = pair.mouth + CORNERS_BELOW_MOUTH
    places = (
        at(-0.5, 0),
        at(0.5, 0),
        at(-MOUTH_HALF_WIDTH, corner),
        at(MOUTH_HALF_WIDTH, corner),
        at(0, pair.mouth),
        at(0, pair.mouth + CHIN_BELOW_MOUTH),
    )
    inside = all(0 <= x < width and 0 <= y < height for x, y in places)
    return FacePoints(*places) if inside else None


def _pairs(picture: NDArray[np.uint8]) -> list[_Pair]:
    """Return pairs of spots that mirror each other above a nose, the likeliest first."""
    scale = SIDE_PX / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    light = cv2.cvtColor(small, cv2.COLOR_BGR2LAB)[..., 0].astype(np.float32)
    light = np.asarray(cv2.GaussianBlur(light, (0, 0), 0.8), np.float32)
    spots = _spots(light)
    if len(spots) < 2:
        return []
    strong = max(float(np.percentile(spots[:, 3], 90)), 1e-6)
    tried: list[tuple[float, Array, Array]] = []
    for left, right in permutations(spots, 2):
        dx, dy = right[0] - left[0], right[1] - left[1]
        apart = float(np.hypot(dx, dy))
        radius = float(np.sqrt(left[2] * right[2]))
        if dx <= 0 or abs(dy) > ROLL_MAX_SLOPE * dx or not EYES_APART_PX[0] < apart < EYES_APART_PX[1]:
            continue
        if max(left[2], right[2]) > RADII_ALIKE * min(left[2], right[2]):
            continue
        if EYES_APART_RADII[0] < apart / radius < EYES_APART_RADII[1]:
            tried.append((float(np.sqrt(min(left[3], strong) * min(right[3], strong))) / strong, left, right))
    tried.sort(key=lambda pair: -pair[0])
    pairs = [_judged(light, strength, left[:2], right[:2], scale) for strength, left, right in tried[:PAIRS_MAX]]
    return sorted((pair for pair in pairs if pair is not None), key=lambda pair: -pair.score)


def _spots(light: Array) -> Array:
    """Return round dark spots (n, 4): x, y, radius, strength. After the fast radial symmetry transform."""
    across, down = cv2.Sobel(light, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(light, cv2.CV_32F, 0, 1) / 8
    size = np.hypot(across, down)
    y, x = np.nonzero(size > GRADIENT_MIN)
    weight = size[y, x]
    towards_x, towards_y = across[y, x] / weight, down[y, x] / weight
    found = []
    for radius in RADII_PX:
        # Each edge votes for the place that it would be the rim of.
        at_x = np.rint(x - towards_x * radius).astype(int)
        at_y = np.rint(y - towards_y * radius).astype(int)
        inside = (at_x >= 0) & (at_y >= 0) & (at_x < light.shape[1]) & (at_y < light.shape[0])
        votes = np.zeros_like(light)
        np.add.at(votes, (at_y[inside], at_x[inside]), np.minimum(weight[inside], GRADIENT_MAX))
        agreed = cv2.GaussianBlur(votes, (0, 0), max(0.8, 0.25 * radius)) / radius
        darker = cv2.GaussianBlur(light, (0, 0), radius * 1.6) - cv2.GaussianBlur(light, (0, 0), radius * 0.5)
        strength = agreed * np.maximum(darker, 0)
        around = cv2.dilate(strength, np.ones((2 * int(radius) + 1,) * 2, np.uint8))
        rows, columns = np.nonzero((strength == around) & (strength > 0))
        best = np.argsort(-strength[rows, columns], kind="stable")[:SPOTS_A_RADIUS]
        found += [(columns[i], rows[i], radius, strength[rows[i], columns[i]]) for i in best]
    return np.array(found, np.float32).reshape(-1, 4)


_X, _Y = np.meshgrid(np.linspace(-1, 1, 49, dtype=np.float32), np.linspace(-0.6, 1.9, 61, dtype=np.float32))
_WEIGHT: Final = np.exp(-np.square(_X / 0.75) - np.square((_Y - 0.5) / 0.9))
_ROWS: Final = _Y[:, 0]
_NOSE_ROWS: Final = (_ROWS > 0.45) & (_ROWS < 1.25)


def _judged(light: Array, strength: float, left: Array, right: Array, scale: float) -> _Pair | None:
    """Judge the place that two spots span as a face: how well it mirrors itself, and whether there is a nose."""
    across, middle = right - left, (left + right) / 2
    below = middle + 0.9 * np.array([-across[1], across[0]])
    if (below < 0).any() or (below >= light.shape[::-1]).any():
        return None
    at_x = (middle[0] + _X * across[0] - _Y * across[1]).astype(np.float32)
    at_y = (middle[1] + _X * across[1] + _Y * across[0]).astype(np.float32)
    patch = cv2.remap(light, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    patch = np.asarray(cv2.GaussianBlur(patch, (0, 0), 1.2), np.float32)
    centred = (patch - (patch * _WEIGHT).sum() / _WEIGHT.sum()) * np.sqrt(_WEIGHT)
    mirror = float((centred * centred[:, ::-1]).sum() / max(float((centred * centred).sum()), 1e-6))
    column = patch[:, 20:29].mean(axis=1)
    beside = (patch[:, 8:16].mean(axis=1) + patch[:, 33:41].mean(axis=1)) / 2
    darkness = np.where(_NOSE_ROWS, (beside - column) / max(float(patch.std()), 1e-6), -np.inf)
    nose_row = int(darkness.argmax())
    if mirror < MIRROR_MIN or darkness[nose_row] < NOSE_MIN:
        return None
    nose = float(_ROWS[nose_row])
    # The line between the lips: dark against what is above and below it, about where a muzzle has it.
    lips = cv2.GaussianBlur(column[:, None], (1, 0), 0, sigmaY=2.5)[:, 0] - column
    likely = np.exp(-np.square((_ROWS - nose - MOUTH_BELOW_NOSE) / MOUTH_SPREAD))
    mouth = float(_ROWS[int((likely * (1 + np.maximum(lips, 0) / 4)).argmax())])
    score = mirror + 0.35 * strength + 0.25 * min(float(darkness[nose_row]), 2.0)
    return _Pair(left / np.float32(scale), right / np.float32(scale), nose, mouth, score)
