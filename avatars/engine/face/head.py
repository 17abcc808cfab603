"""The head as a whole: turned, nodded, tilted and moved as a soft relief, with brows, cheeks and the breath."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from avatars.engine.controls import Control, Controls
from avatars.engine.face.falloff import bell, smoothstep
from avatars.engine.face.frame import CHIN, FACE_OVAL, FaceFrame
from avatars.engine.face.rbf import interpolate

Array = NDArray[np.float32]

# The mesh is thinned before its depth is spread over the grid; the relief is smooth anyway.
DEPTH_EVERY: Final = 4
NECK_BELOW_CHIN_IOD: Final = 0.25
BREATH_IOD: Final = 0.010
HEAD_CONTROLS: Final = [
    *(Control.YAW_DEG, Control.PITCH_DEG, Control.ROLL_DEG, Control.SHIFT_X, Control.SHIFT_Y),
    *(Control.BROW, Control.BREATH, Control.CHEEKS, Control.FROWN),
]
BROWS: Final = ((46, 53, 52, 65, 55), (285, 295, 282, 283, 276))
INNER_BROWS: Final = (55, 285)
FROWN_INWARDS_IOD: Final = 0.022
FROWN_DOWN_IOD: Final = 0.018
# Where there are glasses, brows are moved by their upper edge: so far above, and so much less of what is below that.
ABOVE_GLASSES_IOD: Final = 0.06
BELOW_BROW_WITH_GLASSES: Final = 0.35
LOWER_LIDS: Final = ((144, 145, 153), (380, 374, 373))
# The cheek is highest so far below the lower lid; of its way up the lid itself goes a third, the pupil next to nothing.
CHEEK_BELOW_LID_IOD: Final = 0.13
CHEEKS_IOD: Final = 0.034


class HeadFields:
    """Displacement per unit of each head control over the frame's grid, pixels.

    glasses: how surely the face wears them, 0..1. Brows then move without what is close below them.
    """

    def __init__(self, landmarks: Array, frame: FaceFrame, nodes: Array, glasses: float = 0.0) -> None:
        local = frame.to_face(nodes)
        x, y = local[..., 0], local[..., 1]
        chin = float(frame.to_face(landmarks[CHIN : CHIN + 1, :2])[0, 1])
        top = float(frame.to_face(landmarks[10:11, :2])[0, 1])
        middle_y, half_height = (top + chin) / 2, max(0.5, (chin - top) / 2)
        radius = np.hypot(x / 1.35, (y - middle_y) / (1.35 / 1.1 * half_height))
        weight = smoothstep(2.0, 1.0, radius)
        depth = self._depth(landmarks, frame, local) * weight
        pivot = frame.to_pixels(np.array([0, chin + NECK_BELOW_CHIN_IOD], np.float32))
        arm = (nodes - pivot) * weight[..., None]
        radian = np.float32(np.pi / 180)
        nothing = np.zeros_like(depth)

        def along(dx: Array, dy: Array) -> Array:
            return frame.vectors(np.stack([dx, dy], axis=-1))

        brow, below_brow = nothing.copy(), 1 - glasses * (1 - BELOW_BROW_WITH_GLASSES)
        for ids in BROWS:
            centre = frame.to_face(landmarks[list(ids), :2]).mean(axis=0)
            height = y - centre[1] + glasses * ABOVE_GLASSES_IOD
            brow += bell(x - centre[0], 0.34) * bell(np.where(height > 0, height / below_brow, height), 0.15)
        cheeks = nothing.copy()
        for lid_ids in LOWER_LIDS:
            lid = frame.to_face(landmarks[list(lid_ids), :2]).mean(axis=0)
            cheeks += CHEEKS_IOD * bell(x - lid[0], 0.28) * bell(y - lid[1] - CHEEK_BELOW_LID_IOD, CHEEK_BELOW_LID_IOD)
        frown_x, frown_y = nothing.copy(), nothing.copy()
        for inner in frame.to_face(landmarks[list(INNER_BROWS), :2]):
            height = y - inner[1] + glasses * ABOVE_GLASSES_IOD
            near = bell(x - inner[0], 0.16) * bell(np.where(height > 0, height / below_brow, height), 0.11)
            frown_x -= FROWN_INWARDS_IOD * np.sign(inner[0]) * near
            frown_y += FROWN_DOWN_IOD * near
        body = smoothstep(chin + 0.1, chin + 0.7, y)
        self.fields = np.stack(
            [
                along(-depth * radian, nothing),
                along(nothing, -depth * radian),
                np.stack([-arm[..., 1], arm[..., 0]], axis=-1) * radian,
                along(weight, nothing),
                along(nothing, weight),
                along(nothing, -np.minimum(brow, 1)),
                along(nothing, -BREATH_IOD * np.maximum(body, 0.22 * weight)),
                along(nothing, -np.minimum(cheeks, CHEEKS_IOD)),
                along(frown_x, np.minimum(frown_y, FROWN_DOWN_IOD)),
            ]
        ).astype(np.float32)
        self._flat = self.fields.reshape(len(self.fields), -1)

    @staticmethod
    def _depth(landmarks: Array, frame: FaceFrame, local: Array) -> Array:
        """Depth over the grid in IOD, zero at the edge of the face, negative towards the viewer."""
        ids = sorted(set(range(0, 468, DEPTH_EVERY)) | set(FACE_OVAL))
        points = frame.to_face(landmarks[ids, :2])
        z = landmarks[ids, 2] / frame.iod_px
        oval = landmarks[list(FACE_OVAL), 2] / frame.iod_px
        z = z - float(oval.mean())
        centre = frame.to_face(landmarks[list(FACE_OVAL), :2]).mean(axis=0)
        ring = frame.to_face(landmarks[list(FACE_OVAL)[::2], :2])
        behind = centre + (ring - centre) * 1.9
        field = interpolate(
            np.concatenate([points, behind]).astype(np.float32),
            np.concatenate([z, np.full(len(behind), 0.3, np.float32)])[:, None].astype(np.float32),
            local,
            smoothing=0.05,
        )
        return np.clip(field[..., 0], -1.2, 0.5)

    def displacement(self, controls: Controls, smiling: float = 0.0) -> Array:
        """Forward displacement (rows, columns, 2) in pixels for one frame of controls; see `head_weights`."""
        return np.asarray((head_weights(controls, smiling) @ self._flat).reshape(self.fields.shape[1:]), np.float32)


def head_weights(controls: Controls, smiling: float) -> Array:
    """The weights (9,) of the fields for one frame of controls.

    smiling: how much of a smile the source shows, 0..1. Where the mouth is relaxed its cheeks must come down as well.
    """
    weights = controls[HEAD_CONTROLS].astype(np.float32)
    weights[HEAD_CONTROLS.index(Control.CHEEKS)] -= smiling * controls[Control.RELAX]
    return weights
