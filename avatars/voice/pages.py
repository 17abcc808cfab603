"""The studio's page for the voice in an avatar's video: nothing is taken from it before its creator consents."""

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
from avatars.forms import VOICE_CONSENT_TEXT, VoiceSampleForm
from avatars.models import Avatar, VoiceSample
from avatars.studio import editable
from avatars.voice.taking import enqueue


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def voice(request: HttpRequest, code: str) -> HttpResponse:
    """Offer to keep a sample, and show the one that is kept."""
    avatar = editable(request, code)
    form = VoiceSampleForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if not avatar.has_sound:
            raise Http404
        try:
            with transaction.atomic():
                sample = VoiceSample.objects.create(
                    avatar=avatar,
                    speaker=form.cleaned_data["speaker"],
                    consent_at=timezone.now(),
                    consent_text=VOICE_CONSENT_TEXT,
                )
                enqueue(sample)
        except IntegrityError:
            # Asked twice: the first one holds.
            pass
        return redirect("studio_voice", avatar.code)
    context = {**_kept(avatar), "form": form}
    return render(request, "studio/voice.html", context, status=422 if form.errors else 200)


@login_required
@require_safe
def sample(request: HttpRequest, code: str) -> HttpResponse:
    """What is kept alone, for a page that waits for it."""
    return render(request, "studio/voice_sample.html", _kept(editable(request, code)))


@login_required
@require_safe
def sound(request: HttpRequest, code: str) -> HttpResponseBase:
    """Let the creator hear it."""
    kept = _kept(editable(request, code))["sample"]
    if kept is None:
        raise Http404
    download_as = f"{code}-voice.wav" if "download" in request.GET else ""
    return answer_file(request, kept.file, "audio/wav", download_as=download_as)


@login_required
@require_POST
def withdraw(request: HttpRequest, code: str) -> HttpResponse:
    """Withdraw the consent; the sample is deleted at once."""
    kept = _kept(editable(request, code))["sample"]
    if kept is not None:
        kept.delete()
        messages.success(request, "The voice sample is deleted.")
    return redirect("studio_voice", code)


def _kept(avatar: Avatar) -> dict[str, Any]:
    found = VoiceSample.objects.filter(avatar=avatar).first()
    return {"avatar": avatar, "sample": found, "under_way": found is not None and found.state == found.State.WAITING}
