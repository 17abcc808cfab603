"""The mouth's shapes: how each control moves the skin, as closed formulas over face coordinates.

Every shape is a pair of displacement fields, one for what lies above the seam and one for what lies below; beyond the
mouth's corners both are the same. The constants are measured on real footage and in units of IOD.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avatars.engine.face.falloff import bell, smoothstep
from avatars.engine.face.mouthline import MouthLine

Field = NDArray[np.float32]

JAW_DROP: Final = 0.24
UPPER_LIP_LIFT: Final = 0.075
LOWER_LIP_DROP: Final = 0.09
CORNER_DRAG: Final = 0.33


@dataclass(frozen=True, slots=True)
class Place:
    """Where displacements are asked for. All arrays have one shape; `below` is which side of the seam is meant."""

    x: Field
    y: Field
    from_seam: Field
    across: Field
    side: Field
    below: NDArray[np.bool_]
    chin: float
    half_width: float

    @classmethod
    def of(cls, points: Field, mouth: MouthLine, chin: float, *, lower: bool) -> "Place":
        """Places at `points` (..., 2) for one of the two fields.

        Inside the mouth's width a field goes on across the seam as it is at the seam, so that following a displacement
        backwards never meets the other lip.
        """
        x, y = points[..., 0], points[..., 1]
        across = np.asarray(np.abs(x) / mouth.half_width, np.float32)
        own_seam = np.interp(x, mouth.xs, mouth.lower if lower else mouth.upper).astype(np.float32)
        from_seam = np.where(across < 1, y - own_seam, y - mouth.seam(x))
        inside = across < 1
        from_seam = np.where(inside, np.maximum(from_seam, 0) if lower else np.minimum(from_seam, 0), from_seam)
        below = np.where(inside, lower, from_seam > 0)
        side = np.sign(x).astype(np.float32)
        return cls(x, y, from_seam.astype(np.float32), across, side, below, chin, mouth.half_width)

    @property
    def opening_profile(self) -> Field:
        """1 in the middle, 0 from 93 % of the width: the last of the lips stays sealed."""
        return np.asarray(np.power(np.maximum(0, 1 - np.square(self.across / 0.93)), 0.6), np.float32)

    @property
    def corner_weight(self) -> Field:
        """How far the skin beside and in the corners is dragged along by the jaw."""
        return np.where(
            self.across < 1, CORNER_DRAG * np.minimum(self.across, 1) ** 3, CORNER_DRAG * bell(self.across - 1, 0.45)
        ).astype(np.float32)

    @property
    def lip_body(self) -> Field:
        """The flesh of the lips; zero at the seam and beyond the corners."""
        height = np.abs(self.from_seam)
        return (
            np.maximum(0, 1 - self.across**2)
            * np.exp(-np.square(height - 0.09) / (2 * 0.07**2))
            * smoothstep(0, 0.06, height)
        ).astype(np.float32)

    @property
    def sideways(self) -> Field:
        """Sine towards the corners, fading out beyond them."""
        return np.where(self.across < 1, np.sin(np.minimum(self.across, 1) * np.pi / 2), bell(self.across - 1, 0.5))

    def lip_edge(self, thickness: float) -> Field:
        """1 within `thickness` of the seam, then fading."""
        return np.exp(-np.square(np.maximum(0, np.abs(self.from_seam) - thickness)) / (2 * 0.10**2)).astype(np.float32)


def _field(dx: ArrayLike, dy: ArrayLike, like: Field) -> Field:
    return np.stack([np.broadcast_to(dx, like.shape), np.broadcast_to(dy, like.shape)], axis=-1).astype(np.float32)


def jaw(at: Place) -> Field:
    """The jaw drops; the chin follows by about half, the corners a little."""
    near = at.corner_weight + (1 - at.corner_weight) * np.where(at.across < 1, at.opening_profile, 0)
    far = 1 - 0.9 * smoothstep(0.2, 1.15, np.abs(at.x))
    depth = smoothstep(0.05, 0.42, at.from_seam)
    chin_lag = (
        1
        - 0.22 * smoothstep(0.12, 0.28, at.from_seam)
        - 0.12 * smoothstep(0.28, 0.45, at.from_seam)
        - 0.08 * smoothstep(0.45, max(0.6, at.chin), at.from_seam)
    )
    lower = ((1 - depth) * near + depth * far) * chin_lag
    upper = at.corner_weight * bell(at.from_seam, 0.28)
    dx = (
        -at.side
        * 0.045
        * np.minimum(at.across, 1) ** 2
        * bell(np.maximum(0, at.across - 1), 0.5)
        * bell(at.from_seam, 0.45)
    )
    return _field(dx, JAW_DROP * np.where(at.below, lower, upper), at.x)


def upper_lip(at: Place) -> Field:
    """The upper lip rises."""
    return _field(0, np.where(at.below, 0, -UPPER_LIP_LIFT * at.opening_profile * at.lip_edge(0.05)), at.x)


def lower_lip(at: Place) -> Field:
    """The lower lip drops, further than the jaw takes it."""
    return _field(0, np.where(at.below, LOWER_LIP_DROP * at.opening_profile * at.lip_edge(0.06), 0), at.x)


def wide(at: Place) -> Field:
    """The corners go apart and the lips get thinner."""
    thinner = np.where(at.below, -0.018, 0.018) * at.lip_body
    return _field(at.side * 0.085 * at.sideways * bell(at.from_seam, 0.22), thinner, at.x)


def round_(at: Place) -> Field:
    """The corners come together, the lips swell, the whole mouth sinks a little."""
    inwards = np.where(at.across < 1, 0.25 * at.sideways + 0.75 * at.across, bell(at.across - 1, 0.5))
    dx = -at.side * 0.105 * inwards * bell(at.from_seam, 0.26)
    swell = np.where(at.below, 0.048, -0.032) * at.lip_body
    sink = 0.030 * bell(at.from_seam, 0.26) * smoothstep(2.0, 1.0, at.across)
    return _field(dx, swell + sink, at.x)


def pinch(at: Place) -> Field:
    """The sides of an opened rounded mouth stay in contact, so that the opening is a small oval."""
    narrow = np.sqrt(np.maximum(0, 1 - np.square(at.across / 0.70)))
    closes = at.opening_profile - np.minimum(narrow, at.opening_profile)
    fades = np.exp(-np.square(np.maximum(0, at.from_seam - 0.05)) / (2 * 0.09**2))
    dy = -JAW_DROP * (1 - at.corner_weight) * closes * fades
    return _field(0, np.where(at.below & (at.across < 1), dy, 0), at.x)


def press(at: Place) -> Field:
    """Closed lips pressed thin, the chin boss rising."""
    chin = -0.018 * smoothstep(0.12, 0.3, at.from_seam) * bell(at.x, 0.35) * smoothstep(0.8, 0.45, at.from_seam)
    return _field(0, np.where(at.below, -0.045 * at.lip_body + chin, 0.022 * at.lip_body), at.x)


def tuck(at: Place) -> Field:
    """The lower lip under the upper teeth, the upper lip a little raised."""
    up = np.where(at.below, -0.030 * at.lip_edge(0.06), -0.024 * at.lip_edge(0.05)) * at.opening_profile
    return _field(0, up, at.x)


def smile(at: Place) -> Field:
    """The corners out and up."""
    dx = at.side * 0.07 * at.sideways * bell(at.from_seam, 0.22)
    lift = np.where(at.across < 1, at.across**2, bell(at.across - 1, 0.5))
    return _field(dx, -0.06 * lift * bell(at.from_seam, 0.25), at.x)


SHAPES: Final[tuple[tuple[str, Callable[[Place], Field]], ...]] = (
    ("jaw", jaw),
    ("upper_lip", upper_lip),
    ("lower_lip", lower_lip),
    ("wide", wide),
    ("round", round_),
    ("press", press),
    ("tuck", tuck),
    ("smile", smile),
    ("pinch", pinch),
)
"""Order of the weights that `weights.py` makes of the controls; the relax field comes after them."""
