"""The lips of an open mouth continued over its opening, as if it had never been open.

When parted lips are brought together, what stood between them must be nowhere left: neither the dark in the corners,
which do not move, nor the edges of teeth along the seam.
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

# The shadow along an opening belongs to it, wider towards the corners; the lips are looked at just beyond.
SHADOW_IOD: Final = 0.020
CORNER_SHADOW_IOD: Final = 0.050
BEYOND_IOD: Final = 0.008
EDGE_IOD: Final = 0.012
BLUR_IOD: Final = 0.03
# The dark of a corner reaches further than the corner.
CORNER_REACH: Final = 1.14
PLACES: Final = 129
# What an open source shows between its lips is gone once so much of it has been relaxed.
HEALED_AT: Final = 0.35


def healed(picture: Picture, frame: FaceFrame, mouth: MouthLine) -> Picture:
    """The skin of the lips for where a picture's mouth is open: (height, width, 4) uint8, BGR and how much it covers."""
    half = CORNER_REACH * mouth.half_width
    xs = np.linspace(-half, half, PLACES, dtype=np.float32)
    # Beyond the corners the curves go on level.
    shadow = SHADOW_IOD + (CORNER_SHADOW_IOD - SHADOW_IOD) * smoothstep(0.5, 0.9, np.abs(xs) / mouth.half_width)
    upper = np.interp(xs, mouth.xs, mouth.upper) - shadow
    lower = np.interp(xs, mouth.xs, mouth.lower) + shadow
    lips = [
        _along(picture, frame, xs, line, half)
        for line in ((upper - BEYOND_IOD).astype(np.float32), (lower + BEYOND_IOD).astype(np.float32))
    ]
    corners = np.array([[x, y] for x in (-half, half) for y in (upper.min(), lower.max())], np.float32)
    pixels = frame.to_pixels(corners)
    height, width = picture.shape[:2]
    left, top = np.clip(np.floor(pixels.min(axis=0)).astype(int) - 1, 0, (width - 1, height - 1))
    right, bottom = np.clip(np.ceil(pixels.max(axis=0)).astype(int) + 2, (left + 1, top + 1), (width, height))
    rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32)
    local = frame.to_face(np.stack([columns, rows], axis=-1))
    x, y = local[..., 0], local[..., 1]
    above, below = (np.interp(x, xs, line) for line in (upper, lower))
    share = np.clip((y - above) / np.maximum(below - above, 1e-3), 0, 1)[..., None]
    over, under = (np.stack([np.interp(x, xs, line[:, k]) for k in range(3)], axis=-1) for line in lips)
    amount = (
        smoothstep(0, EDGE_IOD, y - above)
        * smoothstep(0, EDGE_IOD, below - y)
        * smoothstep(CORNER_REACH, 1.05, np.abs(x) / mouth.half_width)
    )[..., None]
    made = np.dstack([picture, np.zeros((height, width), np.uint8)])
    lips_and_cover = np.dstack([over + (under - over) * share, 255 * amount])
    made[top:bottom, left:right] = np.clip(lips_and_cover + 0.5, 0, 255).astype(np.uint8)
    return made


def heal(drawn: Picture, lips: Picture, places: NDArray[np.float32], relax: float) -> None:
    """Cover what `drawn` (rows, columns, 3) shows between the lips, with what `healed` gave at `places` (rows, columns, 2).

    relax: how far the open source has been relaxed, 0..1.
    """
    fetched = sample(lips, places).astype(np.float32)
    cover = fetched[..., 3:] / 255 * smoothstep(0, HEALED_AT, relax)
    np.copyto(drawn, (drawn + (fetched[..., :3] - drawn) * cover + 0.5).astype(np.uint8))


def _along(
    picture: Picture, frame: FaceFrame, xs: NDArray[np.float32], ys: NDArray[np.float32], half: float
) -> NDArray[np.float32]:
    """The colours (PLACES, 3) float32 of a lip along a line, softened along it."""
    line = sample(picture, frame.to_pixels(np.stack([xs, ys], axis=-1))[None])[0].astype(np.float32)
    sigma = BLUR_IOD * PLACES / (2 * half)
    soft = cv2.GaussianBlur(line[None], (0, 0), sigma, sigmaY=0.1, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(soft[0], np.float32)
