"""The face: controls to pixels. A rig is built once from a portrait and shared; a renderer draws one session."""

from avatars.engine.face.renderer import FaceRenderer
from avatars.engine.face.rig import Rig

__all__ = ["FaceRenderer", "Rig"]
