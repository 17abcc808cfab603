"""The skin of a lid that an open eye hides under its fold, made from the skin around the eye.

Stretching what is seen above an eye down over it would drag brows, lashes and the frames of glasses along. A closed lid is
smooth: it has the colours from above and below the eye, column by column, and the grain of the cheek.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.face.eyes import LID_TRAVEL, Eye
from avatars.engine.face.falloff import smoothstep
from avatars.engine.face.palette import LUMA_BGR

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]

# Lengths are in eye widths.
HALF_WIDTH: Final = 0.6
PLACES: Final = 25
BESIDE: Final = 0.05
BLUR_PLACES: Final = 2.0
LEAST_BAND: Final = 0.1
BELOW_EYE: Final = (0.08, 0.34)
# Between these percentiles of brightness pixels are skin: darker are lashes, brows and frames, brighter are gleams.
SKIN_PERCENTILES: Final = (50, 85)
PIXELS_MIN: Final = 3
# How much of the colour comes from above the eye; less where that is so much darker or brighter that it is no skin.
SHARE_ABOVE: Final = (0.45, 0.80)
TOO_DARK: Final = (0.35, 0.80)
TOO_BRIGHT: Final = (1.3, 1.8)
# At the lashes the lid is more like the skin below the eye, under the fold more like that above.
SHARE_AT: Final = (0.65, 1.15)
GRAIN_BELOW: Final = 0.12
GRAIN_BLUR: Final = 0.035
GRAIN_MOST: Final = 8.0


def lid_skin(picture: Picture, eye: Eye) -> Picture:
    """The closed lid of an eye over its box, (rows, columns, 3) uint8 BGR."""
    above, below = eye.upper - eye.y, eye.y - eye.lower
    patch = picture[eye.box].astype(np.float32)
    band = (above > 0.8 * eye.strip) & (above < np.maximum(0.95 * eye.zone, eye.strip + LEAST_BAND))
    over = _across(patch, eye.x, band)
    under = _across(patch, eye.x, (below > BELOW_EYE[0]) & (below < BELOW_EYE[1]))
    if over is None or under is None:
        return np.ascontiguousarray(picture[eye.box])
    ratio = (over @ LUMA_BGR) / np.maximum(under @ LUMA_BGR, 1)
    likely = smoothstep(*TOO_DARK, ratio) * (1 - smoothstep(*TOO_BRIGHT, ratio))
    closed = eye.upper + LID_TRAVEL * eye.travel
    height = np.clip((closed - eye.y) / np.maximum(closed - eye.upper + eye.fold_share * eye.zone, 0.05), 0, 1)
    share = SHARE_ABOVE[0] + (SHARE_ABOVE[1] - SHARE_ABOVE[0]) * likely
    at = np.linspace(-HALF_WIDTH, HALF_WIDTH, PLACES)
    over, under, share = (_spread(values, at, eye.x) for values in (over, under, share[:, None]))
    share = np.clip(share * (SHARE_AT[0] + (SHARE_AT[1] - SHARE_AT[0]) * height)[..., None], 0, 1)
    made = under + (over - under) * share + _grain(picture, eye, closed)
    return np.ascontiguousarray(np.clip(made + 0.5, 0, 255).astype(np.uint8))


def _across(patch: Array, x: Array, band: NDArray[np.bool_]) -> Array | None:
    """The colour of the skin in a band along the eye: (PLACES, 3) float32. None where the picture has none of it."""
    places = np.linspace(-HALF_WIDTH, HALF_WIDTH, PLACES)
    colours = np.full((PLACES, 3), np.nan, np.float32)
    luma = patch @ LUMA_BGR
    for index, place in enumerate(places):
        here = band & (np.abs(x - place) < BESIDE)
        if int(here.sum()) >= PIXELS_MIN:
            low, high = np.percentile(luma[here], SKIN_PERCENTILES)
            colours[index] = patch[here & (luma >= low) & (luma <= high)].mean(axis=0)
    known = ~np.isnan(colours[:, 0])
    if not known.any():
        return None
    filled = np.stack([np.interp(places, places[known], colours[known, channel]) for channel in range(3)], axis=-1)
    soft = cv2.GaussianBlur(filled.astype(np.float32), (1, 0), 0.1, sigmaY=BLUR_PLACES, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(soft, np.float32)


def _spread(values: Array, at: NDArray[np.floating], x: Array) -> Array:
    """What is known at some places along the eye, for each pixel: (rows, columns, channels)."""
    return np.stack([np.interp(x, at, channel) for channel in values.T], axis=-1).astype(np.float32)


def _grain(picture: Picture, eye: Eye, closed: Array) -> Array:
    """The fine structure of the skin below the eye, mirrored up to where the closed lid is."""
    soft = cv2.GaussianBlur(picture, (0, 0), max(0.6, GRAIN_BLUR * eye.width_px)).astype(np.float32)
    down = (eye.lower + GRAIN_BELOW + np.abs(closed - eye.y) - eye.y) * eye.width_px
    rows, columns = eye.x.shape
    map_x = eye.left + np.arange(columns)[None] - down * eye.axis[1]
    map_y = eye.top + np.arange(rows)[:, None] + down * eye.axis[0]
    grain = cv2.remap(
        picture.astype(np.float32) - soft,
        *(map_x.astype(np.float32), map_y.astype(np.float32)),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    return np.asarray(np.clip(grain, -GRAIN_MOST, GRAIN_MOST), np.float32)
