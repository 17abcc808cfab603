"""The page of the conversations that go on now, for admins: how they fare, and a button that ends one."""

from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from avatars.models import Avatar
from realtime.live import find_holder, live_sessions
from realtime.models import Session
from webapp.providers.views import for_admins


@for_admins
@require_safe
def sessions(request: HttpRequest) -> HttpResponse:
    """Show what goes on now."""
    return render(request, "settings/sessions.html", _now())


@for_admins
@require_safe
def session_list(request: HttpRequest) -> HttpResponse:
    """The list alone, which the page asks for again and again."""
    return render(request, "settings/session_list.html", _now())


@for_admins
@require_POST
def hang_up(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """End a conversation; its page is told who did."""
    worker = find_holder(session_id.hex)
    if worker is None:
        messages.error(request, "This conversation has ended already.")
    else:
        async_to_sync(get_channel_layer().send)(worker.channel, {"type": "hang_up", "session": session_id.hex})
        messages.success(request, "Hung up.")
    return redirect("live_sessions")


def _now() -> dict[str, Any]:
    workers = live_sessions()
    rows = [row for _, held in workers for row in held]
    names = dict(Avatar.objects.filter(code__in={row.avatar for row in rows}).values_list("code", "name"))
    users = dict(Session.objects.filter(pk__in=[row.id for row in rows]).values_list("pk", "user__username"))
    return {
        "workers": [
            {
                "worker": worker,
                "sessions": [
                    {
                        "id": UUID(hex=row.id),
                        "row": row,
                        "name": names.get(row.avatar, row.avatar),
                        "user": users.get(UUID(hex=row.id)) or "",
                    }
                    for row in held
                ],
            }
            for worker, held in workers
        ]
    }
