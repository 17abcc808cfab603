"""The avatars application."""

from django.apps import AppConfig


class AvatarsConfig(AppConfig):
    """What an avatar is, and how one is made and drawn."""

    name = "avatars"

    def ready(self) -> None:
        """Register the checks and the signals."""
        from avatars import checks, signals  # noqa: F401
