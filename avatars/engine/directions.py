"""Stage directions in a text, as in "[nod] Yes, of course": they are played, or left out, and never spoken."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from avatars.engine.gestures import Named, UnknownGesture, find_gesture

LONGEST_DIRECTION: Final = 32
_DIRECTION: Final = re.compile(
    r"\[\s*([A-Za-z][A-Za-z _-]{0,29}?)\s*\](?!\()|\*([a-z][a-z ]{0,29})\*|\(([a-z][a-z ]{0,29})\)"
)
_BEFORE_STOP: Final = re.compile(r"\s+(?=[.,;:!?…])")
# What models write on their own: as a novel has it, not as they were told.
_TOLD: Final = {
    **{"nods": "nod", "nodding": "nod", "nods head": "nod", "shakes head": "shake", "shaking head": "shake"},
    **{"tilts head": "tilt", "smiles": "smile", "smiling": "smile", "smiles warmly": "smile", "grins": "smile"},
    **{"laughs": "laugh", "laughing": "laugh", "chuckles": "laugh", "giggles": "laugh", "winks": "wink"},
    **{"raises eyebrows": "brows", "raises an eyebrow": "brows", "looks away": "aside", "looks aside": "aside"},
    **{"thinks": "think", "thinking": "think", "pauses to think": "think"},
    **{"waves": "wave", "waving": "wave", "waves hello": "wave", "claps": "clap", "blows a kiss": "kiss"},
    **{"thumbs up": "thumbs_up", "gives a thumbs up": "thumbs_up"},
}


@dataclass(frozen=True, slots=True)
class Direction:
    """A gesture written in a text. share: of the text's letters that come before it, 0..1."""

    gesture: str
    share: float


def without_directions(text: str, own: Sequence[Named] = ()) -> tuple[str, tuple[Direction, ...]]:
    """A text without the directions in it, and those of them that can be played; own: recorded gestures of the avatar.

    In square brackets everything in small letters is a direction; with asterisks or round brackets only what could be
    nothing else.
    """
    found: list[tuple[str, int]] = []
    letters = 0
    kept: list[str] = []
    at = 0
    for match in _DIRECTION.finditer(text):
        bracketed, told = match[1], match[2] or match[3]
        gesture = _gesture(bracketed or told, own, written=bracketed is not None)
        if gesture is None and (bracketed is None or not bracketed.islower()):
            continue
        before = text[at : match.start()]
        letters += _letters(before)
        kept.append(before)
        at = match.end()
        if gesture is not None:
            found.append((gesture, letters))
    if not kept:
        return text, ()
    rest = text[at:]
    total = letters + _letters(rest)
    plain = _BEFORE_STOP.sub("", " ".join([*kept, rest]))
    return plain, tuple(Direction(gesture, before / total if total else 0.0) for gesture, before in found)


def past_direction(text: str, end: int) -> int | None:
    """`end`, or behind the direction that a cut there would tear apart; None where more of the text has to come first."""
    opening = text.rfind("[", 0, end)
    if opening < 0:
        return end
    latest = opening + LONGEST_DIRECTION
    closing = text.find("]", opening, latest)
    if closing < 0:
        return end if len(text) >= latest else None
    return max(end, closing + 1)


def _gesture(words: str, own: Sequence[Named], *, written: bool) -> str | None:
    """The name of the gesture that is meant; a bare word counts only where it is `written` as we ask for it."""
    told = _TOLD.get(words.lower().replace("_", " "))
    if told is None and not written:
        return None
    try:
        return find_gesture(told or words, own).name
    except UnknownGesture:
        return None


def _letters(text: str) -> int:
    return sum(letter.isalnum() for letter in text)
