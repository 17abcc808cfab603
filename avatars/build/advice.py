"""What a build found, in plain words: what is good, what is worth knowing, what could be better and how.

Each remark has one rule over the build's measures (see `BuildReport.measures`); a measure that is missing says nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from avatars.engine.portrait import Kind

OPENS_IOD: Final = 0.05
CLOSES_IOD: Final = 0.02
CLOSES_NEARLY_IOD: Final = 0.05
FOLLOWS_IOD: Final = 0.03
ROUNDS_WIDTH: Final = 0.93
SAME_PERSON_COSINE: Final = 0.5
LIKE_COSINE: Final = 0.80

SEAM_RATIO: Final = 1.5
"""The step at the join of a loop, in steps elsewhere in it."""

LIPS_PARTED_IOD: Final = 0.025
MOUTH_OPEN_IOD: Final = 0.10
TEETH_SHOW_IOD: Final = 0.05
EYES_CLOSED: Final = 0.15
EYES_HALF_CLOSED: Final = 0.17
EYE_CLOSED: Final = 0.08
"""How far lids are apart, in widths of the eye: mean of both eyes, and one alone."""

DARK_GREY: Final = 60.0
DIM_GREY: Final = 85.0
LIT_GREY: Final = 140.0
"""Where something of a face is as bright, it is hair, a hat or a shadow that is dark, and not the light."""
BRIGHT_GREY: Final = 205.0
EVEN_LIGHT: Final = 1.35
SIDE_LIGHT: Final = 1.8

BLURRED: Final = 0.8
SHARP: Final = 1.1
FACE_SOFT_PX: Final = 160.0
FACE_FINE_PX: Final = 230.0
FRONT_DEG: Final = 8.0
ASIDE_DEG: Final = 15.0
TILTED_DEG: Final = 18.0


class Tone(StrEnum):
    """How a remark is meant."""

    GOOD = "good"
    NOTE = "note"
    BETTER = "better"
    """This could be better."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing found. code: names its rule. advice: what would help, or ""."""

    code: str
    tone: Tone
    text: str
    advice: str = ""


Measured = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Rule:
    """A remark and when it is made. Its words may name measures, as {face_height_px:.0f}."""

    code: str
    tone: Tone
    needs: tuple[str, ...]
    holds: Callable[..., bool]
    text: str
    advice: str = ""

    def remark(self, measures: Measured) -> Remark | None:
        values = [measures.get(name) for name in self.needs]
        if any(value is None for value in values) or not self.holds(*values):
            return None
        return Remark(self.code, self.tone, self.text.format(**measures), self.advice)


