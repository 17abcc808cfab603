"""The one shape of every error the API answers."""

from typing import Any

from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

CODES = {exceptions.NotAuthenticated: "unauthorized", exceptions.AuthenticationFailed: "unauthorized"}
SENTENCES = {
    exceptions.NotAuthenticated: "An API secret is needed: Authorization: Bearer <secret>.",
    exceptions.NotFound: "There is nothing at this address.",
}


def envelope(code: str, message: str, http_status: int) -> dict[str, dict[str, Any]]:
    """Return the body of an error."""
    return {"error": {"code": code, "message": message, "http_status": http_status}}


def _sentence(detail: Any) -> str:
    """Flatten what a serializer complains about into one line."""
    if isinstance(detail, dict):
        return " ".join(f"{field}: {_sentence(value)}" for field, value in detail.items())
    if isinstance(detail, list):
        return " ".join(_sentence(value) for value in detail)
    return str(detail)


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn what a view raised into the envelope; anything unforeseen is left to Django's own handler."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    response = exception_handler(error, context)
    if response is None or not isinstance(error, exceptions.APIException):
        return response
    code = CODES.get(type(error), str(error.default_code))
    message = SENTENCES.get(type(error)) or _sentence(error.detail)
    response.data = envelope(code, message, response.status_code)
    return response
