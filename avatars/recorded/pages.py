"""The studio's page for gestures from clips."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from avatars.files import answer_file
from avatars.forms import GESTURE_CONSENT_TEXT, GestureClipForm
from avatars.models import Avatar, GestureClip
from avatars.recorded.recording import enqueue, remove
from avatars.studio import editable
from webapp.limits import within_limit

NEEDS_VIDEO = (
    "Only an avatar from a video can have recorded gestures: "
    "a picture has no moving face that a clip could be joined to."
)
NOT_READY = "This avatar is not ready yet. Wait until it is built, then add gestures."


class ClipRefused(Exception):
    """A clip cannot be taken; the text is a sentence for people."""


def refusal_for(avatar: Avatar) -> str:
    """Return why an avatar can have no recorded gestures, or "" where it can."""
    if not avatar.is_ready:
        return NOT_READY
    return "" if avatar.from_video else NEEDS_VIDEO


def add_clip(avatar: Avatar, form: GestureClipForm, user_id: int) -> GestureClip:
    """Keep a clip until the builder makes a gesture of it. Raises `ClipRefused`."""
    if refusal := refusal_for(avatar):
        raise ClipRefused(refusal)
    if not within_limit("gesture-clip", user_id, most=30, in_s=600):
        raise ClipRefused("That were many clips. Wait ten minutes, then go on.")
    given = form.cleaned_data
    try:
        with transaction.atomic():
            # Held, so that two uploads at once are counted one after the other.
            Avatar.objects.select_for_update().get(pk=avatar.pk)
            if avatar.gesture_clips.count() >= GestureClip.LIMIT:
                raise ClipRefused(f"{GestureClip.LIMIT} gestures are the most. Remove one first.")
            clip = GestureClip.objects.create(
                avatar=avatar,
                name=given["name"],
                label=given["label"],
                file=given["clip"],
                consent_at=timezone.now(),
                consent_text=GESTURE_CONSENT_TEXT,
            )
            enqueue(clip)
    except IntegrityError as error:
        raise ClipRefused(
            f"There is a gesture {given['label']} already. Remove it first, or choose another."
        ) from error
    return clip


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def gestures(request: HttpRequest, code: str) -> HttpResponse:
    """List the recorded gestures, and take another clip."""
    avatar = editable(request, code)
    form = GestureClipForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            add_clip(avatar, form, request.user.pk or 0)
            return redirect("studio_gestures", avatar.code)
        except ClipRefused as refused:
            form.add_error(None, str(refused))
    context = {**_listed(avatar), "form": form, "refusal": refusal_for(avatar)}
    return render(request, "studio/gestures.html", context, status=422 if form.errors else 200)


@login_required
@require_safe
def clips(request: HttpRequest, code: str) -> HttpResponse:
    """The list alone, for a page that waits until all are made."""
    return render(request, "studio/gesture_clips.html", _listed(editable(request, code)))


@login_required
@require_POST
def delete(request: HttpRequest, code: str, number: int) -> HttpResponse:
    """Forget a clip and its gesture."""
    clip = _clip(request, code, number)
    remove(clip)
    messages.success(request, f"{clip.label} is being removed. Conversations that go on may still show it.")
    return redirect("studio_gestures", code)


@login_required
@require_safe
def preview(request: HttpRequest, code: str, number: int) -> HttpResponseBase:
    """Show a gesture as the avatar performs it."""
    return answer_file(request, _clip(request, code, number).preview, "video/mp4")


def _clip(request: HttpRequest, code: str, number: int) -> GestureClip:
    clip = editable(request, code).gesture_clips.filter(pk=number).first()
    if clip is None:
        raise Http404
    return clip


def _listed(avatar: Avatar) -> dict[str, Any]:
    rows = list(avatar.gesture_clips.all())
    return {"avatar": avatar, "clips": rows, "under_way": any(row.under_way for row in rows)}
