"""The stages of a build and how far each brings it."""

from collections.abc import Callable
from enum import StrEnum
from typing import Final, TypeAlias


class Stage(StrEnum):
    """What a build is doing."""

    DECODE = "decode"
    DETECT = "detect"
    CROP = "crop"
    LANDMARKS = "landmarks"
    LOOP = "loop"
    MATTE = "matte"
    PLATE = "plate"
    TEETH = "teeth"
    CHECK = "check"
    PREVIEW = "preview"
    WRITE = "write"


Progress: TypeAlias = Callable[[Stage, float, str], None]
"""Called with the stage that begins, the share 0..1 of the whole build done so far, and a sentence."""

BEGINS: Final[dict[Stage, tuple[float, str]]] = {
    Stage.DECODE: (0.00, "Opening the picture."),
    Stage.DETECT: (0.06, "Looking for a face."),
    Stage.CROP: (0.16, "Framing the face."),
    Stage.LANDMARKS: (0.20, "Measuring the face."),
    Stage.MATTE: (0.28, "Cutting out the character."),
    Stage.PLATE: (0.36, "Painting the background behind it."),
    Stage.TEETH: (0.40, "Looking for the teeth."),
    Stage.CHECK: (0.42, "Trying the mouth."),
    Stage.PREVIEW: (0.52, "Drawing the preview."),
    Stage.WRITE: (0.96, "Writing the avatar."),
}

CLIP_BEGINS: Final[dict[Stage, tuple[float, str]]] = {
    Stage.DECODE: (0.00, "Opening the video."),
    Stage.DETECT: (0.02, "Following the face."),
    Stage.CROP: (0.48, "Looking for the quietest seconds."),
    Stage.LANDMARKS: (0.52, "Measuring the face."),
    Stage.LOOP: (0.55, "Drawing the loop."),
    Stage.MATTE: (0.80, "Cutting out the character."),
    Stage.PLATE: (0.83, "Painting the background behind it."),
    Stage.TEETH: (0.84, "Looking for the teeth."),
    Stage.CHECK: (0.86, "Trying the mouth."),
    Stage.PREVIEW: (0.90, "Drawing the preview."),
    Stage.WRITE: (0.97, "Writing the avatar."),
}
"""The same for a video."""


def silent(stage: Stage, share: float, message: str) -> None:
    """Report to nobody."""
