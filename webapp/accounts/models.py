"""Users and API secrets."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from rest_framework_api_key.models import AbstractAPIKey


class User(AbstractUser):
    """Someone who makes avatars or talks to them. The email address is theirs alone."""

    email = models.EmailField("email address", unique=True)

    REQUIRED_FIELDS = ["email"]


class ApiSecret(AbstractAPIKey):
    """A creator's key to the REST API: shown once, kept as a hash, told apart by its prefix."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_secrets")

    class Meta(AbstractAPIKey.Meta):
        verbose_name = "API secret"
        verbose_name_plural = "API secrets"
