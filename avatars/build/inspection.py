"""Is this face fit to become an avatar? Refusals for what cannot work, measures of what could be better."""

from dataclasses import dataclass, field
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.build.refusal import BuildRefused
from avatars.engine.face.frame import INNER_LOWER, INNER_UPPER, OUTER_LOWER, OUTER_UPPER, FaceFrame
from avatars.engine.perception import Face
from avatars.engine.portrait import Kind

YAW_MAX_DEG: Final = 33.0
"""Up to here lips close as well as from the front; beyond, their far corner is out of sight and only guessed."""
FACE_MIN_PX: Final = 96.0
CUT_OFF_SHARE: Final = 0.08
"""So much of the mesh may lie beyond the picture: close-ups lose a forehead, which is up to a twentieth."""

NO_FACE: Final = (
    "Parlo found no face in this picture. Choose a picture that shows one from the front, "
    "or place six points on it: both eyes, the mouth's corners and middle, and the chin."
)

_FOREHEAD_TOP, _CHIN = 10, 152
# Skin that a covered mouth leaves free, skin around the mouth, and the lips themselves.
_UPPER_SKIN: Final = (6, 195, 117, 346, 50, 280, 101, 330)
_LOWER_SKIN: Final = (199, 200, 18, 204, 424, 182, 406, 214, 434, 216, 436)
_LIPS: Final = (0, 37, 267, 17, 84, 314, 85, 315, 72, 302)
_LEFT_CHEEK: Final = (50, 101, 118, 205, 187)
_RIGHT_CHEEK: Final = (280, 330, 347, 425, 411)
COVERED_SKIN_LAB: Final = 16.0
COVERED_LIPS_LAB: Final = 5.0
SKIN_LIPS_LAB: Final = 4.0
SKIN_LIPS_LIGHT: Final = 7.0
COLOURFUL_LAB: Final = 6.0
HIGHLIGHTS_PERCENTILE: Final = 90

TRACE_COLUMNS: Final = 25
TRACE_HALVES: Final = (slice(3, 10), slice(15, 22))
TRACE_ROWS: Final = 61
TRACE_BLUR_IOD: Final = 0.01
TRACE_LIPS_IOD: Final = 0.03
TRACE_LINE_IOD: Final = 0.035
TRACE_GREY_MIN: Final = 8.0
NO_TRACE: Final = 0.03
"""How much darker the line between two lips is at least; the faintest of 160 faces has two to three times as much."""
CLEAR_TRACE: Final = 0.25

# The ring of skin beneath an eye, which glasses hide together with it, and skin that they leave free.
_UNDER_EYES: Final = (
    (110, 24, 23, 22, 26, 229, 230, 231, 118, 119),
    (339, 254, 253, 252, 256, 449, 450, 451, 347, 348),
)
_FREE_SKIN: Final = ((50, 280, 205, 425, 117, 346), (9, 151, 108, 337))
DARK_GLASSES: Final = 0.45
"""Beneath both eyes it is darker than cheeks and forehead: three tenths of them behind dark lenses, six behind tinted
ones that show the eyes and at least as much without."""
_LIDS: Final = (((33, 133), ((160, 144), (159, 145), (158, 153))), ((263, 362), ((387, 373), (386, 374), (385, 380))))


@dataclass(slots=True)
class Findings:
    """Sentences for the creator and numbers for the report."""

    warnings: list[str] = field(default_factory=list)
    measures: dict[str, Any] = field(default_factory=dict)


def chosen_face(faces: list[Face], findings: Findings) -> Face:
    """Return the face to animate: the largest. Raises `BuildRefused` where there is none."""
    if not faces:
        raise BuildRefused("needs_points", NO_FACE)
    if len(faces) > 1:
        findings.warnings.append(f"There are {len(faces)} faces in this picture; the largest one was taken.")
    return faces[0]


