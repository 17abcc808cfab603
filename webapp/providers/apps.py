"""The providers application."""

from django.apps import AppConfig


class ProvidersConfig(AppConfig):
    """Choices of ears, minds and voices, and the language models that are downloaded."""

    name = "webapp.providers"
    label = "providers"
