"""Eyes and mouth of a drawn face, found by their colour: what is neither painted like the skin nor part of the edge.

A drawing has flat paint and strong lines, so what stands out from the skin in one piece is an eye or a mouth, exactly
as its artist drew it; the mesh of a human face is only a guess at that.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.build.points import IRIS_SHARE
from avatars.build.thinplate import ThinPlate
from avatars.engine.face.eyes import LEFT_EYE, RIGHT_EYE, EyeIds
from avatars.engine.face.frame import CHIN, FACE_OVAL, INNER_LOWER, INNER_UPPER, OUTER_LOWER, OUTER_UPPER, FaceFrame
from avatars.engine.face.mouthline import CLOSED_GAP_IOD
from avatars.engine.face.palette import commonest_skin
from avatars.engine.perception import lip_opening_iod
from avatars.engine.portrait import Kind

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

FLAT_SIDE_PX: Final = 256
FLAT_REACH_PX: Final = 4
FLAT_BLUR_PX: Final = 1.2
FLAT_RANGE: Final = 0.03
"""Paint is flat where it differs by so little of the face's own contrast as far as one reaches."""
FLAT_RANGE_MIN: Final = 1.5
FLAT_SHARE: Final = 0.23
"""More of a drawn face is flat: a third at least, a quarter after JPEG. Of photographs it is a fifth at most, as of a
half in the dark; of grey ones no more than of others."""
BURNT_OUT: Final = (10, 250)
BURNT_OUT_MAX: Final = 0.7
"""White and black say nothing of a photograph, which has lost its shades there, unless there is hardly anything else."""
STANDS_OUT_LAB: Final = 22.0
EYE_REACH_IOD: Final = 0.75
EYE_NEAR_IOD: Final = 0.16
EYE_MIN_IOD: Final = 0.08
NOSE_BASE, MOUTH_LEFT, MOUTH_RIGHT = 2, 61, 291
MOUTH_BESIDE_IOD: Final = 0.15
MOUTH_WIDTH_MIN_IOD: Final = 0.15
PIECE_MIN_IOD: Final = 0.03
WHOLLY: Final = 0.93
AGREEMENT_IOD: Final = 0.12
LINE_LAB: Final = 6.0
LINE_PX: Final = 2
LIP_IOD: Final = 0.03
"""A drawn mouth has no lips: this much beside its edge goes along with it."""
EYE_MARGIN: Final = 0.05
BROW_ABOVE: Final = 0.35
"""Where the brow is put above the upper lid, in eye widths."""


def kind_of(picture: NDArray[np.uint8], landmarks: Array, *, marked: bool) -> Kind:
    """Tell what sort of face a source picture shows: flat paint is a drawing, what had to be marked is an animal."""
    if _flat_share(picture, landmarks) > FLAT_SHARE:
        return Kind.DRAWING
    return Kind.ANIMAL if marked else Kind.PHOTO


def _flat_share(picture: NDArray[np.uint8], landmarks: Array) -> float:
    """Return how much of a face, within its outline, is flat paint: 0..1. Whether it has colours does not matter."""
    low = np.clip(landmarks[:, :2].min(axis=0), 0, (picture.shape[1] - 1, picture.shape[0] - 1)).astype(int)
    high = np.maximum(landmarks[:, :2].max(axis=0).astype(int), low + 1)
    face = picture[low[1] : high[1] + 1, low[0] : high[0] + 1]
    scale = FLAT_SIDE_PX / max(face.shape[:2])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    face = np.asarray(cv2.resize(face, None, fx=scale, fy=scale, interpolation=way), np.uint8)
    outline = np.zeros(face.shape[:2], np.uint8)
    cv2.fillPoly(outline, [((landmarks[list(FACE_OVAL), :2] - low) * scale).round().astype(np.int32)], (1,))
    judged = outline > 0
    burnt_out = (face.max(axis=2) <= BURNT_OUT[0]) | (face.min(axis=2) >= BURNT_OUT[1])
    if burnt_out[judged].mean() < BURNT_OUT_MAX:
        judged &= ~burnt_out
    soft = cv2.GaussianBlur(face.astype(np.float32), (0, 0), FLAT_BLUR_PX)
    around = np.ones((2 * FLAT_REACH_PX + 1, 2 * FLAT_REACH_PX + 1), np.uint8)
    spread = (cv2.dilate(soft, around) - cv2.erode(soft, around)).max(axis=2)
    darkest, brightest = np.percentile(soft[judged], (5, 95))
    return float((spread[judged] <= max(FLAT_RANGE_MIN, FLAT_RANGE * float(brightest - darkest))).mean())