def inspect_face(picture: NDArray[np.uint8], face: Face, scale: float, kind: Kind, findings: Findings) -> None:
    """Judge a face found in a source picture drawn at `scale`. Raises `BuildRefused`."""
    height_px = _distance(face.landmarks, _CHIN, _FOREHEAD_TOP) / scale
    findings.measures |= {
        "presence": round(face.presence, 3),
        "pose_deg": [round(value, 1) for value in face.pose_deg],
        "iod_px": round(face.iod_px / scale, 1),
        "face_height_px": round(height_px, 1),
        "opening_iod": round(face.opening_iod, 4),
    }
    if height_px < FACE_MIN_PX:
        raise BuildRefused(
            "face_too_small",
            f"The face is only {height_px:.0f} pixels high and needs {FACE_MIN_PX:.0f}. "
            "Use a larger picture, or one taken from closer.",
        )
    if _cut_off_share(picture, face.landmarks) > CUT_OFF_SHARE:
        raise BuildRefused(
            "face_cut_off", "Part of the face lies beyond the picture's edge. Use a picture that shows the whole face."
        )
    if abs(face.pose_deg.yaw) > YAW_MAX_DEG:
        raise BuildRefused(
            "profile",
            f"The head is turned {abs(face.pose_deg.yaw):.0f} degrees aside. Use a picture taken from the front.",
        )
    # A drawn mouth may be anything, and is looked for elsewhere.
    half_hidden = kind is Kind.PHOTO and min(_lip_traces(picture, face.landmarks)) < NO_TRACE
    if half_hidden or mouth_covered(picture, face.landmarks):
        raise BuildRefused("mouth_covered", "The mouth is covered. Use a picture that shows the whole face.")
    measure_light(picture, face, findings)
    findings.measures["dark_glasses"] = _dark_glasses(picture, face.landmarks)


