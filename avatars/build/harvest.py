"""The person's own upper teeth, from a picture that shows them, put where they are behind resting lips."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.build.neutral import RestingFace, moved
from avatars.build.stretch import Stretch
from avatars.build.tracking import Track
from avatars.engine.face.frame import FaceFrame
from avatars.engine.face.mouthline import find_mouth
from avatars.engine.face.own_teeth import OwnTeeth, find_teeth
from avatars.engine.face.palette import measure_palette
from avatars.engine.face.teeth import UPPER_EDGE
from avatars.engine.portrait import Kind

CANDIDATES: Final = 8
OPENING_IOD: Final = (0.07, 0.32)
YAW_APART_DEG: Final = 7.0
# Smaller faces show a bright bar and no teeth.
IOD_MIN_PX: Final = 40.0
# The edge may be moved so far to where upper teeth end; more than that, it was no edge.
SHIFT_MAX_IOD: Final = 0.07
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
    best, best_share = None, 0.0
    for picture, marks in shown:
        there = FaceFrame.of(marks)
        mouth = find_mouth(picture, marks, there)
        teeth = find_teeth(picture, there, mouth, measure_palette(picture, marks, there, mouth, Kind.PHOTO))
        if teeth is None or teeth.share <= best_share:
            continue
        pose = rest.mouth_pose(marks)
        placed = _placed(teeth, there, pose, frame, portrait.shape[1::-1])
        if placed is not None:
            light = np.append(_light(picture, portrait, pose, frame), np.float32(1))
            best, best_share = np.asarray(np.clip(placed * light + 0.5, 0, 255), np.uint8), teeth.share
    return best


def _placed(teeth: OwnTeeth, there: FaceFrame, pose: Array, frame: FaceFrame, size: tuple[int, int]) -> Picture | None:
    """Teeth of a face brought into the portrait, by the pose of the face and then by their edge."""
    end = there.to_pixels(np.array([0, teeth.edge_y], np.float32))
    shift_iod = UPPER_EDGE - float(
        frame.to_face(moved(cv2.invertAffineTransform(pose).astype(np.float32), end[None]))[0, 1]
    )
    if abs(shift_iod) > SHIFT_MAX_IOD:
        return None
    xs, ys = (np.arange(count, dtype=np.float32) for count in size)
    pixels = np.stack(np.meshgrid(xs, ys), axis=-1) - frame.vectors(np.array([0, shift_iod], np.float32))
    return teeth.at(there.to_face(moved(pose, pixels)))


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
