"""Pages about conversations that belong to no avatar."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
def connection_check(request: HttpRequest) -> HttpResponse:
    """Show the page that tries, in the visitor's browser, everything a conversation needs."""
    config = {"ws_url": "/ws/check/", "ports": settings.MEDIA_PORTS, "addresses": settings.MEDIA_ADDRESSES}
    return render(request, "check.html", {"check_config": config})