def _cut_off_share(picture: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> float:
    """Return how much of a mesh lies beyond its picture, in shares of its points."""
    xy = landmarks[:, :2]
    return float(((xy < 0) | (xy >= picture.shape[1::-1])).any(axis=1).mean())


def mouth_covered(picture: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> bool:
    """Tell whether something of another colour than skin hides the lips.

    A mask hides the lips in one colour with the chin, and that colour is not the skin's. A beard may do the same, but
    leaves the line between the lips; and grey pictures have no colour to judge by.
    """
    lab = cv2.cvtColor(picture, cv2.COLOR_BGR2LAB).astype(np.float32)
    upper, lower, lips = (_colour(lab, landmarks, ids) for ids in (_UPPER_SKIN, _LOWER_SKIN, _LIPS))
    other_skin = float(np.hypot(*(lower - upper)[1:]))
    hidden_lips = float(np.hypot(*(lips - lower)[1:]))
    if other_skin <= COVERED_SKIN_LAB or hidden_lips >= COVERED_LIPS_LAB:
        return False
    return max(_lip_traces(picture, landmarks)) < CLEAR_TRACE


def _lip_traces(picture: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> tuple[float, float]:
    """Return how much darker it is between the lips than on both of them, in the left and the right half: 0..1."""
    frame = FaceFrame.of(landmarks)
    lines = [frame.to_face(landmarks[list(ids), :2]) for ids in (OUTER_UPPER, INNER_UPPER, INNER_LOWER, OUTER_LOWER)]
    xs = np.linspace(lines[1][0, 0], lines[1][-1, 0], TRACE_COLUMNS)
    top, upper, lower, bottom = (np.interp(xs, line[:, 0], line[:, 1]) for line in lines)
    top, bottom = top - TRACE_LIPS_IOD, bottom + TRACE_LIPS_IOD
    down = np.linspace(0, 1, TRACE_ROWS)[:, None]
    ys = top + (bottom - top) * down
    at = frame.to_pixels(np.stack([np.broadcast_to(xs, ys.shape), ys], axis=-1).astype(np.float32))
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    soft = cv2.GaussianBlur(grey, (0, 0), max(0.5, TRACE_BLUR_IOD * frame.iod_px)).astype(np.float32)
    seen = cv2.remap(soft, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    between = (ys > upper - TRACE_LINE_IOD) & (ys < lower + TRACE_LINE_IOD)
    line = np.where(between, seen, np.inf).min(axis=0)
    lips = np.minimum(np.where(ys <= upper, seen, 0).max(axis=0), np.where(ys >= lower, seen, 0).max(axis=0))
    traces = (lips - line) / np.maximum(lips, TRACE_GREY_MIN)
    left, right = (float(np.median(traces[half])) for half in TRACE_HALVES)
    return left, right


def _dark_glasses(picture: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> bool:
    """Tell whether dark lenses hide both eyes: they hide the skin beneath them as well."""
    free = min(_brightness(picture, landmarks, ids) for ids in _FREE_SKIN)
    return max(_brightness(picture, landmarks, ids) for ids in _UNDER_EYES) < DARK_GLASSES * free


def _brightness(picture: NDArray[np.uint8], landmarks: NDArray[np.float32], ids: tuple[int, ...]) -> float:
    return float(_colour(picture.astype(np.float32), landmarks, ids).mean())


def _lids_apart(landmarks: NDArray[np.float32]) -> list[float]:
    """Return how far the lids of the left and of the right eye are apart, in widths of the eye."""
    return [
        float(np.mean([_distance(landmarks, *pair) for pair in pairs])) / max(_distance(landmarks, *corners), 1e-6)
        for corners, pairs in _LIDS
    ]


def _distance(landmarks: NDArray[np.float32], one: int, other: int) -> float:
    return float(np.hypot(*(landmarks[one, :2] - landmarks[other, :2])))


def lips_hidden(picture: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> bool:
    """Tell whether there is no trace of lips where they should be: a mask, or a hand, hides them.

    A hand has the colour and the lightness of the skin around it. Lips that are as pale are rare in one picture and do
    not occur in a whole clip, which is what this is for. Pictures without colour are not judged by lightness alone.
    """
    if mouth_covered(picture, landmarks):
        return True
    lab = cv2.cvtColor(picture, cv2.COLOR_BGR2LAB).astype(np.float32)
    skin, lips = (_colour(lab, landmarks, ids) for ids in (_LOWER_SKIN, _LIPS))
    colourful = float(np.hypot(*(skin[1:] - 128))) > COLOURFUL_LAB
    alike = float(np.hypot(*(lips - skin)[1:])) < SKIN_LIPS_LAB and abs(float(lips[0] - skin[0])) < SKIN_LIPS_LIGHT
    return colourful and alike


def _colour(lab: NDArray[np.float32], landmarks: NDArray[np.float32], ids: tuple[int, ...]) -> NDArray[np.float32]:
    height, width = lab.shape[:2]
    xy = landmarks[list(ids), :2].round().astype(int)
    samples = lab[np.clip(xy[:, 1], 0, height - 1), np.clip(xy[:, 0], 0, width - 1)]
    return np.asarray(np.median(samples, axis=0), np.float32)


def measure_light(picture: NDArray[np.uint8], face: Face, findings: Findings) -> None:
    """Note light and sharpness of a face in a picture, and how far its eyes are open."""
    left, top, width, height = (int(value) for value in face.box)
    region = picture[max(0, top) : top + height, max(0, left) : left + width]
    grey = cv2.cvtColor(region, cv2.COLOR_BGR2GRAY)
    # Sharpness is judged at one face size, or large blurred faces would pass and small sharp ones fail.
    norm = cv2.resize(grey, (128, 160), interpolation=cv2.INTER_AREA).astype(np.float32)
    contrast = float(norm.std()) or 1.0
    sharpness = float(np.abs(cv2.Laplacian(norm, cv2.CV_32F)).mean()) / contrast * 10
    lab = cv2.cvtColor(picture, cv2.COLOR_BGR2LAB).astype(np.float32)
    cheeks = [max(1.0, float(_colour(lab, face.landmarks, ids)[0])) for ids in (_LEFT_CHEEK, _RIGHT_CHEEK)]
    findings.measures |= {
        "brightness": round(float(np.median(grey)), 1),
        "highlights": round(float(np.percentile(grey, HIGHLIGHTS_PERCENTILE)), 1),
        "side_light": round(max(cheeks) / min(cheeks), 2),
        "sharpness": round(sharpness, 2),
        "lids_apart": [round(apart, 2) for apart in _lids_apart(face.landmarks)],
    }
