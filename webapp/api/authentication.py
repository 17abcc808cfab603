"""Who calls the API: `Authorization: Bearer <API secret>`."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from webapp.accounts.models import ApiSecret, User


class ApiSecretAuthentication(BaseAuthentication):
    """Recognises a creator by an API secret; a request without one stays anonymous."""

    def authenticate(self, request: Request) -> tuple[User, ApiSecret] | None:
        """Return the secret's owner.

        Raises `AuthenticationFailed` for a secret that is unknown, revoked or expired, without saying which.
        """
        scheme, _, secret = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        key: ApiSecret | None
        try:
            key = ApiSecret.objects.get_from_key(secret.strip())  # type: ignore[assignment]
        except ApiSecret.DoesNotExist:
            key = None
        if key is None or key.has_expired or not key.user.is_active:
            raise AuthenticationFailed("This API secret is not valid.")
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme, so that a refusal is a 401."""
        return "Bearer"


class ApiSecretScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes the scheme in the schema."""

    target_class = ApiSecretAuthentication
    name = "ApiSecret"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the OpenAPI security definition."""
        return {"type": "http", "scheme": "bearer"}
