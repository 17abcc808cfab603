"""The gestures a creator can choose from."""

from functools import cache


@cache
def gesture_choices() -> list[tuple[str, str]]:
    """Return (name, label) pairs; the engine is only imported when a page needs them."""
    from avatars.engine.gestures import GESTURES

    return [(gesture.name, gesture.label) for gesture in GESTURES.values()]
