"""The build: one picture becomes one `.imx` file."""

from avatars.build.builder import build_avatar
from avatars.build.framing import Shot
from avatars.build.points import FacePoints
from avatars.build.portrait import picture_portrait
from avatars.build.refusal import BuildRefused
from avatars.build.report import BuildReport
from avatars.build.sketch import Sketch, sketch_face
from avatars.build.stage import Progress, Stage

__all__ = [
    "BuildRefused",
    "BuildReport",
    "FacePoints",
    "Progress",
    "Shot",
    "Sketch",
    "Stage",
    "build_avatar",
    "picture_portrait",
    "sketch_face",
]
