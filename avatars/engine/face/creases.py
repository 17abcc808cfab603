"""The folds that a smile makes beside the mouth, softened: they go when the smile goes, but stay in the picture.

Left as they are, the skin around a closed mouth is creased as around a laughing one, and the folds are kinked where the
mouth grows narrow.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.face.falloff import bell, smoothstep
from avatars.engine.face.frame import FACE_OVAL, OUTER_LOWER, OUTER_UPPER, FaceFrame
from avatars.engine.face.mouthline import MouthLine
from avatars.engine.face.palette import LUMA_BGR

Picture = NDArray[np.uint8]
Array = NDArray[np.float32]

NOSE_WINGS: Final = (129, 358)
# The skin's own level of light is that of its surroundings, so wide; what is finer than the second is grain.
SURROUNDINGS_IOD: Final = 0.085
GRAIN_IOD: Final = 0.012
# So much of a fold is taken away where the source smiles broadly, in logarithms of light.
STRENGTH: Final = 0.75
# How much darker than its surroundings a fold is, in the same measure; and skin so rough is bearded.
FOLD_DEPTH: Final = (0.04, 0.16)
FOLD_DISCOUNT: Final = 0.8
FOLD_WIDTH_IOD: Final = 0.12
BEARD_ROUGHNESS: Final = (0.05, 0.12)
# A shadow that is lifted without its hue is orange: it is pulled so far to the skin's, all the way at such a lift.
HUE_PULL: Final = 0.7
HUE_LIFT: Final = 0.35
BROAD_SMILE: Final = 0.6
LIP_MARGIN_IOD: Final = 0.03


def soften_folds(mended: Picture, picture: Picture, landmarks: Array, frame: FaceFrame, mouth: MouthLine) -> Picture:
    """Lay `picture` with softened folds under what `healed` gave of it: (height, width, 4) uint8, BGR and its cover."""
    height, width = picture.shape[:2]
    reach = np.array([mouth.half_width + 0.6, 0.75], np.float32)
    corners = frame.to_pixels(np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]], np.float32) * reach)
    left, top = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, (width - 1, height - 1))
    right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 1, (left + 1, top + 1), (width, height))
    box = slice(int(top), int(bottom)), slice(int(left), int(right))
    rows, columns = np.mgrid[box].astype(np.float32)
    local = frame.to_face(np.stack([columns, rows], axis=-1))
    shift = np.array([left, top], np.float32)
    was = picture[box].astype(np.float32)
    where = _beside_the_mouth(local, frame.to_face(landmarks[list(NOSE_WINGS), :2]), mouth.half_width)
    skin = _skin(landmarks[:, :2] - shift, (was.shape[1], was.shape[0]), frame.iod_px)
    smile = min(1.0, float(np.clip((2 * mouth.half_width - 0.80) / 0.24, 0, 1)) / BROAD_SMILE)
    lift = STRENGTH * smile * _lift(was, where * skin, skin, local[..., 0], frame.iod_px)
    soft = _lifted(was, lift, where * skin > 0.5)
    cover = smoothstep(0, 0.015, _blurred(lift, GRAIN_IOD * frame.iod_px))[..., None]
    over = mended[box][..., 3:].astype(np.float32) / 255
    share = over + cover * (1 - over)
    colour = (mended[box][..., :3] * over + soft * cover * (1 - over)) / np.maximum(share, 1e-3)
    both = mended.copy()
    both[box] = np.clip(np.dstack([np.where(share > 0, colour, was), 255 * share]) + 0.5, 0, 255).astype(np.uint8)
    return both


def _beside_the_mouth(local: Array, wings: Array, half_width: float) -> Array:
    """Where a smile folds the skin, 0..1: from beside the nose, but not at its wings, to beside the chin."""
    x, y = local[..., 0], local[..., 1]
    where = smoothstep(0.16, 0.26, np.abs(x)) * smoothstep(half_width + 0.40, half_width + 0.25, np.abs(x))
    where *= smoothstep(-0.50, -0.38, y) * smoothstep(0.42, 0.28, y)
    for wing in wings:
        where *= 1 - bell(np.hypot(x - wing[0], y - wing[1]), 0.09)
    return where


def _skin(landmarks: Array, size: tuple[int, int], iod_px: float) -> Array:
    """The face without its lips and what is close to them, 0..1, over a box of `size` (width, height)."""
    mask = np.zeros((size[1], size[0]), np.float32)
    cv2.fillPoly(mask, [landmarks[list(FACE_OVAL)].round().astype(np.int32)], 1.0)
    lips = landmarks[[*OUTER_UPPER, *OUTER_LOWER[::-1]]].round().astype(np.int32)
    cv2.fillPoly(mask, [lips], 0.0)
    cv2.polylines(mask, [lips], True, 0.0, 1 + 2 * round(LIP_MARGIN_IOD * iod_px))
    return mask


def _lift(was: Array, where: Array, skin: Array, x: Array, iod_px: float) -> Array:
    """How much lighter each pixel would be without its fold, in logarithms; nothing where the skin is bearded."""
    light = np.log(was @ LUMA_BGR + 10)
    even = _blurred(light, GRAIN_IOD * iod_px)
    reach = np.ones((1 + 2 * max(1, round(GRAIN_IOD * iod_px)),) * 2, np.uint8)
    gate = np.zeros_like(light)
    # What is found to be a fold does not count for the level of the skin around it.
    for _ in range(2):
        plain = skin * (1 - FOLD_DISCOUNT * gate)
        around = _blurred(plain, SURROUNDINGS_IOD * iod_px) + 1e-3
        level = _blurred(light * plain, SURROUNDINGS_IOD * iod_px) / around
        gate = np.asarray(cv2.dilate(smoothstep(*FOLD_DEPTH, level - even), reach), np.float32)
        gate = _blurred(gate, GRAIN_IOD * iod_px)
    # What is dark and wide is a beard or a shadow, and stays.
    wide = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (1 + 2 * round(FOLD_WIDTH_IOD * iod_px / 2),) * 2)
    filled = np.asarray(cv2.morphologyEx(even, cv2.MORPH_CLOSE, wide), np.float32)
    level = np.minimum(level, _blurred(filled, 2 * GRAIN_IOD * iod_px))
    lift = gate * np.maximum(0, level - light) + (1 - gate) * np.maximum(0, level - even - 0.02)
    lift *= where * _blurred(skin, GRAIN_IOD * iod_px)
    grain = np.square(light - _blurred(light, 0.02 * iod_px))
    for side in (x < 0, x >= 0):
        even_skin = where * (1 - gate) * side
        roughness = float(np.sqrt((grain * even_skin).sum() / (even_skin.sum() + 1e-3)))
        lift[side] *= 1 - float(smoothstep(*BEARD_ROUGHNESS, roughness))
    return np.asarray(lift, np.float32)


def _lifted(was: Array, lift: Array, plain: NDArray[np.bool_]) -> Array:
    """The pixels made lighter, the shadows among them in the hue of the skin, which is that of the `plain` ones."""
    lighter = was * np.exp(lift)[..., None]
    if not plain.any():
        return np.asarray(lighter, np.float32)
    skin = np.median(was[plain], axis=0)
    hue = skin / max(float(skin @ LUMA_BGR), 1.0)
    pull = HUE_PULL * np.clip(lift / HUE_LIFT, 0, 1)[..., None]
    return np.asarray(lighter + ((lighter @ LUMA_BGR)[..., None] * hue - lighter) * pull, np.float32)


def _blurred(values: Array, sigma_px: float) -> Array:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), max(0.5, sigma_px)), np.float32)
