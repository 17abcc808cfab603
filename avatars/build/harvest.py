"""The person's own upper teeth, from a picture that shows them, put where they are behind resting lips."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.build.neutral import RestingFace
from avatars.build.stretch import Stretch
from avatars.build.tracking import Track
from avatars.engine.face.falloff import smoothstep
from avatars.engine.face.frame import FaceFrame
from avatars.engine.face.mouthline import find_mouth
from avatars.engine.face.palette import measure_palette
from avatars.engine.face.teeth import UPPER_EDGE, own_teeth
from avatars.engine.portrait import Kind

CANDIDATES: Final = 8
OPENING_IOD: Final = (0.07, 0.32)
YAW_APART_DEG: Final = 7.0
# Smaller faces show a bright bar and no teeth.
IOD_MIN_PX: Final = 40.0
SHARE_MIN: Final = 0.35
# The edge may be moved so far to where upper teeth end; more than that, it was no edge.
SHIFT_MAX_IOD: Final = 0.07
ABOVE_IOD: Final = 0.12
SOLID: Final = 0.5
LIGHT_MAX: Final = 2.0

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]


def candidates(track: Track, stretch: Stretch) -> list[int]:
    """The pictures of a clip most likely to show upper teeth, in their order."""
    usual = float(np.median(track.poses_deg[stretch.first : stretch.last, 0]))
    with np.errstate(invalid="ignore"):
        fit = (
            track.found
            & (track.shots == track.shots[stretch.first])
            & (track.opening_iod > OPENING_IOD[0])
            & (track.opening_iod < OPENING_IOD[1])
            & (np.abs(track.poses_deg[:, 0] - usual) < YAW_APART_DEG)
        )
    at = np.flatnonzero(fit)
    if not len(at):
        return []
    # Still lips are sharp lips; of neighbours one is enough.
    speed = np.abs(np.gradient(track.opening_iod))
    chosen = [min(part, key=lambda index: speed[index]) for part in np.array_split(at, CANDIDATES) if len(part)]
    return sorted({int(index) for index in chosen})


def upper_teeth(shown: list[tuple[Picture, Array]], portrait: Picture, landmarks: Array) -> Picture | None:
    """The best teeth of some pictures with their landmarks, as BGR and cover (height, width, 4) uint8, or None.

    portrait, landmarks: the face at rest that they belong into.
    """
    rest = RestingFace(portrait, landmarks)
    frame = FaceFrame.of(landmarks)
    best, best_share = None, SHARE_MIN
    for picture, marks in shown:
        there = FaceFrame.of(marks)
        mouth = find_mouth(picture, marks, there)
        if not mouth.is_open:
            continue
        alpha = own_teeth(picture, there, mouth, measure_palette(picture, marks, there, mouth, Kind.PHOTO))
        if alpha is None:
            continue
        # As wide as the mouth and as high as teeth are seen: this much of it is covered.
        share = float(alpha.sum()) / (there.iod_px**2 * 2 * mouth.half_width * 0.10)
        if (
            share > best_share
            and (placed := _placed(picture, alpha, rest.mouth_pose(marks), frame, portrait)) is not None
        ):
            best, best_share = placed, share
    return best


def _placed(picture: Picture, alpha: Array, pose: Array, frame: FaceFrame, portrait: Picture) -> Picture | None:
    """Teeth brought into the portrait: by the pose of the face, then by their edge, then grown upwards under the lip."""
    size = portrait.shape[1], portrait.shape[0]
    back = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    teeth = cv2.warpAffine(picture, pose, size, flags=back, borderMode=cv2.BORDER_REPLICATE)
    cover = np.clip(cv2.warpAffine(alpha, pose, size, flags=back), 0, 1)
    xs, ys = np.meshgrid(np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32))
    local = frame.to_face(np.stack([xs, ys], axis=-1))
    middle = (np.abs(local[..., 0]) < 0.08) & (cover > SOLID)
    if middle.sum() < 8:
        return None
    shift_iod = UPPER_EDGE - float(np.percentile(local[..., 1][middle], 97))
    if abs(shift_iod) > SHIFT_MAX_IOD:
        return None
    # Upright in the face, so that a column is a column of teeth.
    grid = np.stack(np.meshgrid(np.linspace(-0.6, 0.6, 241), np.linspace(-0.3, 0.3, 121)), axis=-1).astype(np.float32)
    place = frame.to_pixels(grid - np.array([0, shift_iod], np.float32))
    upright = cv2.remap(
        np.dstack([teeth, (cover * 255).astype(np.uint8)]), place[..., 0], place[..., 1], cv2.INTER_LINEAR
    )
    grown = _grown(np.asarray(upright, np.float32))
    at_x = (local[..., 0] + 0.6) * (240 / 1.2)
    at_y = (local[..., 1] + 0.3) * (120 / 0.6)
    drawn = cv2.remap(grown, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    light = np.append(_light(picture, portrait, pose, frame), np.float32(1))
    return np.asarray(np.clip(drawn * light + 0.5, 0, 255), np.uint8)


def _grown(upright: Array) -> Array:
    """Each column's teeth carried on upwards, a little darker: what the lip hid where they were seen."""
    rows = len(upright)
    step = 0.6 / (rows - 1)
    out = upright.copy()
    for column in range(upright.shape[1]):
        solid = np.flatnonzero(upright[:, column, 3] > 255 * 0.6)
        if not len(solid):
            continue
        # The very rim of the teeth is mixed with the lip above.
        top = int(solid[0]) + 2
        if top >= int(solid[-1]):
            continue
        first = max(0, top - round(ABOVE_IOD / step))
        fade = np.linspace(0.80, 1.0, top - first, dtype=np.float32)[:, None]
        out[first:top, column, :3] = upright[top, column, :3] * fade
        out[first:top, column, 3] = upright[top : int(solid[-1]) + 1, column, 3].max()
    out[..., 3] = cv2.GaussianBlur(out[..., 3], (3, 1), 0)
    low = smoothstep(0, 8, np.arange(rows, dtype=np.float32))[:, None]
    out[..., 3] *= low
    return out


def _light(picture: Picture, portrait: Picture, pose: Array, frame: FaceFrame) -> Array:
    """How much brighter the portrait's cheeks are than those of the picture the teeth come from, B, G and R (3,)."""
    points = frame.to_pixels(np.array([(x, y) for x in (-0.55, 0.55) for y in (-0.35, -0.2, 0)], np.float32))
    there = points @ pose[:, :2].T + pose[:, 2]
    side = 2 * round(0.03 * frame.iod_px) + 1
    skins = []
    for source, places in ((portrait, points), (picture, there)):
        at = np.clip(places.round().astype(int), 0, np.array(source.shape[1::-1]) - 1)
        soft = cv2.blur(source, (side, side))
        skins.append(np.median(soft[at[:, 1], at[:, 0]].astype(np.float32), axis=0))
    return np.asarray(np.clip(skins[0] / np.maximum(skins[1], 1), 1 / LIGHT_MAX, LIGHT_MAX), np.float32)
