"""Trying a new avatar's mouth: two sounds are drawn and measured again, as a viewer would see them."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from avatars.build.inspection import Findings
from avatars.engine.controls import Control, Controls, rest
from avatars.engine.face import Renderer, Rig, renderer_of
from avatars.engine.face.i420 import bgr_of
from avatars.engine.perception import Perception

OPENING_A_MIN_IOD: Final = 0.05
CLOSURE_M_MAX_IOD: Final = 0.05
IDENTITY_MIN: Final = 0.5


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


def try_mouth(rig: Rig, findings: Findings) -> None:
    """Measure /a/ and /m/ of a rig into `findings`; where the face cannot be measured the numbers are None."""
    renderer = renderer_of(rig)
    before = _drawn(renderer, rest())
    face = Perception.shared().refine(before, rig.portrait.landmarks)
    opening = closure = likeness = None
    if face is not None:
        picture_a, picture_m = _drawn(renderer, sound_a()), _drawn(renderer, sound_m())
        open_face = Perception.shared().refine(picture_a, face.landmarks)
        closed_face = Perception.shared().refine(picture_m, face.landmarks)
        opening = None if open_face is None else round(open_face.opening_iod, 4)
        closure = None if closed_face is None else round(closed_face.opening_iod, 4)
        if open_face is not None:
            identities = (Perception.shared().embedding(*seen) for seen in ((before, face), (picture_a, open_face)))
            likeness = round(float(np.dot(*identities)), 3)
    findings.measures |= {"opening_a_iod": opening, "closure_m_iod": closure, "identity_a": likeness}
    if opening is not None and opening < OPENING_A_MIN_IOD:
        findings.warnings.append("The mouth hardly opens in this picture. Marking the face by hand may help.")
    if closure is not None and closure > CLOSURE_M_MAX_IOD:
        findings.warnings.append(
            "The lips do not quite close in this picture; one with the mouth closed will do better."
        )
    if likeness is not None and likeness < IDENTITY_MIN:
        findings.warnings.append("The face changes when it speaks. Marking it by hand, or another picture, may help.")


def _drawn(renderer: Renderer, controls: Controls) -> NDArray[np.uint8]:
    return bgr_of(renderer.render(controls))