def fitted_to_drawing(picture: NDArray[np.uint8], landmarks: Array, *, marked: bool) -> Array:
    """Return the mesh (478, 3) with lids, irises and lips where the drawing has them.

    marked: the face was marked by hand, so that an eye of which nothing is found there is an eye that is not to be
    seen; its lids are laid on each other, and nothing of it will move.
    """
    frame = FaceFrame.of(landmarks)
    lab = cv2.cvtColor(picture, cv2.COLOR_BGR2LAB).astype(np.float32)
    stands_out = np.linalg.norm(lab - commonest_skin(lab, landmarks), axis=2) > STANDS_OUT_LAB
    local = _face_coordinates(picture.shape[:2], frame)
    fitted = landmarks.copy()
    mouth = _mouth(lab, stands_out, local, frame, landmarks)
    if mouth is not None and not (marked or _at_the_lips(mouth, local, frame, landmarks)):
        mouth = None
    # Lips that are shaded keep the mesh's line between them; in flat paint an open mouth has no lips but its edge.
    flat = kind_of(picture, landmarks, marked=marked) is Kind.DRAWING
    edged = marked or (flat and lip_opening_iod(landmarks) > CLOSED_GAP_IOD)
    if mouth is not None and (edged or not _agrees(mouth, local, frame, landmarks)):
        fitted = _with_mouth(fitted, frame, local, mouth)
    for ids in (LEFT_EYE, RIGHT_EYE):
        eye = _eye(stands_out, local, frame, landmarks, ids)
        if eye is not None:
            _place_eye(fitted, frame, ids, local, eye)
        elif marked:
            middle = landmarks[[ids.upper[0], ids.upper[-1]], :2].mean(axis=0)
            fitted[list(ids.upper[1:-1] + ids.lower[1:-1]), :2] = middle
    return fitted


def _face_coordinates(shape: tuple[int, ...], frame: FaceFrame) -> Array:
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    return frame.to_face(np.stack([columns, rows], axis=-1))


