"""Trying a new avatar's mouth: five sounds are drawn and measured again, as a viewer would see them."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from avatars.build.inspection import Findings
from avatars.engine.controls import Control, Controls, rest
from avatars.engine.face import Renderer, Rig, renderer_of
from avatars.engine.face.i420 import bgr_of
from avatars.engine.face.weights import shape_weights
from avatars.engine.perception import Face, Perception

# The upper and lower inner lips of the mesh in the middle of the mouth: between these the opening is measured.
MIDDLE_LIPS: Final = (82, 13, 312)
INNER_CORNERS: Final = (78, 308)
MEASURES: Final = ("opening_a_iod", "closure_m_iod", "trial_rmse_iod", "round_width", "identity_a")


def sound_a() -> Controls:
    """Return the controls of a clear /a/."""
    frame = rest()
    frame[[Control.JAW, Control.UPPER_LIP, Control.LOWER_LIP, Control.RELAX]] = 0.78, 0.3, 0.3, 1.0
    return frame


def sound_m() -> Controls:
    """Return the controls of an /m/."""
    frame = rest()
    frame[[Control.JAW, Control.PRESS, Control.SEAL, Control.RELAX]] = 0.1, 0.6, 1.0, 1.0
    return frame


def sound_i() -> Controls:
    """Return the controls of an /i/."""
    frame = rest()
    frame[[Control.JAW, Control.UPPER_LIP, Control.LOWER_LIP, Control.WIDE, Control.RELAX]] = 0.12, 0.24, 0.28, 0.7, 1.0
    return frame


def sound_e() -> Controls:
    """Return the controls of an open /e/."""
    frame = rest()
    frame[[Control.JAW, Control.UPPER_LIP, Control.LOWER_LIP, Control.WIDE, Control.RELAX]] = 0.42, 0.24, 0.24, 0.4, 1.0
    return frame


def sound_u() -> Controls:
    """Return the controls of an /u/."""
    frame = rest()
    frame[[Control.JAW, Control.LOWER_LIP, Control.ROUND, Control.RELAX]] = 0.14, 0.04, 1.0, 1.0
    return frame


SOUNDS: Final[Mapping[str, Callable[[], Controls]]] = {
    "a": sound_a,
    "e": sound_e,
    "i": sound_i,
    "u": sound_u,
    "m": sound_m,
}


def commanded_iod(rig: Rig, controls: Controls) -> float:
    """The opening that controls (CONTROL_COUNT,) ask for where it is detected, in IOD."""
    weights = shape_weights(controls, rig.portrait.kind, rig.mouth)
    upper, lower = rig.fields.contours(weights)
    at = rig.frame.to_face(rig.portrait.landmarks[list(MIDDLE_LIPS), :2])[:, 0]
    return float(np.interp(at, rig.fields.contour_x, lower[:, 1] - upper[:, 1]).mean())


def _teeth(rig: Rig) -> str:
    if rig.own_teeth is None:
        return "drawn"
    return "own" if rig.portrait.teeth is None or rig.portrait.footage is not None else "another"


def try_mouth(rig: Rig, findings: Findings) -> None:
    """Measure five sounds of a rig into `findings`; where the face cannot be measured the numbers are None.

    opening_a_iod, closure_m_iod: how far the lips are seen apart in /a/ and /m/. trial_rmse_iod: commanded against seen
    openings of all five. round_width: of the mouth in /u/, against /m/. identity_a: cosine of /a/ to the face at rest.
    teeth: own, another (the person's own from another picture) or drawn.
    """
    findings.measures |= dict.fromkeys(MEASURES)
    findings.measures["teeth"] = _teeth(rig)
    renderer = renderer_of(rig)
    before = _drawn(renderer, rest())
    face = Perception.shared().refine(before, rig.portrait.landmarks)
    if face is None:
        return
    faces: dict[str, Face] = {}
    missed: list[float] = []
    for name, sound in SOUNDS.items():
        picture = _drawn(renderer, sound())
        seen = Perception.shared().refine(picture, face.landmarks)
        if seen is None:
            continue
        faces[name] = seen
        missed.append(seen.opening_iod - commanded_iod(rig, sound()))
        if name == "a":
            identities = (Perception.shared().embedding(*each) for each in ((before, face), (picture, seen)))
            findings.measures["identity_a"] = round(float(np.dot(*identities)), 3)
    if missed:
        findings.measures["trial_rmse_iod"] = round(float(np.sqrt(np.square(missed).mean())), 4)
    for name, measure in (("a", "opening_a_iod"), ("m", "closure_m_iod")):
        if name in faces:
            findings.measures[measure] = round(faces[name].opening_iod, 4)
    if "u" in faces and "m" in faces:
        findings.measures["round_width"] = round(_width_iod(faces["u"]) / _width_iod(faces["m"]), 3)


def _width_iod(face: Face) -> float:
    """The distance of the inner corners of the mouth."""
    left, right = face.landmarks[list(INNER_CORNERS), :2]
    return float(np.hypot(*(right - left))) / face.iod_px


def _drawn(renderer: Renderer, controls: Controls) -> NDArray[np.uint8]:
    return bgr_of(renderer.render(controls))
