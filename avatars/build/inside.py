"""The colours inside the person's own open mouth, from the clip; kept where they bring drawn pictures nearer to it.

Some of the clip's open mouths are drawn again from their lips alone, and what is seen between the lips is compared with
what was filmed: in some of the pictures to learn the colours, in others, later ones, to try them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.build.clip import Clip
from avatars.build.framing import Frame, cut
from avatars.build.neutral import RestingFace, moved
from avatars.build.stretch import Stretch
from avatars.build.tracking import Track
from avatars.engine.controls import Control, rest
from avatars.engine.face import Rig
from avatars.engine.face.footage import FootageRenderer
from avatars.engine.face.frame import INNER_LOWER, INNER_UPPER, OUTER_LOWER, OUTER_UPPER
from avatars.engine.face.i420 import bgr_of, i420_of
from avatars.engine.face.palette import LUMA_BGR
from avatars.engine.face.shapes import SHAPES
from avatars.engine.face.weights import WEIGHT_COUNT
from avatars.engine.portrait import Portrait

OPEN_IOD: Final = 0.05
YAW_APART_DEG: Final = 9.0
OPEN_MIN: Final = 30
LEARNT: Final = 32
HELD_OUT: Final = 16
# The last part of the open pictures is not learnt from, nor what comes right before it.
HELD_OUT_SHARE: Final = 0.25
GUARD_FRAMES: Final = 12
# Contrast is only taken away: with more of it, what is drawn begins to glow.
SCALE: Final = (0.5, 1.0)
OFFSET_MAX: Final = 45.0
LIGHT_MAX: Final = 1.35
RING_IOD: Final = (0.20, 0.45)
REGION_IOD: Final = 0.18
RIDGE: Final = 0.02
PASSES: Final = 60
# The least and the most of each shape when lips are fitted, in their order: what controls allow, and no pinch.
LOW: Final = (0, -0.5, -0.5, -0.3, 0, 0, 0, -0.5, 0)
HIGH: Final = (1.2, 1, 1, 1, 1, 1, 1, 1, 0)

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class OpenMouth:
    """One picture with open lips, seen as if the face were where the portrait has it.

    picture: (height, width, 3) uint8. upper, lower: inner lips (11, 2), face coordinates. outline: (n, 2) of the outer
    lips, pixels.
    """

    picture: Picture
    upper: Array
    lower: Array
    outline: Array


@dataclass(frozen=True, slots=True)
class Inside:
    """The colours that were learnt, None where they do not help, and how near drawn mouths came to those held out, dB:
    before and after; None where the clip shows too few."""

    colours: Array | None
    before_db: float | None = None
    after_db: float | None = None


def inside_colours(
    clip: Clip, track: Track, stretch: Stretch, frame: Frame, size: tuple[int, int], portrait: Portrait
) -> Inside:
    """Learn the colours of a clip's open mouths for a portrait with footage, and try them."""
    indices = _open_pictures(track, stretch)
    if len(indices) < OPEN_MIN:
        return Inside(None)
    rig = Rig.from_portrait(portrait)
    kept = round(len(indices) * (1 - HELD_OUT_SHARE))
    learnt = _spaced(indices[:kept][indices[:kept] < indices[kept] - GUARD_FRAMES], LEARNT)
    tried = _spaced(indices[kept:], HELD_OUT)
    if not len(learnt):
        return Inside(None)
    shown = dict(_open_mouths(clip, track, frame, size, rig, {*learnt, *tried}))
    colours = _colours([shown[index] for index in learnt if index in shown], rig)
    held_out = [shown[index] for index in tried if index in shown]
    before, after = (_likeness_db(held_out, portrait, tried_colours) for tried_colours in (None, colours))
    return Inside(colours if after > before else None, before, after)


def _open_pictures(track: Track, stretch: Stretch) -> NDArray[np.intp]:
    usual = float(np.median(track.poses_deg[stretch.first : stretch.last, 0]))
    with np.errstate(invalid="ignore"):
        fit = (
            track.found
            & (track.shots == track.shots[stretch.first])
            & (track.opening_iod > OPEN_IOD)
            & (np.abs(track.poses_deg[:, 0] - usual) < YAW_APART_DEG)
        )
    return np.flatnonzero(fit)


def _spaced(indices: NDArray[np.intp], count: int) -> list[int]:
    if not len(indices):
        return []
    at = np.linspace(0, len(indices) - 1, min(count, len(indices))).round().astype(int)
    return [int(index) for index in indices[at]]


