"""Formulas on pictures: what must not change does not, what must change does, and no edge or flicker gives it away.

Pictures are (height, width, 3) uint8 BGR, masks (height, width) bool. Levels are grey levels of 255.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.face.frame import CHIN, FACE_OVAL, INNER_LOWER, INNER_UPPER, FaceFrame
from avatars.quality.metrics import opening_iod

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]

GRID: Final = 8
CONTOUR_ASIDE_PX: Final = 6

# Texture is judged at one size of the face, on mouths open enough to show some.
TEXTURE_IOD_PX: Final = 60.0
TEXTURE_SIGMA_PX: Final = 1.5
TEXTURE_OPENING_IOD: Final = 0.10
TEXTURE_EDGE_PX: Final = 2
CHEEKS: Final = (205, 425, 50, 280)

SSIM_SIGMA_PX: Final = 1.5
SSIM_MEAN: Final = (0.01 * 255) ** 2
SSIM_CONTRAST: Final = (0.03 * 255) ** 2

FOLLOWED_MIN_PX: Final = 3

MOUTH_REACH_X_IOD: Final = 1.40
# Above the middle of the eyes.
LIDS_IOD: Final = 0.25
CHIN_REACH_IOD: Final = 0.85
BROWS_IOD: Final = 0.42


def moving_region(landmarks: NDArray[np.float32], shape: tuple[int, int]) -> Mask:
    """What a speaking mouth may move: from the lids, which a smile that is taken back lowers, to the neck, and aside."""
    frame = FaceFrame.of(landmarks)
    rows, columns = np.indices(shape, np.float32)
    pixels = np.stack([columns, rows], axis=-1)
    local = frame.to_face(pixels)
    chin = float(frame.to_face(landmarks[CHIN : CHIN + 1, :2])[0, 1])
    below_lids = (pixels - frame.eyes_middle) @ frame.down > -LIDS_IOD * frame.iod_px
    return np.asarray(
        (np.abs(local[..., 0]) < MOUTH_REACH_X_IOD) & below_lids & (local[..., 1] < chin + CHIN_REACH_IOD)
    )


def upper_face(landmarks: NDArray[np.float32], shape: tuple[int, int]) -> Mask:
    """Brows and forehead: the face above what a speaking mouth may move."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [landmarks[list(FACE_OVAL), :2].round().astype(np.int32)], 1)
    return (mask > 0) & ~moving_region(landmarks, shape)


def forehead(landmarks: NDArray[np.float32], shape: tuple[int, int]) -> Mask:
    """Still skin: the face above the brows."""
    frame = FaceFrame.of(landmarks)
    rows, columns = np.indices(shape, np.float32)
    offset = np.stack([columns, rows], axis=-1) - frame.eyes_middle
    return upper_face(landmarks, shape) & (offset @ frame.down < -BROWS_IOD * frame.iod_px)


def around(matte: Picture, margin_px: float) -> Mask:
    """What lies outside a matte (height, width) widened by a margin."""
    size = 2 * round(margin_px) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(cv2.dilate((matte > 0).astype(np.uint8), kernel) == 0)


def changed_share(first: Picture, second: Picture, mask: Mask) -> float:
    """The share of the pixels in a mask that are not exactly the same in both pictures."""
    if not mask.any():
        return float("nan")
    if cv2.norm(first, second, cv2.NORM_INF, mask.view(np.uint8)) == 0:
        return 0.0
    return float((first != second).any(axis=-1)[mask].mean())


def psnr_db(first: Picture, second: Picture, mask: Mask) -> float:
    """Peak signal to noise in a mask, in dB; at most 100, which stands for identical."""
    if not mask.any():
        return float("nan")
    error = np.square(first[mask].astype(np.float64) - second[mask]).mean()
    return float(min(100.0, 10 * np.log10(255**2 / max(float(error), 1e-12))))


def ssim(first: Picture, second: Picture, mask: Mask) -> float:
    """Mean structural similarity of the grey pictures in a mask (Wang et al. 2004, Gaussian window of 1.5 pixels)."""
    if not mask.any():
        return float("nan")
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    one, two = (cv2.cvtColor(each[box], cv2.COLOR_BGR2GRAY).astype(np.float32) for each in (first, second))

    def mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), SSIM_SIGMA_PX), np.float32)

    mean_one, mean_two = mean(one), mean(two)
    varied = mean(one * one) - mean_one**2, mean(two * two) - mean_two**2
    together = mean(one * two) - mean_one * mean_two
    alike = (2 * mean_one * mean_two + SSIM_MEAN) * (2 * together + SSIM_CONTRAST)
    whole = (mean_one**2 + mean_two**2 + SSIM_MEAN) * (varied[0] + varied[1] + SSIM_CONTRAST)
    return float((alike / whole)[mask[box]].mean())


def difference_grid(first: Picture, second: Picture) -> NDArray[np.float32]:
    """The mean difference of two pictures in each cell of an 8 x 8 grid, (8, 8) in levels.

    Over a recording the most moved cell has about 0.1 in a still, 0.5 in silence and 2.5 to 10 while somebody talks.
    """
    apart = cv2.cvtColor(cv2.absdiff(first, second), cv2.COLOR_BGR2GRAY).astype(np.float32)
    return np.asarray(cv2.resize(apart, (GRID, GRID), interpolation=cv2.INTER_AREA), np.float32)


