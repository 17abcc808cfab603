"""The lips of an open mouth continued over its opening, as if it had never been open.

When parted lips are brought together, what stood between them must be nowhere left: neither the dark in the corners,
which do not move as far as the smile was wide, nor the edges of teeth along the seam. Where the lips of the source
touch, towards the corners of a mouth that is open in its middle only, their own line is the best there is: it stays.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.face.falloff import smoothstep
from avatars.engine.face.frame import FaceFrame
from avatars.engine.face.mouthline import MouthLine
from avatars.engine.face.sampling import sample

Picture = NDArray[np.uint8]
Array = NDArray[np.float32]

# The shadow along an opening belongs to it, wider towards the corners. Around the corners there is a rim, as wide again
# beyond them, of which only what is dark is covered. The lips, and the skin beside them, are looked at just outside of it.
SHADOW_IOD: Final = 0.020
CORNER_SHADOW_IOD: Final = 0.050
RIM_IOD: Final = 0.030
BEYOND_IOD: Final = 0.008
EDGE_IOD: Final = 0.012
BLUR_IOD: Final = 0.03
# The dark of a corner reaches further than the corner, at most so far.
CORNER_REACH: Final = 1.05
DARK_REACH_IOD: Final = 0.13
# How much darker than the skin made for its place is shadow, as shares of it; and skin so rough is bearded.
SHADOW_DEPTH: Final = (0.02, 0.10)
BEARD_ROUGHNESS: Final = (0.05, 0.12)
DARK_BLUR_IOD: Final = 0.012
PLACES: Final = 129
# Lips that are no further apart than the first within this share of the width touch; than the second, they are parted.
TOUCHING_IOD: Final = (0.010, 0.030)
NEAR: Final = 0.12
# What an open source shows between its lips is gone once so much of it has been relaxed.
HEALED_AT: Final = 0.35


def healed(picture: Picture, frame: FaceFrame, mouth: MouthLine) -> Picture:
    """The skin of the lips for where a picture's mouth is open: (height, width, 4) uint8, BGR and how much it covers."""
    half = mouth.half_width + DARK_REACH_IOD
    xs = np.linspace(-half, half, PLACES, dtype=np.float32)
    across = np.abs(xs) / mouth.half_width
    # Beyond the corners the curves go on level.
    shadow = SHADOW_IOD + (CORNER_SHADOW_IOD - SHADOW_IOD) * smoothstep(0.5, 0.9, across)
    rim = RIM_IOD * (smoothstep(0.55, 0.9, across) + smoothstep(1.0, 1.3, across))
    upper = np.interp(xs, mouth.xs, mouth.upper) - shadow
    lower = np.interp(xs, mouth.xs, mouth.lower) + shadow
    seen = [
        sample(picture, frame.to_pixels(np.stack([xs, line], axis=-1).astype(np.float32))[None])[0].astype(np.float32)
        for line in (upper - rim - BEYOND_IOD, lower + rim + BEYOND_IOD)
    ]
    lips = [_softened(line, BLUR_IOD * PLACES / (2 * half)) for line in seen]
    smooth = [
        1 - smoothstep(*BEARD_ROUGHNESS, _roughness(seen, lips, side * xs > mouth.half_width)) for side in (-1, 1)
    ]
    corners = np.array([[x, y] for x in (-half, half) for y in ((upper - rim).min(), (lower + rim).max())], np.float32)
    pixels = frame.to_pixels(corners)
    height, width = picture.shape[:2]
    left, top = np.clip(np.floor(pixels.min(axis=0)).astype(int) - 1, 0, (width - 1, height - 1))
    right, bottom = np.clip(np.ceil(pixels.max(axis=0)).astype(int) + 2, (left + 1, top + 1), (width, height))
    rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32)
    local = frame.to_face(np.stack([columns, rows], axis=-1))
    x, y = local[..., 0], local[..., 1]
    above, below, wider = (np.interp(x, xs, line) for line in (upper, lower, rim))
    share = np.clip((y - above + wider) / np.maximum(below - above + 2 * wider, 1e-3), 0, 1)[..., None]
    over, under = (np.stack([np.interp(x, xs, line[:, k]) for k in range(3)], axis=-1) for line in lips)
    made_of = np.asarray(over + (under - over) * share, np.float32)
    distance = np.abs(x) / mouth.half_width
    was = picture[top:bottom, left:right].astype(np.float32)
    dark = _darkness(was, made_of, DARK_BLUR_IOD * frame.iod_px)
    dark *= smoothstep(half, half - 0.06, np.abs(x)) * np.where(x < 0, *smooth)
    dark *= smoothstep(0, EDGE_IOD, y - above + wider) * smoothstep(0, EDGE_IOD, below + wider - y)
    opening = smoothstep(0, EDGE_IOD, y - above) * smoothstep(0, EDGE_IOD, below - y)
    opening *= smoothstep(CORNER_REACH + 0.09, CORNER_REACH, distance)
    amount = np.maximum(opening, dark) * np.interp(x, xs, _parted(mouth, xs))
    made = np.dstack([picture, np.zeros((height, width), np.uint8)])
    made[top:bottom, left:right] = np.clip(np.dstack([made_of, 255 * amount]) + 0.5, 0, 255).astype(np.uint8)
    return made


def heal(drawn: Picture, lips: Picture, places: Array, relax: float) -> None:
    """Cover what `drawn` (rows, columns, 3) shows between the lips, with what `healed` gave at `places` (rows, columns, 2).

    relax: how far the open source has been relaxed, 0..1.
    """
    fetched = sample(lips, places).astype(np.float32)
    cover = fetched[..., 3:] / 255 * smoothstep(0, HEALED_AT, relax)
    np.copyto(drawn, (drawn + (fetched[..., :3] - drawn) * cover + 0.5).astype(np.uint8))


def _softened(line: Array, sigma: float) -> Array:
    """The colours (PLACES, 3) along a line without what is finer than `sigma` places."""
    soft = cv2.GaussianBlur(line[None], (0, 0), sigma, sigmaY=0.1, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(soft[0], np.float32)


def _roughness(seen: list[Array], soft: list[Array], where: NDArray[np.bool_]) -> float:
    """How much the lines differ from what is left of them softened, as a share; the largest counts."""
    grains = (
        (line[where].mean(axis=1) + 10) / (even[where].mean(axis=1) + 10) for line, even in zip(seen, soft, strict=True)
    )
    return max(float(np.std(grain)) for grain in grains)


def _darkness(was: Array, made_of: Array, blur_px: float) -> Array:
    """How much of each pixel (rows, columns) is shadow, 0..1: darker than the skin that is made for its place."""
    skin = made_of.mean(axis=-1)
    dark = smoothstep(*SHADOW_DEPTH, (skin - was.mean(axis=-1)) / (skin + 10))
    return np.asarray(cv2.GaussianBlur(dark, (0, 0), max(0.5, blur_px)), np.float32)


def _parted(mouth: MouthLine, xs: Array) -> Array:
    """Whether the lips are parted at each place or close to it, 0..1; beyond a corner as they are in it."""
    gap = mouth.lower - mouth.upper
    reach = round(NEAR * len(gap) / 2)
    widest = cv2.dilate(gap[None], np.ones((1, 2 * reach + 1), np.uint8))[0]
    return smoothstep(*TOUCHING_IOD, np.interp(xs, mouth.xs, widest))
