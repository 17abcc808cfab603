"""A marked face saying /a/ and /m/, drawn in a moment: what its creator sees while the points are still moving."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from avatars.build.decode import NEUTRAL_BGR, Source, upright
from avatars.build.drawn import fitted_to_drawing, kind_of
from avatars.build.framing import CHIN, FOREHEAD_TOP, Frame, cut
from avatars.build.points import FacePoints, fitted_mesh
from avatars.build.trial import sound_a, sound_m
from avatars.engine.controls import Controls
from avatars.engine.face import Renderer, Rig, renderer_of
from avatars.engine.face.i420 import bgr_of
from avatars.engine.portrait import Kind, Portrait
from avatars.imx.pictures import encode_jpeg

SIDE_PX: Final = 320
FACE_SHARE: Final = 0.68
QUALITY: Final = 82


@dataclass(frozen=True, slots=True)
class Sketch:
    """Two pictures, JPEG: the face saying a clear /a/, and an /m/ with its lips together."""

    sound_a: bytes
    sound_m: bytes


def sketch_face(opened: Source, points: FacePoints, kind: Kind | None = None) -> Sketch:
    """Draw a marked face as an avatar of `kind` would look; without one it is found out, as a build does.

    Raises `BuildRefused` for points that are no face.

    Nothing is cut out: the background moves along a little, which a build would not let it do.
    """
    opened, points, _ = upright(opened, points.scaled(opened.scale))
    height, width = opened.picture.shape[:2]
    points.check(width, height)
    landmarks = fitted_mesh(points)
    kind = kind or kind_of(opened.picture, landmarks, marked=True)
    size = (SIDE_PX, SIDE_PX)
    frame = _close_up(landmarks)
    picture = cut(opened.picture, frame, size, beyond=None if opened.alpha is None else NEUTRAL_BGR)
    landmarks = frame.to_frame(landmarks, size)
    if kind is Kind.DRAWING:
        landmarks = fitted_to_drawing(picture, landmarks, marked=True)
    matte = np.full(picture.shape[:2], 255, np.uint8)
    renderer = renderer_of(Rig.from_portrait(Portrait(picture, landmarks, matte, picture, kind)))
    return Sketch(_drawn(renderer, sound_a()), _drawn(renderer, sound_m()))


def _close_up(landmarks: NDArray[np.float32]) -> Frame:
    """Return the square about a face alone: here the mouth matters, not the portrait."""
    forehead, chin = landmarks[FOREHEAD_TOP, :2], landmarks[CHIN, :2]
    side = max(4, round(float(np.hypot(*(chin - forehead))) / FACE_SHARE))
    left, top = (forehead + chin) / 2 - side / 2
    return Frame(round(float(left)), round(float(top)), side, side)


def _drawn(renderer: Renderer, controls: Controls) -> bytes:
    return encode_jpeg(bgr_of(renderer.render(controls)), QUALITY)
