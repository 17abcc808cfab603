"""The gestures a creator can choose from."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from avatars.models import Avatar


@cache
def gesture_choices() -> list[tuple[str, str]]:
    """Return (name, label) pairs of what every face can do; the engine is only imported when a page needs them."""
    from avatars.engine.gestures import GESTURES

    return [(gesture.name, gesture.label) for gesture in GESTURES.values()]


@cache
def recordable_choices() -> list[tuple[str, str]]:
    """Return (name, label) pairs of gestures that the wire has a name for and that a clip can show."""
    from avatars.engine.recorded import LABELS

    return list(LABELS.items())


def own_choices(avatar: Avatar) -> list[tuple[str, str]]:
    """Return (name, label) pairs for one avatar: its recorded gestures first."""
    own = [(clip.name, clip.label) for clip in avatar.gesture_clips.all()] if avatar.pk else []
    names = {name for name, _ in own}
    return [*own, *(choice for choice in gesture_choices() if choice[0] not in names)]
