"""The application of live conversations."""

from django.apps import AppConfig


class RealtimeConfig(AppConfig):
    """Sessions, signalling and the media worker."""

    name = "realtime"

    def ready(self) -> None:
        """Listen for changes to avatars."""
        from realtime import signals  # noqa: F401
