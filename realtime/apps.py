"""The application of live conversations."""

from django.apps import AppConfig


class RealtimeConfig(AppConfig):
    """Sessions, signalling and the media worker."""

    name = "realtime"
