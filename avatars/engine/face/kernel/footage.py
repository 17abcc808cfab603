"""The renderer that draws with the kernel over footage: what `FootageRenderer` draws."""

import numpy as np
from numpy.typing import NDArray

from avatars.engine.controls import Controls
from avatars.engine.face.i420 import planes
from avatars.engine.face.kernel.renderer import Bytes, KernelRenderer
from avatars.engine.face.painter import MouthPainter
from avatars.engine.face.projector import Projector, Shown
from avatars.engine.face.rig import Rig
from avatars.engine.face.weights import WEIGHT_COUNT


class KernelFootageRenderer(KernelRenderer):
    """Draws one session's frames over the footage of a rig's portrait, one picture of it a call.

    Head, eyes and breath are the footage's own: of the controls those of the mouth are drawn.
    """

    projector: Projector

    def __init__(self, rig: Rig, painter: MouthPainter | None = None, *, scalar: bool = False) -> None:
        footage = rig.portrait.footage
        if footage is None:
            raise ValueError("This portrait is a still picture.")
        super().__init__(rig, scalar=scalar)
        self._painter, self._asked = painter, np.zeros(WEIGHT_COUNT, np.float32)
        self.projector = Projector(rig.portrait)
        self._showing: Shown | None = None
        shapes = [(self.height, self.width), *[(self.height // 2, self.width // 2)] * 2]
        self._behind = [
            memory[: shape[0] * shape[1]].reshape(shape) for memory, shape in zip(self._source, shapes, strict=True)
        ]
        if footage.blur_px:
            self._before = np.empty(self.width * self.height * 3 // 2, np.uint8)
            self._session.before, self._session.blur_px = self._before.ctypes.data, footage.blur_px

    def _describe(self, controls: Controls) -> None:
        """Take the next picture too: how much of the mouth is seen is the picture's to say."""
        shown = self.projector.next()
        luma, chroma = planes(shown.picture, self.height, self.width)
        for memory, plane in zip(self._behind, (luma, *chroma), strict=True):
            np.copyto(memory, plane)
        frame = self._frame
        frame.is_posed = True
        frame.pose[:], frame.pose_back[:] = _similarity(shown.pose)
        frame.pose_scale = float(np.sqrt(np.linalg.det(shown.pose[:, :2])))
        # What the kernel reads must live as long as the frame is drawn.
        self._showing = shown
        frame.free = None if shown.free is None else shown.free.ctypes.data
        super()._describe(controls * np.float32(shown.lips))

    def _weights(self, controls: Controls) -> NDArray[np.float32]:
        weights = super()._weights(controls)
        self._asked = weights if self._painter is None else self._painter.opened(weights)
        return self._asked

    def _drawn(self) -> Bytes:
        out = super()._drawn()
        shown = self._showing
        # Hands before the mouth are not painted over.
        if self._painter is not None and shown is not None and shown.free is None:
            self._painter.paint(out, shown.pose, self._asked)
        return out

    def _look(self, controls: Controls) -> None:
        """The eyes are the footage's."""


def _similarity(pose: NDArray[np.float32]) -> tuple[list[float], list[float]]:
    """A similarity (2, 3) and its inverse, each as six numbers."""
    back = np.linalg.inv(pose[:, :2].astype(np.float64))
    return pose.reshape(-1).tolist(), np.column_stack([back, -back @ pose[:, 2]]).reshape(-1).tolist()
