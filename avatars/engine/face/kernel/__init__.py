"""The face kernel: the renderer's drawing in C, compiled at set-up and called through ctypes."""

from avatars.engine.face.kernel.footage import KernelFootageRenderer
from avatars.engine.face.kernel.library import available, unavailable_because
from avatars.engine.face.kernel.renderer import KernelRenderer

__all__ = ["KernelFootageRenderer", "KernelRenderer", "available", "unavailable_because"]
