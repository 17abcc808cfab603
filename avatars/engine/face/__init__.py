"""The face: controls to pixels. A rig is built once from a portrait and shared; a renderer draws one session.

`renderer_of` gives the fastest that this machine has; `FaceRenderer` is the readable one that the others are held to.
"""

from avatars.engine.face.drawing import Renderer, renderer_of
from avatars.engine.face.renderer import FaceRenderer
from avatars.engine.face.rig import Rig

__all__ = ["FaceRenderer", "Renderer", "Rig", "renderer_of"]
