"""Pages for everybody: the gallery, an avatar, talking to it."""

from django.conf import settings
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from avatars.files import answer_file
from avatars.models import Avatar
from avatars.permissions import can_edit, can_talk, can_view
from webapp.providers.chosen import demo_brain, own

GALLERY_LIMIT = 60


def viewable(request: HttpRequest, code: str) -> Avatar:
    """Return an avatar the reader may see.

    Raises `Http404` alike for one that is not there and one that is somebody else's.
    """
    avatar = Avatar.objects.filter(code=code).first()
    if avatar is None or not can_view(request.user, avatar):
        raise Http404
    return avatar


@require_safe
def gallery(request: HttpRequest) -> HttpResponse:
    """Show the public avatars, those that match when something is searched for."""
    query = request.GET.get("q", "").strip()[:100]
    avatars = Avatar.objects.listed()
    if query:
        avatars = avatars.filter(Q(name__icontains=query) | Q(tagline__icontains=query) | Q(code__iexact=query))
    return render(request, "gallery.html", {"avatars": avatars[:GALLERY_LIMIT], "query": query})


@require_safe
def avatar_page(request: HttpRequest, code: str) -> HttpResponse:
    """Show one avatar."""
    avatar = viewable(request, code)
    context = {"avatar": avatar, "can_edit": can_edit(request.user, avatar), "demo_brain": demo_brain(avatar)}
    return render(request, "avatars/avatar.html", context)


@require_safe
@ensure_csrf_cookie
def talk(request: HttpRequest, code: str) -> HttpResponse:
    """Open the page to talk on."""
    avatar = viewable(request, code)
    if not can_talk(request.user, avatar):
        raise Http404
    talk_config = {
        "code": avatar.code,
        "name": avatar.name,
        "ws_url": f"/ws/talk/{avatar.code}/",
        "greeting": avatar.spoken_greeting,
        "poster_url": avatar.poster_url,
        "demo_brain": demo_brain(avatar),
        "debug": settings.DEBUG or "debug" in request.GET,
        "remembers": avatar.remembers,
        "remembered": _remembered(request, avatar),
    }
    context = {"avatar": avatar, "talk_config": talk_config, "own_mind": own(avatar).thinks}
    return render(request, "avatars/talk.html", context)


def _remembered(request: HttpRequest, avatar: Avatar) -> bool:
    """Tell whether the avatar remembers the reader, because both of them want that."""
    user = request.user
    return avatar.remembers and user.is_authenticated and avatar.acquaintances.filter(user=user.pk).exists()


@require_safe
def poster(request: HttpRequest, code: str) -> HttpResponseBase:
    """Answer with the still picture."""
    return answer_file(request, viewable(request, code).poster, "image/jpeg")


@require_safe
def preview(request: HttpRequest, code: str) -> HttpResponseBase:
    """Answer with the short silent film."""
    return answer_file(request, viewable(request, code).preview, "video/mp4")
