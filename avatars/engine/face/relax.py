"""Undoing a smile: the displacement that brings an open or toothy source mouth to neutral, closed lips.

The table is what one person's face did between a toothy smile (opening 0.236) and rest, made symmetric, in IOD.
Pulling smiling lips together makes them fat; undoing the smile everywhere it acts does not.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from avatars.engine.face.falloff import smoothstep
from avatars.engine.face.frame import INNER_LOWER, INNER_UPPER, OUTER_LOWER, OUTER_UPPER, FaceFrame
from avatars.engine.face.mouthline import MouthLine
from avatars.engine.face.rbf import interpolate

TABLE_GAP: Final = 0.236
SMOOTHING: Final = 0.002
OVERLAP: Final = 0.022
# So far above and below the seam does the common field beyond the corners go over from the one side's to the other's.
BOTH_IOD: Final = 0.12

# Landmark on the left of the picture: (towards the middle, down); the right one mirrors it.
TABLE: Final[dict[int, tuple[float, float]]] = {
    **{78: (0.119, 0.055), 191: (0.115, 0.076), 80: (0.093, 0.086), 81: (0.074, 0.089), 82: (0.043, 0.087)},
    **{13: (0, 0.084), 95: (0.098, -0.024), 88: (0.085, -0.074), 178: (0.066, -0.117), 87: (0.039, -0.144)},
    **{14: (0, -0.152), 61: (0.129, 0.064), 185: (0.127, 0.084), 40: (0.112, 0.091), 39: (0.088, 0.087)},
    **{37: (0.046, 0.076), 0: (0, 0.075), 146: (0.121, -0.009), 91: (0.107, -0.076), 181: (0.084, -0.134)},
    **{84: (0.050, -0.168), 17: (0, -0.179), 2: (0, 0.010), 98: (0.032, 0.021), 92: (0.071, 0.045)},
    **{165: (0.056, 0.036), 57: (0.081, 0.058), 186: (0.081, 0.057), 212: (0.046, 0.042), 216: (0.056, 0.049)},
    **{205: (0.047, 0.022), 50: (0.044, 0.029), 207: (0.047, 0.027), 214: (0.033, 0.016), 202: (0.041, 0.015)},
    **{43: (0.078, 0.015), 106: (0.073, -0.037), 182: (0.064, -0.085), 83: (0.038, -0.118), 18: (0, -0.127)},
    **{200: (0, -0.100), 199: (0, -0.081), 152: (0, -0.064), 176: (0.002, -0.048), 172: (-0.004, -0.031)},
    **{136: (-0.008, -0.028), 150: (-0.007, -0.030), 210: (0.017, -0.001), 169: (-0.006, -0.022)},
    **{129: (0.031, 0.017), 203: (0.041, 0.025)},
}
STILL: Final = (33, 133, 362, 263, 168, 127, 356)
SKIN_MIRROR: Final[dict[int, int]] = {
    **{98: 327, 92: 322, 165: 391, 57: 287, 186: 410, 212: 432, 216: 436, 205: 425, 50: 280, 207: 427, 214: 434},
    **{202: 422, 43: 273, 106: 335, 182: 406, 83: 313, 176: 400, 172: 397, 136: 365, 150: 379, 210: 430, 169: 394},
    **{129: 358, 203: 423},
}
# Lips are mirrored by their place in the list: the nearest point mistakes one lip for the other where they touch.
MIRROR: Final[dict[int, int]] = SKIN_MIRROR | {
    left: ring[10 - index]
    for ring in (INNER_UPPER, INNER_LOWER, OUTER_UPPER, OUTER_LOWER)
    for index, left in enumerate(ring[:5])
}
LOWER_LIP: Final = frozenset(INNER_LOWER[1:-1] + OUTER_LOWER[1:-1])
UPPER_LIP: Final = frozenset(INNER_UPPER[1:-1] + OUTER_UPPER[1:-1])

Points = NDArray[np.float32]


class Relaxation:
    """The relax displacement of one open source mouth, for any point of one of the two fields."""

    def __init__(self, landmarks: Points, frame: FaceFrame, mouth: MouthLine) -> None:
        local = frame.to_face(landmarks[:, :2])
        ids, moves = [], []
        for left, (inwards, down) in TABLE.items():
            ids.append(left)
            moves.append((inwards, down))
            if (right := MIRROR.get(left)) is not None:
                ids.append(right)
                moves.append((-inwards, down))
        self.mouth = mouth
        points = local[ids]
        values = np.array(moves, np.float32)
        across = np.abs(points[:, 0]) / mouth.half_width
        from_seam = points[:, 1] - mouth.seam(points[:, 0])
        smile = float(np.clip((2 * mouth.half_width - 0.80) / 0.24, 0, 1.1))
        opening = mouth.gap / TABLE_GAP
        values[:, 0] *= smile
        values[:, 1] *= (
            opening + (smile - opening) * smoothstep(0.4, 1.05, across) * (1 - smoothstep(0.25, 0.5, from_seam))
        ) * (1 + (1 - min(1.0, smile)) * smoothstep(0.15, 0.5, from_seam))
        still = local[list(STILL)]
        self.sides: list[tuple[Points, Points]] = []
        for other_lip, wrong_side in ((LOWER_LIP, from_seam > 0), (UPPER_LIP, from_seam < 0)):
            keep = np.array([name not in other_lip for name in ids]) & ~(wrong_side & (across < 0.9))
            self.sides.append(
                (np.concatenate([points[keep], still]), np.concatenate([values[keep], np.zeros_like(still)]))
            )
        self.residual, self.shift = self._meeting()

    def _plain(self, points: Points, *, lower: bool) -> Points:
        """The field before the lips are made to meet.

        Beyond the corners both sides are one, which goes over from the upper to the lower across the seam.
        """
        fields = [interpolate(*side, points, SMOOTHING) for side in self.sides]
        across = np.abs(points[..., 0]) / self.mouth.half_width
        below = smoothstep(-BOTH_IOD, BOTH_IOD, points[..., 1] - self.mouth.seam(points[..., 0]))
        shared = smoothstep(0.78, 1.0, across)
        share = (1 - (1 - below) * shared if lower else below * shared)[..., None]
        return np.asarray(fields[0] + (fields[1] - fields[0]) * share, np.float32)

    def _meeting(self) -> tuple[Points, Points]:
        """Per column of the mouth: the gap that is left, and how the line where the lips meet is straightened."""
        mouth = self.mouth
        upper = np.stack([mouth.xs, mouth.upper], axis=-1)
        lower = np.stack([mouth.xs, mouth.lower], axis=-1)
        moved_upper = mouth.upper + self._plain(upper, lower=False)[:, 1]
        moved_lower = mouth.lower + self._plain(lower, lower=True)[:, 1]
        round_off = 1 - np.square(mouth.xs / mouth.half_width)
        residual = moved_lower - moved_upper + OVERLAP * np.sqrt(np.maximum(0, round_off))
        natural = moved_upper + 0.38 * residual
        chord = np.linspace(natural[0], natural[-1], len(natural))
        sag = float(np.clip((natural - chord)[len(natural) // 2], -0.015, 0.06))
        change = chord + sag * round_off - natural
        change *= min(1.0, float(np.abs(change).max()) / 0.05)
        return residual.astype(np.float32), change.astype(np.float32)

    def field(self, points: Points, *, lower: bool) -> Points:
        """Displacement (..., 2) at weight 1 of the upper or the lower field at `points` (..., 2), face coordinates."""
        moved = self._plain(points, lower=lower)
        x, y = points[..., 0], points[..., 1]
        across = np.abs(x) / self.mouth.half_width
        own = self.mouth.lower if lower else self.mouth.upper
        height = np.abs(y - np.interp(x, self.mouth.xs, own))
        plateau, sigma = (0.06, 0.12) if lower else (0.05, 0.08)
        near = np.exp(-np.square(np.maximum(0, height - plateau)) / (2 * sigma**2)) * smoothstep(1.12, 1, across)
        share = -0.62 if lower else 0.38
        residual = np.interp(x, self.mouth.xs, self.residual)
        shift = np.interp(x, self.mouth.xs, self.shift)
        moved[..., 1] += (share * residual + shift) * near
        return moved