# Of rules in one group the first that holds speaks.
_GROUPS: Final[tuple[tuple[_Rule, ...], ...]] = (
    (
        _Rule(
            "closes",
            Tone.GOOD,
            ("closure_m_iod",),
            lambda gap: gap <= CLOSES_IOD,
            "The mouth closes well.",
        ),
        _Rule(
            "closes_nearly",
            Tone.BETTER,
            ("closure_m_iod",),
            lambda gap: gap <= CLOSES_NEARLY_IOD,
            "The lips nearly close for p, b and m.",
            "A picture with the lips together would close better.",
        ),
        _Rule(
            "closes_not",
            Tone.BETTER,
            ("closure_m_iod",),
            lambda gap: True,
            "The lips do not quite close in this picture.",
            "One with the mouth closed will do better.",
        ),
    ),
    (
        _Rule("opens", Tone.GOOD, ("opening_a_iod",), lambda gap: gap >= OPENS_IOD, "The mouth opens well."),
        _Rule(
            "opens_not",
            Tone.BETTER,
            ("opening_a_iod",),
            lambda gap: True,
            "The mouth hardly opens in this picture.",
            "Marking the face by hand may help.",
        ),
    ),
    (
        _Rule(
            "follows",
            Tone.GOOD,
            ("trial_rmse_iod",),
            lambda rmse: rmse <= FOLLOWS_IOD,
            "The lips do what the words ask of them.",
        ),
        _Rule(
            "follows_loosely",
            Tone.NOTE,
            ("trial_rmse_iod",),
            lambda rmse: True,
            "The lips are not quite seen to do what the words ask of them.",
            "Watch the preview. A sharper picture from the front, evenly lit, makes it more exact.",
        ),
    ),
    (
        _Rule(
            "rounds",
            Tone.GOOD,
            ("round_width",),
            lambda width: width <= ROUNDS_WIDTH,
            "The lips round for o and w.",
        ),
    ),
    (
        _Rule(
            "unmeasured",
            Tone.NOTE,
            ("measurable",),
            lambda measurable: not measurable,
            "Parlo cannot tell by itself how this mouth moves: no human face is found in what it draws.",
            "Watch the preview: do the lips meet, and does the mouth open where it should?",
        ),
    ),
    (
        _Rule(
            "changes",
            Tone.BETTER,
            ("identity_a",),
            lambda cosine: cosine < SAME_PERSON_COSINE,
            "The face changes when it speaks.",
            "Marking it by hand, or another picture, may help.",
        ),
        _Rule(
            "stays",
            Tone.GOOD,
            ("identity_a",),
            lambda cosine: cosine >= LIKE_COSINE,
            "It stays the same face while it speaks.",
        ),
    ),
    (
        _Rule("own_teeth", Tone.GOOD, ("teeth",), lambda teeth: teeth == "own", "The real teeth are shown."),
        _Rule(
            "another_teeth",
            Tone.GOOD,
            ("teeth",),
            lambda teeth: teeth == "another",
            "The real teeth are shown, taken from the second picture.",
        ),
        _Rule(
            "unclear_teeth",
            Tone.NOTE,
            ("teeth", "opening_iod"),
            lambda teeth, gap: teeth == "drawn" and gap > TEETH_SHOW_IOD,
            "Teeth are drawn because those in the picture are not clear enough.",
            "A sharper picture with a slight smile would show the real ones.",
        ),
        _Rule(
            "drawn_teeth",
            Tone.NOTE,
            ("teeth",),
            lambda teeth: teeth == "drawn",
            "Teeth are drawn because none are visible.",
            "They take their colour from the light on the face. "
            "A second picture of the same person, smiling with teeth, would bring the real ones.",
        ),
    ),
    (
        _Rule(
            "mouth_open",
            Tone.BETTER,
            ("opening_iod",),
            lambda gap: gap > MOUTH_OPEN_IOD,
            "The mouth is open.",
            "A picture with the lips closed, without a wide smile, speaks more naturally.",
        ),
        _Rule(
            "lips_parted",
            Tone.NOTE,
            ("opening_iod",),
            lambda gap: gap > LIPS_PARTED_IOD,
            "The lips are slightly parted, and are so again whenever the avatar is silent.",
        ),
        _Rule(
            "lips_closed",
            Tone.GOOD,
            ("opening_iod",),
            lambda gap: True,
            "The lips are closed at rest, which is the best start.",
        ),
    ),
    (
        _Rule(
            "dark_glasses",
            Tone.BETTER,
            ("dark_glasses",),
            lambda hidden: hidden,
            "Dark glasses hide the eyes, which are held still.",
            "Without them the avatar looks at people and blinks.",
        ),
        _Rule(
            "one_eye_closed",
            Tone.BETTER,
            ("lids_apart",),
            lambda apart: min(apart) < EYE_CLOSED <= EYES_CLOSED <= max(apart),
            "One eye is closed, and stays so.",
            "With both open the avatar looks awake, and its blinks can be seen.",
        ),
        _Rule(
            "eyes_closed",
            Tone.BETTER,
            ("lids_apart",),
            lambda apart: sum(apart) / 2 < EYES_CLOSED,
            "The eyes are closed, and stay so.",
            "With open eyes the avatar looks at people, and its blinks can be seen.",
        ),
        _Rule(
            "eyes_half_closed",
            Tone.BETTER,
            ("lids_apart",),
            lambda apart: sum(apart) / 2 < EYES_HALF_CLOSED,
            "The eyes are half closed.",
            "With open eyes the avatar looks awake, and its blinks can be seen.",
        ),
    ),
    (
        _Rule(
            "dark",
            Tone.BETTER,
            ("brightness", "highlights"),
            lambda grey, highlights: grey < DARK_GREY and highlights < LIT_GREY,
            "The face is dark.",
            "A picture with more light will look better.",
        ),
        _Rule(
            "dim",
            Tone.BETTER,
            ("brightness", "highlights"),
            lambda grey, highlights: grey < DIM_GREY and highlights < LIT_GREY,
            "The face is a little dark.",
            "Turn towards a window, or put a lamp in front of the face.",
        ),
        _Rule(
            "bright",
            Tone.BETTER,
            ("brightness",),
            lambda grey: grey > BRIGHT_GREY,
            "The face is very bright, and some of its shape is lost.",
            "Use softer light, or a shorter exposure.",
        ),
        _Rule(
            "side_light",
            Tone.BETTER,
            ("side_light",),
            lambda ratio: ratio > SIDE_LIGHT,
            "One half of the face is much darker than the other.",
            "Light from the front makes the mouth look more natural.",
        ),
        _Rule(
            "even_light",
            Tone.GOOD,
            ("side_light",),
            lambda ratio: ratio <= EVEN_LIGHT,
            "The light on the face is good.",
        ),
    ),
    (
        _Rule(
            "small",
            Tone.BETTER,
            ("face_height_px",),
            lambda height: height < FACE_SOFT_PX,
            "The face is only {face_height_px:.0f} pixels high and was enlarged; the avatar will look soft.",
            "Use a larger picture, or one taken from closer.",
        ),
        _Rule(
            "blurred",
            Tone.BETTER,
            ("sharpness",),
            lambda sharpness: sharpness < BLURRED,
            "The face is blurred.",
            "A sharper picture will look better.",
        ),
        _Rule(
            "sharp",
            Tone.GOOD,
            ("face_height_px", "sharpness"),
            lambda height, sharpness: height >= FACE_FINE_PX and sharpness >= SHARP,
            "The picture is large and sharp enough.",
        ),
    ),
    (
        _Rule(
            "seamless",
            Tone.GOOD,
            ("loop_seam",),
            lambda ratio: ratio <= SEAM_RATIO,
            "Where the video begins again nothing is seen of it.",
        ),
        _Rule(
            "seam",
            Tone.BETTER,
            ("loop_seam",),
            lambda ratio: True,
            "Where the video begins again a small jump may be seen.",
            "Record ten seconds of sitting still and looking at the camera.",
        ),
    ),
    (
        _Rule(
            "tilted",
            Tone.BETTER,
            ("pose_deg",),
            lambda pose: abs(pose[2]) > TILTED_DEG,
            "The head is tilted.",
            "An upright picture will look better.",
        ),
        _Rule(
            "aside",
            Tone.BETTER,
            ("pose_deg",),
            lambda pose: abs(pose[0]) > ASIDE_DEG,
            "The head is turned aside.",
            "From the front both corners of the mouth are seen, and move better.",
        ),
        _Rule(
            "front",
            Tone.GOOD,
            ("pose_deg",),
            lambda pose: abs(pose[0]) <= FRONT_DEG and abs(pose[2]) <= FRONT_DEG,
            "The face looks straight at the viewer.",
        ),
    ),
)
CODES: Final = tuple(rule.code for group in _GROUPS for rule in group)
"""The codes of all remarks that are made by a rule."""
FOUND: Final = "found"
"""The code of what was noticed on the way to the portrait."""


def advise(measures: Measured, kind: Kind, warnings: Iterable[str] = ()) -> tuple[Remark, ...]:
    """What to tell the creator: what could be better, then what is worth knowing, then what is good.

    warnings: sentences from earlier stages, told first.
    """
    known = {**measures, "measurable": measures.get("closure_m_iod") is not None}
    if kind is Kind.DRAWING:
        # Paint is neither lit nor out of focus, and a person's lids are only laid over drawn eyes.
        known |= {"brightness": None, "side_light": None, "sharpness": None, "lids_apart": None}
    if kind is not Kind.PHOTO:
        known |= {"teeth": None, "dark_glasses": None}
    made = [Remark(FOUND, Tone.BETTER, sentence) for sentence in warnings]
    for group in _GROUPS:
        spoken = (rule.remark(known) for rule in group)
        made += [remark for remark in spoken if remark is not None][:1]
    order = (Tone.BETTER, Tone.NOTE, Tone.GOOD)
    return tuple(sorted(made, key=lambda remark: order.index(remark.tone)))
