"""The voices a creator can choose from."""

from functools import cache


@cache
def voice_choices() -> list[tuple[str, str]]:
    """Return (style key, label) pairs; the speech engine is only imported when a page needs them."""
    from avatars.engine.speech import VOICE_STYLES

    return [(key, str(label)) for key, label in VOICE_STYLES.items()]
