"""The renderer that draws with the kernel over footage: what `FootageRenderer` draws."""

import numpy as np
from numpy.typing import NDArray

from avatars.engine.controls import Controls
from avatars.engine.face.i420 import planes
from avatars.engine.face.kernel.renderer import Bytes, KernelRenderer
from avatars.engine.face.painter import MouthPainter
from avatars.engine.face.rig import Rig
from avatars.engine.face.weights import WEIGHT_COUNT
from avatars.engine.footage import Reel


class KernelFootageRenderer(KernelRenderer):
    """Draws one session's frames over the footage of a rig's portrait, one picture of it a call.

    Head, eyes and breath are the footage's own: of the controls those of the mouth are drawn.
    """

    def __init__(self, rig: Rig, painter: MouthPainter | None = None, *, scalar: bool = False) -> None:
        footage = rig.portrait.footage
        if footage is None:
            raise ValueError("This portrait is a still picture.")
        super().__init__(rig, scalar=scalar)
        self._painter, self._asked = painter, np.zeros(WEIGHT_COUNT, np.float32)
        self._reel = Reel(footage, self.width, self.height)
        shapes = [(self.height, self.width), *[(self.height // 2, self.width // 2)] * 2]
        self._shown = [
            memory[: shape[0] * shape[1]].reshape(shape) for memory, shape in zip(self._source, shapes, strict=True)
        ]
        self._matrices = footage.poses
        self._poses = [(*_similarity(pose), float(np.sqrt(np.linalg.det(pose[:, :2])))) for pose in footage.poses]
        if footage.blur_px:
            self._before = np.empty(self.width * self.height * 3 // 2, np.uint8)
            self._session.before, self._session.blur_px = self._before.ctypes.data, footage.blur_px

    def _drawn(self) -> Bytes:
        number, picture = self._reel.next()
        luma, chroma = planes(picture, self.height, self.width)
        for shown, plane in zip(self._shown, (luma, *chroma), strict=True):
            np.copyto(shown, plane)
        frame = self._frame
        frame.is_posed = True
        frame.pose[:], frame.pose_back[:], frame.pose_scale = self._poses[number]
        out = super()._drawn()
        if self._painter is not None:
            self._painter.paint(out, self._matrices[number], self._asked)
        return out

    def _weights(self, controls: Controls) -> NDArray[np.float32]:
        weights = super()._weights(controls)
        self._asked = weights if self._painter is None else self._painter.opened(weights)
        return self._asked

    def _look(self, controls: Controls) -> None:
        """The eyes are the footage's."""


def _similarity(pose: NDArray[np.float32]) -> tuple[list[float], list[float]]:
    """A similarity (2, 3) and its inverse, each as six numbers."""
    back = np.linalg.inv(pose[:, :2].astype(np.float64))
    return pose.reshape(-1).tolist(), np.column_stack([back, -back @ pose[:, 2]]).reshape(-1).tolist()