def _pieces(mask: Mask) -> tuple[int, NDArray[np.int32], NDArray[np.int32]]:
    """Return how many pieces a mask has (0 is what is outside), which each pixel belongs to, and their sizes."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    return count, np.asarray(labels, np.int32), np.asarray(stats[:, cv2.CC_STAT_AREA], np.int32)


def _eye(stands_out: Mask, local: Array, frame: FaceFrame, landmarks: Array, ids: EyeIds) -> Mask | None:
    """Return the pixels of one eye: the largest piece at its mark that ends within reach."""
    mark = frame.to_face(landmarks[[ids.upper[0], ids.upper[-1]], :2]).mean(axis=0)
    distance = np.hypot(local[..., 0] - mark[0], local[..., 1] - mark[1])
    count, labels, sizes = _pieces(stands_out)
    near = np.bincount(labels[distance < EYE_NEAR_IOD], minlength=count)
    far = np.bincount(labels[distance > EYE_REACH_IOD], minlength=count)
    fits = (near > 0) & (far == 0) & (sizes > (EYE_MIN_IOD * frame.iod_px) ** 2)
    fits[0] = False
    if not fits.any():
        return None
    return np.asarray(labels == int(np.where(fits, near, 0).argmax()))


def _place_eye(landmarks: Array, frame: FaceFrame, ids: EyeIds, local: Array, eye: Mask) -> None:
    """Move the lids, the brow and the iris of one eye to its drawing, in place."""
    xs, ys = local[eye][:, 0], local[eye][:, 1]
    margin = EYE_MARGIN * float(np.ptp(xs))
    low, high = float(xs.min()) - margin, float(xs.max()) + margin
    width = high - low
    # Denser towards the corners, where a round eye is steep.
    columns = ((low + high) / 2 - width / 2 * np.cos(np.linspace(0, np.pi, len(ids.upper)))).astype(np.float32)
    upper, lower = _edges(xs, ys, columns, 0.06 * width)
    upper, lower = upper - np.float32(margin), lower + np.float32(margin)
    middle_y = np.float32((upper[[0, -1]] + lower[[0, -1]]).mean() / 2)
    upper[[0, -1]] = lower[[0, -1]] = middle_y
    landmarks[list(ids.upper), :2] = frame.to_pixels(np.stack([columns, upper], axis=-1))
    landmarks[list(ids.lower), :2] = frame.to_pixels(np.stack([columns, lower], axis=-1))
    brow = np.linspace(low, high, len(ids.brow), dtype=np.float32)
    above = np.interp(brow, columns, upper) - BROW_ABOVE * width
    landmarks[list(ids.brow), :2] = frame.to_pixels(np.stack([brow, above], axis=-1).astype(np.float32))
    centre = np.array([xs.mean(), ys.mean()], np.float32)
    ring = np.array([(0, 0), (1, 0), (0, -1), (-1, 0), (0, 1)], np.float32) * np.float32(IRIS_SHARE * width)
    landmarks[ids.iris : ids.iris + 5, :2] = frame.to_pixels(centre + ring)


def _mouth(lab: Array, stands_out: Mask, local: Array, frame: FaceFrame, landmarks: Array) -> Mask | None:
    """Return the pixels of the drawn mouth, None where there is none in the place for it.

    Where the mouth runs into something else that stands out, a scarf for example, its flat areas are told apart by the
    lines between them, and those are taken that lie wholly in the mouth's place.
    """
    corners = frame.to_face(landmarks[[MOUTH_LEFT, MOUTH_RIGHT], :2])
    # A mouth may rise towards one corner: the place follows the line between the corners.
    slope = float((corners[1, 1] - corners[0, 1]) / max(0.1, corners[1, 0] - corners[0, 0]))

    def level(points: Array) -> Array:
        return np.asarray(points[..., 1] - slope * points[..., 0] - (corners[0, 1] - slope * corners[0, 0]), np.float32)

    nose, chin = (float(level(frame.to_face(landmarks[name : name + 1, :2]))[0]) for name in (NOSE_BASE, CHIN))
    place = (local[..., 0] > corners[0, 0] - MOUTH_BESIDE_IOD) & (local[..., 0] < corners[1, 0] + MOUTH_BESIDE_IOD)
    place &= (level(local) > 0.7 * nose) & (level(local) < chin)
    flat = stands_out & (_steepness(lab) < LINE_LAB)
    for mask, grown_px in ((stands_out, 0), (flat, LINE_PX)):
        mouth = _widest(mask, place, local, frame)
        if mouth is None:
            continue
        if grown_px:
            size = (2 * grown_px + 1, 2 * grown_px + 1)
            grown = cv2.dilate(mouth.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, size))
            mouth = (grown > 0) & stands_out & place
        return mouth
    return None


def _steepness(lab: Array) -> Array:
    """Return how much the colour changes per pixel."""
    across, down = (cv2.Sobel(lab, cv2.CV_32F, dx, 1 - dx, ksize=3) / 8 for dx in (1, 0))
    return np.asarray(np.sqrt((across**2 + down**2).sum(axis=2)), np.float32)


def _widest(mask: Mask, place: Mask, local: Array, frame: FaceFrame) -> Mask | None:
    """Return the pieces of a mask that lie in the mouth's place and belong together, None where they are no mouth."""
    count, labels, sizes = _pieces(mask)
    inside = np.bincount(labels[place], minlength=count)
    kept = (inside > WHOLLY * sizes) & (sizes > (PIECE_MIN_IOD * frame.iod_px) ** 2)
    kept[0] = False
    if not kept.any():
        return None
    together = cv2.dilate(kept[labels].astype(np.uint8), np.ones((2 * LINE_PX + 1, 2 * LINE_PX + 1), np.uint8))
    _, groups, areas = _pieces(together > 0)
    areas[0] = 0
    mouth = kept[labels] & (groups == int(areas.argmax()))
    width, height = float(np.ptp(local[mouth][:, 0])), float(np.ptp(local[mouth][:, 1]))
    return mouth if width > MOUTH_WIDTH_MIN_IOD and width > height else None


