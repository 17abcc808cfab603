"""A portrait: everything the renderer needs to know about one still face."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from avatars.engine.footage import Footage
from avatars.engine.recorded import RecordedGesture

LANDMARK_COUNT: Final = 478


class Kind(StrEnum):
    """What sort of face the picture shows; decides how the mouth interior and the lids are drawn."""

    PHOTO = "photo"
    """A photograph or painting of a person: anatomical teeth, tongue, skin shading."""
    DRAWING = "drawing"
    """A flat drawing: flat mouth colours, no skin shading."""
    ANIMAL = "animal"
    """A face placed by hand: dark cavity and tongue, no drawn teeth."""


@dataclass(frozen=True, slots=True)
class Portrait:
    """One still face, cropped to the avatar's output size.

    picture: (height, width, 3) uint8, BGR; height and width even.
    landmarks: (478, 3) float32, pixels of `picture`; x right, y down, z towards the viewer negative, same scale.
    matte: (height, width) uint8, 255 is the character.
    plate: (height, width, 3) uint8, BGR, the background with the character removed.
    kind: see `Kind`.
    blink_limit: greatest lid closure that looks right, 0 (never blinks) to 1.
    footage: for a face from a video, the loop that moves behind its mouth; `picture` is its first picture.
    teeth: (height, width, 4) uint8, the person's upper teeth from another picture, where they are in this one behind the
        lips: BGR and how much they cover.
    recorded: gestures of the person's own, from other clips; only where there is footage.
    """

    picture: NDArray[np.uint8]
    landmarks: NDArray[np.float32]
    matte: NDArray[np.uint8]
    plate: NDArray[np.uint8]
    kind: Kind = Kind.PHOTO
    blink_limit: float = 1.0
    footage: Footage | None = None
    teeth: NDArray[np.uint8] | None = None
    recorded: tuple[RecordedGesture, ...] = ()

    @property
    def width(self) -> int:
        return int(self.picture.shape[1])

    @property
    def height(self) -> int:
        return int(self.picture.shape[0])
