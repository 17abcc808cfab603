"""The accounts application."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users and their API secrets."""

    name = "webapp.accounts"
    label = "accounts"