def _at_the_lips(mouth: Mask, local: Array, frame: FaceFrame, landmarks: Array) -> bool:
    """Tell whether the middle of what was found is as high as the mesh's lips: a chin's line is not."""
    heights = frame.to_face(landmarks[list(OUTER_UPPER + OUTER_LOWER), :2])[:, 1]
    found = local[mouth][:, 1]
    return bool(heights.min() < (found.min() + found.max()) / 2 < heights.max())


def _agrees(mouth: Mask, local: Array, frame: FaceFrame, landmarks: Array) -> bool:
    """Tell whether the mesh's lips are what was found: then its inner lips are better than the outline of the paint."""
    lips = frame.to_face(landmarks[list(OUTER_UPPER + OUTER_LOWER), :2])
    found = local[mouth]
    boxes = [(points.min(axis=0), points.max(axis=0)) for points in (lips, found)]
    apart = max(float(np.abs(boxes[0][edge] - boxes[1][edge]).max()) for edge in (0, 1))
    return apart < AGREEMENT_IOD


def _with_mouth(landmarks: Array, frame: FaceFrame, local: Array, mouth: Mask) -> Array:
    """Return the mesh bent so that the inner lips are the edges of the drawn mouth."""
    xs, ys = local[mouth][:, 0], local[mouth][:, 1]
    columns = np.linspace(xs.min(), xs.max(), len(INNER_UPPER), dtype=np.float32)
    upper, lower = _edges(xs, ys, columns, float(np.ptp(xs)) / len(columns))
    upper[[0, -1]] = lower[[0, -1]] = (upper[[0, -1]] + lower[[0, -1]]) / 2
    source, target = [], []
    lines: list[tuple[tuple[int, ...], Array, float]] = [
        (INNER_UPPER, upper, 0.0), (INNER_LOWER[1:-1], lower[1:-1], 0.0),
        (OUTER_UPPER[1:-1], upper[1:-1], -LIP_IOD), (OUTER_LOWER[1:-1], lower[1:-1], LIP_IOD),
    ]  # fmt: skip
    for ids, edge, lip in lines:
        at = columns if len(ids) == len(columns) else columns[1:-1]
        source.append(landmarks[list(ids), :2])
        target.append(frame.to_pixels(np.stack([at, edge + np.float32(lip)], axis=-1)))
    still = [*LEFT_EYE.upper[::4], *RIGHT_EYE.upper[::4], CHIN, 4, 234, 454, 172, 397]
    source.append(landmarks[still, :2])
    target.append(landmarks[still, :2])
    fitted = landmarks.copy()
    warp = ThinPlate(np.concatenate(source), np.concatenate(target), stiffness=1e-4)
    fitted[:, :2] = warp(landmarks[:, :2])
    for (ids, _, _), places in zip(lines, target, strict=False):
        fitted[list(ids), :2] = places
    return fitted


def _edges(xs: Array, ys: Array, columns: Array, width: float) -> tuple[Array, Array]:
    """Return the highest and the lowest y of a piece about each of `columns`."""
    upper, lower = np.empty_like(columns), np.empty_like(columns)
    for index, column in enumerate(columns):
        here = ys[np.abs(xs - column) < max(width / 2, 0.01)]
        if not here.size:
            here = ys[np.abs(xs - column) <= np.abs(xs - column).min() + 0.01]
        upper[index], lower[index] = here.min(), here.max()
    return upper, lower
