"""Pages of rooms: making one, being in it, closing it."""

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_POST, require_safe

from avatars.files import answer_file
from avatars.models import Avatar
from avatars.permissions import can_talk
from realtime.forwarding import is_forwarding
from realtime.guests import LONGEST_NAME, MOST_SEATS
from realtime.models import Room
from realtime.rooms import Door, can_close, find_door
from webapp.limits import within_limit

ROOMS_AN_HOUR = 20
TOO_MANY = "You have opened many rooms lately. Use one of them, or try again in an hour."
NOT_OPEN = "This room is closed. Ask whoever sent you the link for a new one."


@require_POST
def open_room(request: HttpRequest, code: str) -> HttpResponse:
    """Open a room with an avatar that the visitor may talk to."""
    avatar = Avatar.objects.filter(code=code).first()
    if avatar is None or not can_talk(request.user, avatar):
        raise Http404
    who = request.user.pk or request.META.get("REMOTE_ADDR", "")
    if not within_limit("rooms", who, most=ROOMS_AN_HOUR, in_s=3600):
        messages.error(request, TOO_MANY)
        return redirect(avatar)
    room = Room.objects.create(avatar=avatar, creator=request.user if request.user.is_authenticated else None)
    return redirect(room)


@require_safe
@ensure_csrf_cookie
@never_cache
def room(request: HttpRequest, code: str) -> HttpResponse:
    """Show a room to whoever has one of its links."""
    door = find_door(code)
    if door is None:
        return render(request, "rooms/closed.html", {"sentence": NOT_OPEN}, status=404)
    avatar = door.room.avatar
    context = {
        "avatar": avatar,
        "talk_config": _config(request, door),
        "room": door.room,
        "watching": door.watching,
        "talk_link": request.build_absolute_uri(door.room.get_absolute_url()),
        "watch_link": request.build_absolute_uri(door.room.watch_url),
        "longest_name": LONGEST_NAME,
        "most_seats": MOST_SEATS,
        "most_viewers": settings.JANUS_MOST_VIEWERS if is_forwarding() else 0,
        "may_close": can_close(request.user, door.room),
    }
    return render(request, "rooms/room.html", context)


def _config(request: HttpRequest, door: Door) -> dict[str, object]:
    avatar = door.room.avatar
    code = door.room.watch_code if door.watching else door.room.code
    return {
        "code": avatar.code,
        "name": avatar.name,
        "ws_url": f"/ws/room/{code}/",
        "greeting": avatar.spoken_greeting,
        "poster_url": reverse("room_poster", args=[code]),
        "demo_brain": not settings.LLM_URL,
        "debug": settings.DEBUG or "debug" in request.GET,
        "watching": door.watching,
        "gone": NOT_OPEN,
        "own_name": request.user.get_short_name() or request.user.get_username()
        if request.user.is_authenticated
        else "",
    }


@require_safe
def room_poster(request: HttpRequest, code: str) -> HttpResponseBase:
    """Answer with the still picture of the avatar, which may be private, to whoever has a link."""
    door = find_door(code)
    if door is None:
        raise Http404
    return answer_file(request, door.room.avatar.poster, "image/jpeg")


@require_POST
def close_room(request: HttpRequest, code: str) -> HttpResponse:
    """Close a room for good: nobody enters any more, and whoever is inside is shown out."""
    door = find_door(code)
    if door is None or not can_close(request.user, door.room):
        raise Http404
    avatar = door.room.avatar
    door.room.delete()
    messages.success(request, "The room is closed: its links open nothing any more.")
    return redirect(avatar)
