"""Pages of no application: health, metrics, errors."""

import sys
from hmac import compare_digest
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.exceptions import DisallowedHost
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseForbidden, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe
from django_prometheus.exports import ExportToDjangoView

from webapp import disk
from webapp.api.errors import envelope
from webapp.certificate import CertificateFiles
from webapp.readiness import readiness

logger = structlog.get_logger(__name__)

LOOPBACK = {"127.0.0.1", "::1"}


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Say that this process answers."""
    return JsonResponse({"ok": True})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Say whether a conversation could start now: database, Valkey and a media worker are there."""
    parts = readiness()
    ready = all(part["ok"] for part in parts.values())
    response = JsonResponse({"ok": ready, "parts": parts}, status=200 if ready else 503)
    # Not being ready yet is an answer here, and no error to log each time somebody asks.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def may_read_metrics(request: HttpRequest) -> bool:
    """Tell whether the metrics are for this reader: staff, the holder of the token, or a caller on this machine."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if settings.METRICS_TOKEN and scheme == "Bearer":
        return compare_digest(token.encode(), settings.METRICS_TOKEN.encode())
    if request.user.is_authenticated and request.user.is_staff:
        return True
    # Behind a proxy everybody seems to come from this machine, so there the address says nothing.
    proxied = settings.BEHIND_TLS_PROXY or "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    return not proxied and request.META.get("REMOTE_ADDR") in LOOPBACK


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Export the metrics of this process."""
    if not may_read_metrics(request):
        return HttpResponseForbidden("Metrics are for staff, or for a caller with the metrics token.\n", "text/plain")
    response: HttpResponse = ExportToDjangoView(request)
    return response


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """Send browsers that guess the icon's address to the icon."""
    try:
        return redirect(staticfiles_storage.url("brand/favicon.ico"), permanent=True)
    except ValueError:
        return HttpResponse(status=404)


def _authority() -> Path | None:
    """The file of this installation's own authority, where the certificate in use is signed by it."""
    files = CertificateFiles(settings.PARLO_DATA_DIR / "tls")
    in_use = settings.TLS_CERTIFICATE and Path(settings.TLS_CERTIFICATE) == files.certificate
    return files.authority if in_use and files.authority.is_file() else None


@require_safe
def trust(request: HttpRequest) -> HttpResponse:
    """Show how other devices come to trust the certificate of a machine without a domain."""
    if _authority() is None:
        raise Http404
    return render(request, "trust.html")


@require_safe
def authority(request: HttpRequest) -> HttpResponse:
    """Hand out the authority's certificate. It is public, as every certificate is."""
    path = _authority()
    if path is None:
        raise Http404
    return HttpResponse(
        path.read_bytes(),
        "application/x-x509-ca-cert",
        headers={"Content-Disposition": 'attachment; filename="parlo.crt"'},
    )


def _failure(request: HttpRequest, status: int, template: str, code: str, message: str) -> HttpResponse:
    if request.path.startswith("/v1/"):
        return JsonResponse(envelope(code, message, status), status=status)
    try:
        return render(request, template, {"message": message, "status": status}, status=status)
    except Exception:
        # The page itself may need what is broken: the host's name, the session, the database, a template.
        logger.exception("The page for an error could not be drawn", status=status)
        return HttpResponse(message, "text/plain", status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that cannot be understood."""
    if isinstance(exception, DisallowedHost):
        # No page of ours: its links would be made with the very name that is not trusted.
        message = "Parlo does not answer to this name. Whoever runs it can add the name to ALLOWED_HOSTS."
        return HttpResponse(message, "text/plain", status=400)
    return _failure(request, 400, "400.html", "bad_request", "This request could not be understood.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that is not allowed."""
    return _failure(request, 403, "403.html", "forbidden", str(exception) or "This is not yours to open.")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request for something that is not there, or not for this reader."""
    return _failure(request, 404, "404.html", "not_found", "There is nothing at this address.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer after an error of our own; the log says more. A full disk is none, and is told as what it is."""
    if disk.is_full(sys.exception()):
        return _failure(request, 507, "507.html", "disk_full", disk.FULL)
    return _failure(request, 500, "500.html", "internal", "Something went wrong here. The log says what.")


def csrf_failure(request: HttpRequest, reason: str = "", **_: Any) -> HttpResponse:
    """Answer a form whose token does not match."""
    message = "This form was open for too long, or cookies are switched off. Go back, reload the page and try again."
    return _failure(request, 403, "403_csrf.html", "csrf", message)
