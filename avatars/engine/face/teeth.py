"""Teeth: a drawn row of human proportions, and the person's own where the source shows them."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.face.falloff import smoothstep
from avatars.engine.face.frame import FaceFrame
from avatars.engine.face.mouthline import MouthLine
from avatars.engine.face.palette import LUMA_BGR, Palette

Array = NDArray[np.float32]

# Widths from the midline outwards, anatomy over an eye distance of 63 mm.
UPPER_WIDTHS: Final = (0.128, 0.098, 0.088, 0.066, 0.055, 0.045)
LOWER_WIDTHS: Final = (0.080, 0.085, 0.082, 0.066, 0.060, 0.050)
UPPER_EDGE: Final = 0.050
UPPER_HEIGHT: Final = 0.150
TABLE_SIZE: Final = 256
TABLE_REACH: Final = 0.5
INCISAL_COLUMNS: Final = 41


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


UPPER_ROW: Final = tooth_row(UPPER_WIDTHS, arch=0.035, rounding=0.010, gap_shade=0.13)
LOWER_ROW: Final = tooth_row(LOWER_WIDTHS, arch=0.024, rounding=0.006, gap_shade=0.16)


def own_teeth(picture: NDArray[np.uint8], frame: FaceFrame, mouth: MouthLine, palette: Palette) -> Array | None:
    """Where the source shows the person's own upper teeth: an alpha map (height, width) float32, or None.

    Cut at the incisal edge, so that lower teeth and dark crumbs stay out.
    """
    if not mouth.is_open:
        return None
    height, width = picture.shape[:2]
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    local = frame.to_face(np.stack([columns, rows], axis=-1))
    x, y = local[..., 0], local[..., 1]
    across = np.abs(x) / mouth.half_width
    upper = np.interp(x, mouth.xs, mouth.upper)
    lower = np.interp(x, mouth.xs, mouth.lower)
    luma = picture.astype(np.float32) @ LUMA_BGR
    tooth_luma = float(palette.tooth @ LUMA_BGR)
    redness = picture[..., 2].astype(np.float32) / np.maximum(picture[..., 1], 1)
    skin_redness = float(palette.skin[2] / palette.skin[1])
    inside = (across < 1) & (y > upper) & (y < lower)
    bright = inside & (luma > 0.55 * tooth_luma) & (redness <= 1.04 * skin_redness)
    if bright.sum() < 0.25 * max(1, inside.sum()):
        return None
    edge = _incisal_edge(bright, x, y, mouth, frame.iod_px)
    if edge is None:
        return None
    alpha = (
        smoothstep(0.002, 0.016, y - upper)
        * smoothstep(0.008, -0.010, y - np.polyval(edge, x))
        * smoothstep(0.45, 0.65, luma / tooth_luma)
        * smoothstep(1.03, 0.86, across)
        * inside
    )
    return np.asarray(cv2.GaussianBlur(alpha, (0, 0), max(0.5, 0.006 * frame.iod_px)), np.float32)


def _incisal_edge(
    bright: NDArray[np.bool_], x: Array, y: Array, mouth: MouthLine, iod_px: float
) -> NDArray[np.float64] | None:
    """A parabola through the lower ends of the first bright run of each column, robust against outliers."""
    xs, ends = [], []
    # On a small face a row of pixels is higher than the gap that ends a tooth, and a column is narrower than a pixel.
    gap = max(0.03, 1.6 / iod_px)
    half_column = max(0.75 * mouth.half_width / INCISAL_COLUMNS, 0.6 / iod_px)
    for centre in np.linspace(-0.75, 0.75, INCISAL_COLUMNS) * mouth.half_width:
        column = np.abs(x - centre) < half_column
        heights = np.sort(y[column & bright])
        if len(heights) < 3:
            continue
        breaks = np.flatnonzero(np.diff(heights) > gap)
        xs.append(centre)
        ends.append(heights[breaks[0]] if len(breaks) else heights[-1])
    if len(xs) < 7:
        return None
    weights = np.ones(len(xs))
    fit = np.zeros(3)
    for _ in range(6):
        fit = np.polyfit(xs, ends, 2, w=weights)
        weights = 1 / (1 + np.abs(np.polyval(fit, xs) - ends) / 0.012)
    return np.asarray(fit, np.float64)