def _open_mouths(
    clip: Clip, track: Track, frame: Frame, size: tuple[int, int], rig: Rig, wanted: set[int]
) -> Iterator[tuple[int, OpenMouth]]:
    portrait = rig.portrait
    resting = RestingFace(portrait.picture, portrait.landmarks)
    for index, (_, whole) in enumerate(clip.pictures(min(wanted), max(wanted)), min(wanted)):
        if index not in wanted:
            continue
        marks = frame.to_frame(track.landmarks[index], size)
        pose = resting.mouth_pose(marks)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        seen = cv2.warpAffine(cut(whole, frame, size), pose, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        here = moved(cv2.invertAffineTransform(pose).astype(np.float32), marks[:, :2])
        upper, lower = (rig.frame.to_face(here[list(ids)]) for ids in (INNER_UPPER, INNER_LOWER))
        outline = here[[*OUTER_UPPER, *OUTER_LOWER]]
        lit = _in_the_light_of(np.asarray(seen, np.uint8), portrait.picture, outline, rig.frame.iod_px)
        yield index, OpenMouth(lit, _ordered(upper), _ordered(lower), outline)


def _ordered(line: Array) -> Array:
    return np.asarray(line[np.argsort(line[:, 0], kind="stable")], np.float32)


def _in_the_light_of(picture: Picture, portrait: Picture, outline: Array, iod_px: float) -> Picture:
    """The picture as bright and as coloured as the portrait is on the skin around the mouth."""
    near, far = (_grown(outline, picture.shape[:2], reach * iod_px) for reach in RING_IOD)
    ring = far & ~near
    gain = portrait[ring].mean(axis=0) / np.maximum(picture[ring].mean(axis=0), 1)
    return np.asarray(np.clip(picture * np.clip(gain, 1 / LIGHT_MAX, LIGHT_MAX) + 0.5, 0, 255), np.uint8)


def _grown(outline: Array, shape: tuple[int, ...], reach_px: float) -> NDArray[np.bool_]:
    mask = np.full(shape[:2], 255, np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(outline.astype(np.float32)).round().astype(np.int32), (0,))
    return np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, 3) <= reach_px)


def _colours(mouths: list[OpenMouth], rig: Rig) -> Array:
    """Scale and offset (4,) that give drawn insides the mean and the spread of the person's own."""
    renderer = FootageRenderer(rig)
    own, drawn = [], []
    for mouth in mouths:
        within = _within(mouth, rig)
        own.append(mouth.picture[within])
        drawn.append(_drawn_again(renderer, mouth)[within])
    real, made = np.concatenate(own).astype(np.float32), np.concatenate(drawn).astype(np.float32)
    scale = float(np.clip((real @ LUMA_BGR).std() / max(float((made @ LUMA_BGR).std()), 1), *SCALE))
    offset = real.mean(axis=0) - scale * made.mean(axis=0)
    # In a small picture lips are taken for the inside, which would fill the mouth with their colour.
    offset *= min(1.0, OFFSET_MAX / max(float(np.abs(offset).max()), 1e-3))
    return np.array([scale, *offset], np.float32)


def _within(mouth: OpenMouth, rig: Rig) -> NDArray[np.bool_]:
    polygon = rig.frame.to_pixels(np.concatenate([mouth.upper, mouth.lower[::-1]]))
    mask = np.zeros(mouth.picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [polygon.round().astype(np.int32)], (255,))
    return np.asarray(cv2.erode(mask, np.ones((3, 3), np.uint8)) > 0)


def _drawn_again(renderer: FootageRenderer, mouth: OpenMouth) -> Picture:
    """The portrait with its lips brought to where they are in a picture."""
    weights = fitted_weights(renderer.rig, mouth.upper, mouth.lower)
    names = [name for name, _ in SHAPES]
    controls = rest()
    controls[Control.ROUND], controls[Control.PRESS] = weights[names.index("round")], weights[names.index("press")]
    out = i420_of(renderer.rig.portrait.picture)
    renderer.draw_over(out, weights, controls)
    return bgr_of(out)


def fitted_weights(rig: Rig, upper: Array, lower: Array) -> Array:
    """The weights (WEIGHT_COUNT,) whose inner lips come nearest to these (n, 2) in face coordinates, corner to corner.

    Least squares within bounds, by coordinate descent: each weight in turn is the best, given the others.
    """
    fields = rig.fields
    rows, targets = [], []
    for line, moves, height in (
        (upper, fields.contour_upper, fields.contour_upper_y),
        (lower, fields.contour_lower, fields.contour_lower_y),
    ):
        at = np.linspace(fields.contour_x[0], fields.contour_x[-1], len(line))
        start = np.stack([at, np.interp(at, fields.contour_x, height)], axis=-1)
        for axis in (0, 1):
            rows.append(np.stack([np.interp(at, fields.contour_x, shape[:, axis]) for shape in moves], axis=-1))
            targets.append(line[:, axis] - start[:, axis])
    system = np.concatenate([*rows, RIDGE * np.eye(WEIGHT_COUNT)])
    left = np.concatenate([*targets, np.zeros(WEIGHT_COUNT)])
    power = np.square(system).sum(axis=0)
    weights = np.zeros(WEIGHT_COUNT)
    for _ in range(PASSES):
        for index, (low, high) in enumerate(zip(LOW, HIGH, strict=True)):
            wanted = weights[index] + float(system[:, index] @ left) / power[index]
            change = min(max(wanted, low), high) - weights[index]
            left -= system[:, index] * change
            weights[index] += change
    return weights.astype(np.float32)


def _likeness_db(mouths: list[OpenMouth], portrait: Portrait, colours: Array | None) -> float:
    """PSNR of the mouth regions of pictures drawn again against the pictures, dB."""
    assert portrait.footage is not None
    rig = Rig.from_portrait(replace(portrait, footage=replace(portrait.footage, inside=colours)))
    renderer = FootageRenderer(rig)
    errors = []
    for mouth in mouths:
        region = _grown(mouth.outline, mouth.picture.shape, REGION_IOD * rig.frame.iod_px)
        errors.append(np.square(_drawn_again(renderer, mouth)[region].astype(np.float32) - mouth.picture[region]))
    return float(10 * np.log10(255**2 / max(float(np.concatenate(errors).mean()), 1e-6)))
