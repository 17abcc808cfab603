"""A second picture of the same person, smiling: the upper teeth that closed lips hide in the first."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from avatars.build.decode import decode
from avatars.build.harvest import IOD_MIN_PX, upper_teeth
from avatars.build.inspection import Findings
from avatars.build.refusal import BuildRefused
from avatars.engine.face.frame import FaceFrame
from avatars.engine.face.mouthline import find_mouth
from avatars.engine.perception import Perception
from avatars.engine.perception.identity import SAME_PERSON_MIN
from avatars.engine.perception.pose import Pose
from avatars.engine.portrait import Kind, Portrait

# Beyond this the far half of the row is foreshortened, or the edge hangs at another height, and it is seen.
YAW_APART_MAX_DEG: Final = 12.0
PITCH_APART_MAX_DEG: Final = 12.0
PARTED_WARNING: Final = (
    "The lips are parted in the first picture, so its own mouth is shown and the teeth of the second were not taken. "
    "They need a first picture with closed lips."
)


def with_teeth(portrait: Portrait, smiling: Path, findings: Findings) -> Portrait:
    """Return the portrait with the upper teeth that the picture file `smiling` shows.

    Notes in `findings` how alike the two faces are, and a warning where the portrait's lips are parted: it then stays
    as it is. Raises `BuildRefused` where the file is no picture, shows nobody, somebody else, no teeth, or a head that
    is held otherwise.
    """
    if portrait.footage is not None:
        raise _refused("The teeth of a person in a video are taken from the video. Leave the second picture out.")
    at_rest = Perception.shared().refine(portrait.picture, portrait.landmarks) if portrait.kind is Kind.PHOTO else None
    if at_rest is None:
        raise _refused("Teeth are taken for photos of people only. Leave the second picture out.")
    try:
        picture = decode(smiling).picture
    except BuildRefused as refusal:
        raise _refused(f"The second picture, for the teeth: {refusal.message}") from refusal
    faces = Perception.shared().faces(picture)
    if not faces:
        raise _refused("No face is found in the second picture. Use one that shows the person smiling, from the front.")
    embedding = Perception.shared().embedding
    ours = embedding(portrait.picture, at_rest)
    cosine, shown = max(((float(ours @ embedding(picture, face)), face) for face in faces), key=lambda each: each[0])
    findings.measures["teeth_identity"] = round(cosine, 3)
    if cosine < SAME_PERSON_MIN:
        raise _refused("The second picture seems to show somebody else. Use one of the same person.")
    check_pose(shown.pose_deg, at_rest.pose_deg)
    if shown.iod_px < IOD_MIN_PX:
        raise _refused(
            f"The eyes are only {shown.iod_px:.0f} pixels apart in the second picture and need {IOD_MIN_PX:.0f} for "
            "teeth to be seen. Use a larger picture, or one taken from closer."
        )
    if find_mouth(portrait.picture, portrait.landmarks, FaceFrame.of(portrait.landmarks)).is_open:
        findings.warnings.append(PARTED_WARNING)
        return portrait
    # Drawn no larger than it will be seen: shrinking it later would alias.
    scale = min(1.0, max(at_rest.iod_px, IOD_MIN_PX) / shown.iod_px)
    landmarks = shown.landmarks
    if scale < 1:
        picture = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        landmarks = landmarks * np.float32(scale)
    teeth = upper_teeth([(picture, landmarks)], portrait.picture, portrait.landmarks)
    if teeth is None:
        raise _refused(
            "No upper teeth are seen clearly in the second picture. Use one of an open smile, sharp and evenly lit."
        )
    return replace(portrait, teeth=teeth)


def check_pose(shown: Pose, at_rest: Pose) -> None:
    """Refuse two pictures in which the head is held too differently. Raises `BuildRefused`."""
    yaw, pitch, _ = np.abs(np.subtract(shown, at_rest))
    if yaw > YAW_APART_MAX_DEG or pitch > PITCH_APART_MAX_DEG:
        way = f"turned {yaw:.0f} degrees further aside" if yaw > pitch else f"tipped {pitch:.0f} degrees further"
        raise _refused(
            f"The head is {way} in one picture than in the other. Use two pictures taken from the same side."
        )


def _refused(message: str) -> BuildRefused:
    return BuildRefused("bad_teeth", message)
