"""What avatars remember of whoever reads it: the page under their account, and the switch where they talk."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from avatars.models import Avatar
from avatars.permissions import can_talk
from realtime.models import Acquaintance, Memory
from webapp.limits import within_limit
from webapp.providers.chosen import demo_brain

CHANGES_A_MINUTE = 30


def own_acquaintances(request: HttpRequest) -> QuerySet[Acquaintance]:
    """Return the avatars that may remember the reader. Everything on these pages goes through here."""
    return Acquaintance.objects.filter(user=request.user.pk)


@never_cache
@login_required
@require_safe
def memories(request: HttpRequest) -> HttpResponse:
    """Show all that is remembered of the reader, avatar by avatar."""
    rows = own_acquaintances(request).select_related("avatar").prefetch_related("memories")
    known = [(row, demo_brain(row.avatar)) for row in rows]
    return render(request, "account/memories.html", {"acquaintances": known, "most": Memory.LIMIT})


@login_required
@require_POST
def forget(request: HttpRequest, number: int) -> HttpResponse:
    """Delete one memory."""
    get_object_or_404(Memory, pk=number, acquaintance__in=own_acquaintances(request)).delete()
    messages.success(request, "Forgotten.")
    return redirect("account_memories")


@login_required
@require_POST
def forget_all(request: HttpRequest, number: int) -> HttpResponse:
    """Delete all that one avatar remembers; it may go on remembering."""
    acquaintance = get_object_or_404(own_acquaintances(request), pk=number)
    acquaintance.memories.all().delete()
    messages.success(request, f"{acquaintance.avatar.name} has forgotten all of it.")
    return redirect("account_memories")


@login_required
@require_POST
def withdraw(request: HttpRequest, number: int) -> HttpResponse:
    """Withdraw the consent, and with it delete all that the avatar remembers."""
    acquaintance = get_object_or_404(own_acquaintances(request), pk=number)
    name = acquaintance.avatar.name
    acquaintance.delete()
    messages.success(request, f"{name} remembers nothing of you, and will not.")
    return redirect("account_memories")


@require_POST
def allow(request: HttpRequest, code: str) -> HttpResponse:
    """Give or withdraw the consent where one talks: `on` is "1" or "0". Withdrawing deletes."""
    avatar = Avatar.objects.filter(code=code).first()
    if avatar is None or not can_talk(request.user, avatar) or request.POST.get("on") not in {"0", "1"}:
        raise Http404
    if not request.user.is_authenticated:
        return JsonResponse({"message": "Sign in first: only who has an account is remembered."}, status=403)
    if not within_limit("memory", request.user.pk, most=CHANGES_A_MINUTE, in_s=60):
        return JsonResponse({"message": "That was often. Wait a minute."}, status=429)
    if request.POST["on"] == "0":
        own_acquaintances(request).filter(avatar=avatar).delete()
        return JsonResponse({"on": False})
    if not avatar.remembers:
        raise Http404
    Acquaintance.objects.get_or_create(user_id=request.user.pk, avatar=avatar)
    return JsonResponse({"on": True})
