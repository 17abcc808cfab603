"""Which renderer draws here: the kernel where it has been compiled, else numpy; each still or over footage."""

from typing import Protocol

from avatars.engine.controls import Controls
from avatars.engine.face.footage import FootageRenderer
from avatars.engine.face.i420 import Picture
from avatars.engine.face.kernel import KernelFootageRenderer, KernelRenderer, available
from avatars.engine.face.painter import MouthPainter
from avatars.engine.face.projector import Projector
from avatars.engine.face.renderer import FaceRenderer
from avatars.engine.face.rig import Rig


class Renderer(Protocol):
    """Draws the frames of one session."""

    width: int
    height: int

    @property
    def projector(self) -> Projector | None:
        """What moves behind the mouth of a face from a video; None for a still picture."""
        ...

    def render(self, controls: Controls) -> Picture:
        """One frame of controls (CONTROL_COUNT,) to I420 (height*3//2, width) uint8, valid until the third call after."""
        ...


def renderer_of(rig: Rig, painter: MouthPainter | None = None) -> Renderer:
    """A renderer for one session of this rig. painter: over footage, what paints the mouth after it was drawn."""
    if rig.portrait.footage is not None:
        return KernelFootageRenderer(rig, painter) if available() else FootageRenderer(rig, painter)
    return KernelRenderer(rig) if available() else FaceRenderer(rig)
