"""The application that holds what every page shares."""

from django.apps import AppConfig


class WebappConfig(AppConfig):
    """Registers the settings checks."""

    name = "webapp"

    def ready(self) -> None:
        """Register the checks."""
        from webapp import checks  # noqa: F401
