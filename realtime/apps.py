"""The application of live conversations."""

from django.apps import AppConfig


class RealtimeConfig(AppConfig):
    """Sessions, signalling and the media worker."""

    name = "realtime"

    def ready(self) -> None:
        """Listen for changes to avatars, and show Prometheus how long turns take and what workers hold."""
        from prometheus_client import REGISTRY

        from realtime import signals  # noqa: F401
        from realtime.turn_times import TurnTimesCollector
        from realtime.vitals import VitalsCollector

        REGISTRY.register(TurnTimesCollector())
        REGISTRY.register(VitalsCollector())
