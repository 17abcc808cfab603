"""A mouth at rest in every picture of a loop, whatever the person's own does there.

Where the lips would be if the face were at rest follows from the head's pose alone: the resting face is fitted to what
the mouth cannot move, as a solid body. The lower face is warped there; where the lips were apart, those of the resting
picture are laid over them, in the light of the frame.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.face.falloff import smoothstep
from avatars.engine.face.frame import FACE_OVAL, INNER_LOWER, INNER_UPPER, OUTER_LOWER, OUTER_UPPER
from avatars.engine.face.rbf import interpolate
from avatars.engine.perception import eye_distance_px

# Bone and brow: what speech does not move.
SOLID: Final = (
    *(33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 10, 151, 9, 8, 67, 297, 109, 338, 103, 332),
    *(127, 356, 162, 389, 21, 251, 234, 454, 54, 284),
)
LIPS: Final = tuple(dict.fromkeys(INNER_UPPER + INNER_LOWER + OUTER_UPPER + OUTER_LOWER))
# The lips and the skin that touches them: what the pose of the mouth is taken from.
MOUTH: Final = (*LIPS, 2, 164, 18, 200, 57, 287, 186, 410, 43, 273)
# Skin that goes with the jaw and the corners, and what stays.
SKIN: Final = (
    *(152, 148, 377, 176, 400, 149, 378, 150, 379, 136, 365, 172, 397, 199, 200, 18, 83, 313, 182, 406, 106, 335),
    *(43, 273, 202, 422, 212, 432, 214, 434, 57, 287, 186, 410, 92, 322, 165, 391, 207, 427, 205, 425),
)
STILL: Final = (33, 133, 362, 263, 168, 4, 2, 98, 327, 50, 280, 116, 345, 127, 356, 234, 454, 93, 323)
# Skin is moved only beyond what the measuring itself wavers.
SKIN_SLACK_IOD: Final = 0.02
RING: Final = 1.45
GRID_PX: Final = 8
# Lips that deviate by so much from rest are laid over with resting ones; fully from the second on.
PATCH_IOD: Final = (0.035, 0.06)
PATCH_REACH_IOD: Final = 0.10
PATCH_BLUR_IOD: Final = 0.035
LIGHT_REACH_IOD: Final = 0.22

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class RestingFace:
    """The face with its mouth at rest: picture (height, width, 3) uint8 BGR, landmarks (478, 3) in its pixels."""

    picture: Picture
    landmarks: Array

    def posed(self, landmarks: Array) -> Array:
        """Where this face's landmarks would be in the pose of `landmarks` (478, 3): (478, 2)."""
        solid = list(SOLID)
        known = np.column_stack([self.landmarks, np.ones(len(self.landmarks), np.float32)]).astype(np.float64)
        fit, *_ = np.linalg.lstsq(known[solid], landmarks[solid, :2].astype(np.float64), rcond=None)
        return np.asarray(known @ fit, np.float32)

    def mouth_pose(self, landmarks: Array) -> Array:
        """The similarity (2, 3) that takes this face's mouth to where it would be in the pose of `landmarks`."""
        mouth = list(MOUTH)
        return similarity(self.landmarks[mouth, :2], self.posed(landmarks)[mouth])

    def deviation_iod(self, landmarks: Array) -> float:
        """How far the lips of `landmarks` are from rest, the farthest point of them, in IOD."""
        lips = list(LIPS)
        apart = landmarks[lips, :2] - moved(self.mouth_pose(landmarks), self.landmarks[lips, :2])
        return float(np.linalg.norm(apart, axis=1).max()) / eye_distance_px(landmarks)

    def neutralised(self, picture: Picture, landmarks: Array, patch: float) -> Picture:
        """`picture` with the mouth at rest; `patch` (0..1) is how much of the lips comes from the resting picture."""
        pose = self.mouth_pose(landmarks)
        warped = self._warped(picture, landmarks, pose)
        return self._patched(warped, landmarks, pose, patch) if patch > 0.01 else warped

    def _warped(self, picture: Picture, landmarks: Array, pose: Array) -> Picture:
        """The lower face drawn so that its landmarks lie where they would at rest."""
        iod_px = eye_distance_px(landmarks)
        flat = landmarks[:, :2]
        posed = self.posed(landmarks)
        lips = moved(pose, self.landmarks[list(LIPS), :2])
        skin = posed[list(SKIN)]
        from_lips = flat[list(LIPS)] - lips
        from_skin = flat[list(SKIN)] - skin
        lengths = np.linalg.norm(from_skin, axis=1, keepdims=True)
        from_skin = from_skin * np.maximum(0, 1 - SKIN_SLACK_IOD * iod_px / np.maximum(lengths, 1e-6))
        oval = flat[list(FACE_OVAL)]
        centre = oval.mean(axis=0)
        ring = centre + (oval - centre) * RING
        still = np.concatenate([flat[list(STILL)], ring])
        points = np.concatenate([lips, skin, still])
        values = np.concatenate([from_lips, from_skin, np.zeros_like(still)]).astype(np.float32)
        height, width = picture.shape[:2]
        low = np.clip(np.floor(ring.min(axis=0) / GRID_PX), 0, None).astype(int)
        low[1] = max(low[1], int(flat[4, 1] / GRID_PX) - 1)
        high = np.minimum(np.ceil(ring.max(axis=0) / GRID_PX).astype(int), [width // GRID_PX, height // GRID_PX])
        if (high - low < 2).any():
            return picture
        columns, rows = (np.arange(low[axis], high[axis], dtype=np.float32) for axis in (0, 1))
        nodes = np.stack(np.meshgrid((columns + 0.5) * GRID_PX - 0.5, (rows + 0.5) * GRID_PX - 0.5), axis=-1).astype(
            np.float32
        )
        scale = np.float32(1 / iod_px)
        field = interpolate(points * scale, values, nodes * scale, 0.003)
        # Nothing moves at the edge of the region, nor at the height of the nose.
        oval_out = _outside(nodes, ring)
        field *= oval_out[..., None]
        size = (len(columns) * GRID_PX, len(rows) * GRID_PX)
        left, top = int(low[0]) * GRID_PX, int(low[1]) * GRID_PX
        large = cv2.resize(field, size, interpolation=cv2.INTER_LINEAR)
        xs, ys = np.meshgrid(np.arange(size[0], dtype=np.float32) + left, np.arange(size[1], dtype=np.float32) + top)
        drawn = cv2.remap(
            picture, xs + large[..., 0], ys + large[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        out = picture.copy()
        out[top : top + size[1], left : left + size[0]] = drawn
        return out

    def _patched(self, picture: Picture, landmarks: Array, pose: Array, amount: float) -> Picture:
        """The resting lips laid over, in the light of `picture`."""
        iod_px = eye_distance_px(landmarks)
        height, width = picture.shape[:2]
        outline = cv2.convexHull(moved(pose, self.landmarks[list(LIPS), :2]).astype(np.float32))[:, 0]
        margin = (PATCH_REACH_IOD + 3 * PATCH_BLUR_IOD + LIGHT_REACH_IOD) * iod_px
        left, top = np.clip((outline.min(axis=0) - margin).astype(int), 0, [width - 2, height - 2])
        right, bottom = np.clip((outline.max(axis=0) + margin).astype(int) + 1, [left + 2, top + 2], [width, height])
        size = (int(right - left), int(bottom - top))
        offset = np.array([left, top], np.float32)
        inner = _filled(outline - offset, size, PATCH_REACH_IOD * iod_px)
        outer = _filled(outline - offset, size, (PATCH_REACH_IOD + LIGHT_REACH_IOD) * iod_px)
        inner_soft = cv2.GaussianBlur(inner, (0, 0), PATCH_BLUR_IOD * iod_px)
        here = pose.copy()
        here[:, 2] -= offset
        patch = cv2.warpAffine(self.picture, here, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE).astype(
            np.float32
        )
        target = picture[top:bottom, left:right].astype(np.float32)
        ring = (outer * (1 - np.minimum(1, inner_soft)))[..., None]
        reach = LIGHT_REACH_IOD * iod_px
        light = cv2.GaussianBlur(target * ring, (0, 0), reach) + 1e-3
        light /= cv2.GaussianBlur(patch * ring, (0, 0), reach) + 1e-3
        mixed = target + (patch * np.clip(light, 0.6, 1.7) - target) * (inner_soft * np.float32(amount))[..., None]
        out = picture.copy()
        out[top:bottom, left:right] = np.clip(mixed + 0.5, 0, 255).astype(np.uint8)
        return out


def patch_amounts(deviations_iod: Array, rate_hz: float) -> Array:
    """How much of the lips is laid over in each picture (n,): already before they part, and a little after."""
    wanted = smoothstep(*PATCH_IOD, deviations_iod)
    early = max(3, 2 * round(0.2 * rate_hz) + 1)
    held = cv2.dilate(wanted[:, None], np.ones((early, 1), np.uint8))
    soft = cv2.GaussianBlur(held, (1, 0), 0.1, sigmaY=0.08 * rate_hz, borderType=cv2.BORDER_REFLECT)
    return np.asarray(soft.reshape(-1), np.float32)


def similarity(source: Array, target: Array) -> Array:
    """The turn, scale and shift (2, 3) that takes points (n, 2) to others with the least squared error."""
    start, end = source.mean(axis=0), target.mean(axis=0)
    a, b = source - start, target - end
    power = float(np.square(a).sum()) or 1.0
    along = float((a * b).sum()) / power
    across = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / power
    turn = np.array([[along, -across], [across, along]])
    return np.column_stack([turn, end - turn @ start]).astype(np.float32)


def moved(matrix: Array, points: Array) -> Array:
    """Points (n, 2) taken through a matrix (2, 3)."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float32)


def _filled(outline: Array, size: tuple[int, int], reach_px: float) -> Array:
    mask = np.zeros(size[::-1], np.uint8)
    cv2.fillConvexPoly(mask, outline.round().astype(np.int32), (255,))
    side = 2 * max(1, round(reach_px)) + 1
    grown = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return np.asarray(grown, np.float32) / np.float32(255)


def _outside(nodes: Array, ring: Array) -> Array:
    """1 well within the ring around the face, falling to 0 at it and at the nodes' own edge: (rows, columns)."""
    rows, columns = nodes.shape[:2]
    hull = cv2.convexHull(ring.astype(np.float32))
    reach = 0.25 * float(np.ptp(ring[:, 0])) / 2
    depth = np.array(
        [[cv2.pointPolygonTest(hull, (float(x), float(y)), True) for x, y in row] for row in nodes], np.float32
    )
    edge = np.minimum(np.arange(columns), np.arange(columns)[::-1])[None]
    floor = np.minimum(np.arange(rows), np.arange(rows)[::-1] * 1.0)[:, None]
    return np.asarray(smoothstep(0, reach, depth) * smoothstep(0, 3, edge) * smoothstep(0, 3, floor), np.float32)
