"""A rig: all about one portrait that does not change from frame to frame. Shared by all sessions of an avatar."""

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.controls import Control, Controls
from avatars.engine.face.creases import soften_folds
from avatars.engine.face.eyes import LEFT_EYE, RIGHT_EYE, Eye, EyeIds, find_eye
from avatars.engine.face.fields import STEP_PX, MouthFields, build_fields, grid_nodes
from avatars.engine.face.frame import FaceFrame
from avatars.engine.face.glasses import glasses
from avatars.engine.face.head import HeadFields
from avatars.engine.face.healing import healed
from avatars.engine.face.lids import lid_skin
from avatars.engine.face.mouthline import MouthLine, find_mouth
from avatars.engine.face.own_teeth import find_teeth
from avatars.engine.face.palette import Palette, measure_palette
from avatars.engine.face.relax import Relaxation
from avatars.engine.face.shading import shading_maps
from avatars.engine.face.weights import RELAX, WEIGHT_COUNT
from avatars.engine.portrait import LANDMARK_COUNT, Kind, Portrait

SMALLEST_PX: Final = 64
# Animals are marked by hand, the lids not at all; their eyes are rounder than a person's, whose lids are taken.
ANIMAL_EYES: Final = 1.7
LARGEST_PX: Final = 2048
# So far below where relaxed lips meet do upper teeth end.
TEETH_END_IOD: Final = (0.045, 0.090)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Rig:
    """A portrait made ready to be moved. Immutable; build it with `from_portrait`.

    meets_y: where the lips meet in the middle when nothing moves them, face coordinates; those of a closed mouth do at 0.
    own_teeth, teeth_picture: the person's own upper teeth in place, their cover 0..1 and BGR; teeth_rise: how far they
    go up, IOD, while an open source relaxes: lips never come down from a smile as far as they should.
    """

    portrait: Portrait
    frame: FaceFrame
    mouth: MouthLine
    meets_y: float
    palette: Palette
    nodes: NDArray[np.float32]
    fields: MouthFields
    head: HeadFields
    eyes: tuple[Eye, Eye]
    shading: NDArray[np.float32] | None
    own_teeth: NDArray[np.float32] | None
    teeth_picture: NDArray[np.uint8]
    teeth_rise: float
    healed: NDArray[np.uint8] | None
    matte: NDArray[np.float32]

    @classmethod
    def from_portrait(cls, portrait: Portrait) -> "Rig":
        """Build the rig of a portrait. Raises ValueError, in words, where the portrait cannot be one."""
        _check(portrait)
        width, height = portrait.width, portrait.height
        frame = FaceFrame.of(portrait.landmarks)
        mouth = find_mouth(portrait.picture, portrait.landmarks, frame)
        nodes = grid_nodes(-(-width // STEP_PX), -(-height // STEP_PX))
        photo = portrait.kind is Kind.PHOTO
        relaxation = Relaxation(portrait.landmarks, frame, mouth) if mouth.is_open else None
        fields = build_fields(portrait.landmarks, frame, mouth, nodes, relaxation)
        palette = measure_palette(portrait.picture, portrait.landmarks, frame, mouth, portrait.kind)
        meets_y = _meeting(mouth, fields)
        teeth, rise = portrait.teeth, 0.0
        if teeth is None and photo and (found := find_teeth(portrait.picture, frame, mouth, palette)) is not None:
            teeth = found.over(frame, (width, height))
            end = found.edge_y - meets_y
            rise = end - float(np.clip(end, *TEETH_END_IOD))
        skin = palette.skin if portrait.kind is Kind.DRAWING else None
        return cls(
            portrait=portrait,
            frame=frame,
            mouth=mouth,
            meets_y=meets_y,
            palette=palette,
            nodes=nodes,
            fields=fields,
            head=HeadFields(
                portrait.landmarks, frame, nodes, glasses(portrait.picture, portrait.landmarks, frame) if photo else 0.0
            ),
            eyes=(_eye(portrait, LEFT_EYE, skin), _eye(portrait, RIGHT_EYE, skin)),
            shading=shading_maps(portrait.landmarks, frame, mouth, fields, (width, height)) if photo else None,
            own_teeth=None if teeth is None else teeth[..., 3].astype(np.float32) / np.float32(255),
            teeth_picture=portrait.picture if teeth is None else np.ascontiguousarray(teeth[..., :3]),
            teeth_rise=rise,
            healed=_mended(portrait, frame, mouth) if photo and mouth.is_open else None,
            matte=portrait.matte.astype(np.float32) / np.float32(255),
        )

    @property
    def smiling(self) -> float:
        """How much of a smile the source shows, 0..1."""
        return float(np.clip((2 * self.mouth.half_width - 0.80) / 0.24, 0, 1)) if self.mouth.is_open else 0.0

    def eye_look(self, controls: Controls) -> tuple[float, float, float, float]:
        """How far the left and the right lid are closed, 0..1, and the gaze, x and y in IOD, as coarse as is seen."""
        limit = self.portrait.blink_limit
        lids = zip((Control.BLINK_LEFT, Control.BLINK_RIGHT), self.eyes, strict=True)
        blinks = (min(float(controls[control]), 1) * limit * eye.opens for control, eye in lids)
        left, right = (round(blink, 2) for blink in blinks)
        if limit <= 0:
            return left, right, 0.0, 0.0
        return left, right, round(float(controls[Control.GAZE_X]), 3), round(float(controls[Control.GAZE_Y]), 3)


def _eye(portrait: Portrait, ids: EyeIds, skin_bgr: NDArray[np.float32] | None) -> Eye:
    taller = ANIMAL_EYES if portrait.kind is Kind.ANIMAL else 1.0
    eye = find_eye(portrait.picture, portrait.landmarks, ids, skin_bgr, taller=taller)
    return replace(eye, lid=lid_skin(portrait.picture, eye))


def _meeting(mouth: MouthLine, fields: MouthFields) -> float:
    if not mouth.is_open:
        return 0.0
    relaxed = np.zeros(WEIGHT_COUNT, np.float32)
    relaxed[RELAX] = 1.0
    upper, lower = fields.contours(relaxed)
    return float(upper[len(upper) // 2, 1] + lower[len(lower) // 2, 1]) / 2


def _mended(portrait: Portrait, frame: FaceFrame, mouth: MouthLine) -> NDArray[np.uint8]:
    """What is drawn instead of an open mouth and of the folds beside it. Pictures of footage have folds of their own."""
    made = healed(portrait.picture, frame, mouth)
    if portrait.footage is not None:
        return made
    return soften_folds(made, portrait.picture, portrait.landmarks, frame, mouth)


def _check(portrait: Portrait) -> None:
    picture, landmarks = portrait.picture, portrait.landmarks
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError("A portrait's picture is (height, width, 3) uint8.")
    height, width = picture.shape[:2]
    if width % 2 or height % 2 or not SMALLEST_PX <= min(width, height) <= max(width, height) <= LARGEST_PX:
        raise ValueError(
            f"A portrait is {SMALLEST_PX} to {LARGEST_PX} pixels, even, each way; this one is {width}x{height}."
        )
    if landmarks.shape != (LANDMARK_COUNT, 3) or not np.isfinite(landmarks).all():
        raise ValueError(f"A portrait has {LANDMARK_COUNT} finite landmarks.")
    if portrait.matte.shape != (height, width) or portrait.plate.shape != picture.shape:
        raise ValueError("A portrait's matte and plate are as large as its picture.")
    if portrait.teeth is not None and portrait.teeth.shape != (height, width, 4):
        raise ValueError("A portrait's teeth are as large as its picture.")
    frame_area = cv2.contourArea(np.ascontiguousarray(landmarks[:468, :2]).astype(np.float32)[[10, 234, 152, 454]])
    if frame_area < 64:
        raise ValueError("The face of this portrait is too small to be moved.")
