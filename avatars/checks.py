"""Checks of what building avatars needs."""

import json
from typing import Any

from django.core.checks import CheckMessage, Error, register

from avatars.seed import DEMO_FILE


@register()
def demo_material(**_: Any) -> list[CheckMessage]:
    """The description of the demo avatars, where there is one, can be read."""
    if not DEMO_FILE.exists():
        return []
    try:
        json.loads(DEMO_FILE.read_text(encoding="utf-8"))
    except ValueError as error:
        return [Error(f"The demo avatars cannot be read: {DEMO_FILE.name}: {error}", id="avatars.E001")]
    return []
