"""Is this face fit to become an avatar? Refusals for what cannot work, measures of what could be better."""

from dataclasses import dataclass, field
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.build.refusal import BuildRefused
from avatars.engine.perception import Face

YAW_MAX_DEG: Final = 30.0
FACE_MIN_PX: Final = 96.0

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


def inspect_face(picture: NDArray[np.uint8], face: Face, scale: float, findings: Findings) -> None:
    """Judge a face found in a source picture drawn at `scale`. Raises `BuildRefused`."""
    height_px = float(np.hypot(*(face.landmarks[_CHIN, :2] - face.landmarks[_FOREHEAD_TOP, :2]))) / scale
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
    if abs(face.pose_deg.yaw) > YAW_MAX_DEG:
        raise BuildRefused(
            "profile",
            f"The head is turned {abs(face.pose_deg.yaw):.0f} degrees aside. Use a picture taken from the front.",
        )
    if mouth_covered(picture, face.landmarks):
        raise BuildRefused("mouth_covered", "The mouth is covered. Use a picture that shows the whole face.")
    measure_light(picture, face, findings)


def mouth_covered(picture: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> bool:
    """Tell whether something of another colour than skin hides the lips.

    A mask hides the lips in one colour with the chin, and that colour is not the skin's. A beard leaves the lips
    different from what surrounds them, and grey pictures have no colour to judge by: neither is refused.
    """
    lab = cv2.cvtColor(picture, cv2.COLOR_BGR2LAB).astype(np.float32)
    upper, lower, lips = (_colour(lab, landmarks, ids) for ids in (_UPPER_SKIN, _LOWER_SKIN, _LIPS))
    other_skin = float(np.hypot(*(lower - upper)[1:]))
    hidden_lips = float(np.hypot(*(lips - lower)[1:]))
    return other_skin > COVERED_SKIN_LAB and hidden_lips < COVERED_LIPS_LAB


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
    """Note light and sharpness of a face in a picture, and whether its eyes are open."""
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
        "side_light": round(max(cheeks) / min(cheeks), 2),
        "sharpness": round(sharpness, 2),
        "eyes_closed": round(min(face.blendshapes["eyeBlinkLeft"], face.blendshapes["eyeBlinkRight"]), 2),
    }