def flicker(first: Picture, second: Picture, mask: Mask) -> float:
    """The mean difference in a mask of skin that should be still, in levels."""
    return float(np.abs(first[mask].astype(np.int16) - second[mask]).mean()) if mask.any() else float("nan")


@dataclass(frozen=True, slots=True)
class Border:
    """The border of a region of a picture, and the same line 6 pixels inside and outside; masks (height, width)."""

    on: Mask
    inside: Mask
    outside: Mask

    @classmethod
    def of(cls, region: Mask) -> "Border":
        """The border of a region; where the region meets the edge of the picture there is none."""
        full = np.pad(region, 1, mode="edge").astype(np.uint8)
        out, within = (cv2.distanceTransform(each, cv2.DIST_L2, 5)[1:-1, 1:-1] for each in (1 - full, full))
        distance = np.where(region, -within, out)
        on, inside, outside = (np.abs(distance - aside) <= 1 for aside in (0, -CONTOUR_ASIDE_PX, CONTOUR_ASIDE_PX))
        return cls(np.asarray(on), np.asarray(inside), np.asarray(outside))


def followed(points: NDArray[np.float32], before: Picture, picture: Picture, reach_px: float) -> NDArray[np.float32]:
    """Where points (n, 2) of the picture before are in this one, by the pixels within `reach_px` of each (Lucas-Kanade).

    A mesh puts eyes and nose where it expects them of such a mouth; pixels that did not move show that they did not.
    """
    old, new = (cv2.cvtColor(each, cv2.COLOR_BGR2GRAY) for each in (before, picture))
    size = 2 * max(FOLLOWED_MIN_PX, round(reach_px)) + 1
    start = points.astype(np.float32).reshape(-1, 1, 2)
    found = cv2.calcOpticalFlowPyrLK(
        old,
        new,
        start,
        start.copy(),
        winSize=(size, size),
        maxLevel=1,
        criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 0.003),
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )[0]
    return np.asarray(found, np.float32).reshape(-1, 2)


def seam(picture: Picture, rest: Picture, border: Border) -> tuple[float, float]:
    """How much of an edge the border of the moving region is: (levels, dE).

    Both of the difference to the face at rest, so that edges of the photograph do not count: the mean gradient on the
    border less that 6 pixels to either side, and the colour step in CIE Lab from 6 pixels outside to 6 inside.
    """
    if not (border.on.any() and border.inside.any() and border.outside.any()):
        return float("nan"), float("nan")
    grey = [cv2.cvtColor(each, cv2.COLOR_BGR2GRAY).astype(np.float32) for each in (picture, rest)]
    change = grey[0] - grey[1]
    steep = np.hypot(cv2.Sobel(change, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(change, cv2.CV_32F, 0, 1, scale=0.125))
    edge = steep[border.on].mean() - (steep[border.inside].mean() + steep[border.outside].mean()) / 2
    step = _lab_change(picture, rest, border.inside) - _lab_change(picture, rest, border.outside)
    return float(edge), float(np.linalg.norm(step))


def _lab_change(picture: Picture, rest: Picture, mask: Mask) -> NDArray[np.float32]:
    """By how much the mean colour in a mask differs from that at rest, in CIE Lab."""
    lab = [cv2.cvtColor(each[mask][None].astype(np.float32) / 255, cv2.COLOR_BGR2LAB) for each in (picture, rest)]
    return np.asarray((lab[0] - lab[1]).mean(axis=(0, 1)), np.float32)


def oral_texture(picture: Picture, landmarks: NDArray[np.float32]) -> float:
    """How much detail the open mouth shows: mean of what a blur takes from its luma, over the luma of the cheeks.

    At an IOD of 60 pixels, so that pictures of different size compare. NaN where the mouth is not open.
    """
    if opening_iod(landmarks) < TEXTURE_OPENING_IOD:
        return float("nan")
    frame = FaceFrame.of(landmarks)
    scale = TEXTURE_IOD_PX / frame.iod_px
    points = (landmarks[:, :2] - frame.origin) * scale + 64
    reach = int(64 / scale) + 8
    left, top = (max(0, int(value) - reach) for value in frame.origin)
    around_mouth = _softened(picture[top : top + 2 * reach, left : left + 2 * reach], scale)
    shift = 64 - scale * (frame.origin - np.array([left, top], np.float32))
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
    small = cv2.warpAffine(around_mouth, matrix, (128, 128), flags=cv2.INTER_CUBIC)
    grey = cv2.cvtColor(np.asarray(small, np.uint8), cv2.COLOR_BGR2GRAY).astype(np.float32)
    mask = np.zeros(grey.shape, np.uint8)
    contour = np.concatenate([points[list(INNER_UPPER)], points[list(INNER_LOWER)][::-1]])
    cv2.fillPoly(mask, [contour.round().astype(np.int32)], 1)
    last = np.array(picture.shape[1::-1]) - 1
    columns, lines = np.clip(landmarks[list(CHEEKS), :2].round().astype(int), 0, last).T
    light = float(picture[lines, columns].mean()) + 1
    # The edge of the lips is no detail of the mouth.
    inner = cv2.erode(mask, np.ones((2 * TEXTURE_EDGE_PX + 1, 1), np.uint8)) > 0
    detail = np.abs(grey - cv2.GaussianBlur(grey, (0, 0), TEXTURE_SIGMA_PX))
    return float(detail[inner].mean()) / light if inner.any() else float("nan")


def _softened(picture: Picture, scale: float) -> Picture:
    """The picture without what would alias when drawn at `scale`."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.5 / scale), np.uint8) if scale < 1 else picture
