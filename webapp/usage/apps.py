"""The usage application."""

from django.apps import AppConfig


class UsageConfig(AppConfig):
    """The ledger of what was used."""

    name = "webapp.usage"
    label = "usage"
