"""Checks of what building avatars needs."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from avatars.demo import DEMO_FILE, demo_avatars


@register()
def demo_material(**_: Any) -> list[CheckMessage]:
    """The description of the demo avatars can be read, and their pictures are there."""
    try:
        demo_avatars()
    except (ValueError, KeyError, TypeError) as error:
        return [Error(f"The demo avatars in {DEMO_FILE.name} cannot be read: {error}.", id="avatars.E001")]
    return []
