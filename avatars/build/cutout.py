"""The character's matte and the background without it."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.perception import Perception, eye_distance_px
from avatars.engine.perception.matte import sharpened

PLATE_SCALE: Final = 4
PLATE_MARGIN_PX: Final = 6
PLATE_BLUR_PX: Final = 3.0
INPAINT_RADIUS_PX: Final = 3.0
SOLID: Final = 128
FACE_SHARE_MIN: Final = 0.85
SHARE_MAX: Final = 0.97
INNER_FACE: Final = (133, 362, 61, 291, 1)
INNER_SHARE_MIN: Final = 0.7
GRAB_SIDE_PX: Final = 192
GRAB_PASSES: Final = 4

FACE_OVAL: Final = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip


def oval_mask(landmarks: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the face's oval filled with 255, (height, width) uint8."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(landmarks[list(FACE_OVAL), :2].round().astype(np.int32)), (255,))
    return mask


def character_matte(
    picture: NDArray[np.uint8], landmarks: NDArray[np.float32], alpha: NDArray[np.uint8] | None
) -> tuple[NDArray[np.uint8], bool]:
    """Return the matte (height, width) uint8 and whether it can be trusted.

    The file's own transparency is best, then the person network, then a cut by colour around the face.
    """
    oval = oval_mask(landmarks, picture.shape[:2])
    if alpha is not None and _shows(alpha, landmarks):
        return alpha, True
    matte = _without_ghosts(Perception.shared().matte(picture), oval)
    if _plausible(matte, oval):
        return np.maximum(matte, oval), True
    matte = _without_ghosts(_grabbed(picture, landmarks), oval)
    return np.maximum(matte, oval), _plausible(matte, oval)


def clean_plate(picture: NDArray[np.uint8], matte: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture with the character painted over from what surrounds it.

    Only the rim that a moving head uncovers is ever seen, so a quarter of the size is enough.
    """
    height, width = matte.shape
    small_size = (max(8, width // PLATE_SCALE), max(8, height // PLATE_SCALE))
    margin = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * PLATE_MARGIN_PX + 1, 2 * PLATE_MARGIN_PX + 1))
    hole = cv2.dilate((matte > 8).astype(np.uint8) * 255, margin)
    small = cv2.resize(picture, small_size, interpolation=cv2.INTER_AREA)
    small_hole = (cv2.resize(hole, small_size, interpolation=cv2.INTER_AREA) > 0).astype(np.uint8)
    if small_hole.all():
        return picture.copy()
    painted = cv2.inpaint(small, small_hole, INPAINT_RADIUS_PX, cv2.INPAINT_TELEA)
    soft = cv2.GaussianBlur(cv2.resize(painted, (width, height), interpolation=cv2.INTER_LINEAR), (0, 0), PLATE_BLUR_PX)
    share = cv2.GaussianBlur(hole, (0, 0), PLATE_BLUR_PX)[:, :, None] / np.float32(255)
    # Farther out the plate is the picture itself: nothing changes where the character never is.
    share = np.maximum(share, (hole > 0).astype(np.float32)[:, :, None])
    return np.asarray((soft * share + picture * (1 - share)).round(), np.uint8)


def _shows(alpha: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> bool:
    """Tell whether a file's transparency leaves what is between eyes and chin, and hides anything at all.

    The mesh of a face in half profile reaches beyond the head, so its whole oval is no measure.
    """
    inner = np.zeros(alpha.shape, np.uint8)
    hull = cv2.convexHull(landmarks[list(INNER_FACE), :2].round().astype(np.int32))
    cv2.fillConvexPoly(inner, hull, (255,))
    inside = alpha[inner > 0]
    shown = float((inside > SOLID).mean()) if inside.size else 0.0
    return shown >= INNER_SHARE_MIN and float((alpha > SOLID).mean()) <= SHARE_MAX


def _plausible(matte: NDArray[np.uint8], oval: NDArray[np.uint8]) -> bool:
    inside = matte[oval > 0]
    in_face = float((inside > SOLID).mean()) if inside.size else 0.0
    return in_face >= FACE_SHARE_MIN and float((matte > SOLID).mean()) <= SHARE_MAX


def _without_ghosts(matte: NDArray[np.uint8], oval: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Keep the part of a matte that holds together with the face; other people and specks vanish."""
    count, labels = cv2.connectedComponents((matte > SOLID // 2).astype(np.uint8))
    if count <= 2:
        return matte
    faces = np.bincount(labels[(oval > 0) & (labels > 0)], minlength=count)
    if not faces.any():
        return matte
    kept = cv2.dilate((labels == int(faces.argmax())).astype(np.uint8), np.ones((9, 9), np.uint8))
    return np.asarray(matte * kept, np.uint8)


def _grabbed(picture: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Cut the head out by colour: surely the face, perhaps a wide ellipse around it, surely not the far corners."""
    height, width = picture.shape[:2]
    scale = GRAB_SIDE_PX / max(height, width)
    small = cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    flat = landmarks[:, :2] * scale
    iod_px = eye_distance_px(landmarks) * scale
    low, high = flat.min(axis=0), flat.max(axis=0)
    centre = tuple(int(value) for value in ((low + high) / 2).round())
    axes = tuple(int(value) for value in ((high - low) / 2 + (0.7 * iod_px, 0.8 * iod_px)).round())
    labels = np.full(small.shape[:2], cv2.GC_BGD, np.uint8)
    cv2.ellipse(labels, centre, (int(axes[0] * 1.25), int(axes[1] * 1.2)), 0, 0, 360, (cv2.GC_PR_BGD,), -1)
    cv2.ellipse(labels, centre, axes, 0, 0, 360, (cv2.GC_PR_FGD,), -1)
    labels[oval_mask(landmarks * scale, small.shape[:2]) > 0] = cv2.GC_FGD
    # A body usually stands below a head: the strip under the chin may belong to it.
    chin = int(flat[152, 1])
    strip = labels[chin:, max(0, centre[0] - axes[0]) : centre[0] + axes[0]]
    strip[strip == cv2.GC_BGD] = cv2.GC_PR_FGD
    if np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).all():
        # A head that leaves no background anywhere cannot be told from one.
        return np.full((height, width), 255, np.uint8)
    model = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(1)
    cv2.grabCut(small, labels, (0, 0, 1, 1), model[0], model[1], GRAB_PASSES, cv2.GC_INIT_WITH_MASK)
    solid = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    soft = cv2.GaussianBlur(cv2.resize(solid, (width, height), interpolation=cv2.INTER_LINEAR), (0, 0), 0.006 * height)
    return sharpened(np.asarray(soft, np.float32), picture)
