"""Drawn teeth: two rows of human proportions."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from avatars.engine.face.falloff import smoothstep

Array = NDArray[np.float32]

# Widths from the midline outwards, anatomy over an eye distance of 63 mm.
UPPER_WIDTHS: Final = (0.128, 0.098, 0.088, 0.066, 0.055, 0.045)
LOWER_WIDTHS: Final = (0.080, 0.085, 0.082, 0.066, 0.060, 0.050)
UPPER_EDGE: Final = 0.050
UPPER_HEIGHT: Final = 0.150
TABLE_SIZE: Final = 256
TABLE_REACH: Final = 0.5


@dataclass(frozen=True, slots=True)
class ToothRow:
    """Over x from -TABLE_REACH to TABLE_REACH: brightness (1 in the middle of a tooth) and how far the edge rises."""

    shade: Array
    rise: Array

    def at(self, x: Array) -> tuple[Array, Array]:
        """Brightness and rise at x, face coordinates."""
        index = np.clip((x + TABLE_REACH) * (TABLE_SIZE - 1) / (2 * TABLE_REACH), 0, TABLE_SIZE - 1).astype(np.int32)
        return self.shade[index], self.rise[index]


def tooth_row(widths: tuple[float, ...], arch: float, rounding: float, gap_shade: float) -> ToothRow:
    """A row of teeth. Gaps are only a little darker: strong ones look like a comb."""
    xs = np.linspace(-TABLE_REACH, TABLE_REACH, TABLE_SIZE, dtype=np.float32)
    edges = np.concatenate([[0.0], np.cumsum(widths)])
    tooth = np.clip(np.searchsorted(edges, np.abs(xs), side="right") - 1, 0, len(widths) - 1)
    within = np.clip((np.abs(xs) - edges[tooth]) / np.array(widths)[tooth], 0, 1)
    from_middle = np.abs(within - 0.5) * 2
    shade = 1 - gap_shade * smoothstep(0.72, 1.0, from_middle) * (1 + 0.6 * tooth / len(widths)) - 0.03 * (tooth % 2)
    rise = arch * np.square(xs / 0.35) + rounding * from_middle**4 + 0.008 * (tooth == 1)
    return ToothRow(shade.astype(np.float32), rise.astype(np.float32))


UPPER_ROW: Final = tooth_row(UPPER_WIDTHS, arch=0.035, rounding=0.006, gap_shade=0.13)
LOWER_ROW: Final = tooth_row(LOWER_WIDTHS, arch=0.024, rounding=0.006, gap_shade=0.16)
