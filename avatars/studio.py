"""Pages for creators: their avatars, a new one, one of them."""

from pathlib import PurePath
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from avatars.builds import TooManyBuilds, build_with_points, create_avatar, start_build
from avatars.files import answer_file
from avatars.forms import (
    AvatarForm,
    GestureTriggerFormSet,
    LinkFormSet,
    NewAvatarForm,
    PairFormSet,
    PointsForm,
    SourceForm,
)
from avatars.models import Avatar, Build
from avatars.mouths import stop as stop_learning
from avatars.permissions import can_download, can_edit
from avatars.progress import build_status
from avatars.uploads import SIGNATURE_BYTES, VIDEO_TYPES, picture_type
from avatars.voices import VoiceSilent, find_sample
from webapp.limits import within_limit
from webapp.providers.chosen import demo_brain, for_all, mind_of
from webapp.providers.refusals import refuses_tools

PICTURE_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}


def editable(request: HttpRequest, code: str) -> Avatar:
    """Return an avatar of the reader's own.

    Raises `Http404` for everything else, so that nobody learns which codes exist.
    """
    avatar = Avatar.objects.filter(code=code).first()
    if avatar is None or not can_edit(request.user, avatar):
        raise Http404
    return avatar


@login_required
@require_safe
def studio(request: HttpRequest) -> HttpResponse:
    """List the creator's avatars."""
    context = {
        "avatars": Avatar.objects.owned_by(request.user),
        # Only who can change it is told here; visitors read it where they talk.
        "demo_brain": request.user.is_staff and for_all().demo_brain,
    }
    return render(request, "studio/list.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Take a picture or a video, and a name, and start the build."""
    form = NewAvatarForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            avatar = create_avatar(request.user, form)
            return redirect("studio_avatar", avatar.code)
        except TooManyBuilds as refusal:
            form.add_error(None, str(refusal))
    return render(request, "studio/new.html", {"form": form}, status=422 if form.errors else 200)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def detail(request: HttpRequest, code: str) -> HttpResponse:
    """Show the build, and change what may be changed."""
    avatar = editable(request, code)
    form = AvatarForm(request.POST or None, instance=avatar)
    pairs = PairFormSet(request.POST or None, instance=avatar)
    triggers = GestureTriggerFormSet(request.POST or None, instance=avatar)
    links = LinkFormSet(request.POST or None, instance=avatar)
    # Every one is asked, so that all that is wrong is said at once.
    if request.method == "POST" and all([form.is_valid(), pairs.is_valid(), triggers.is_valid(), links.is_valid()]):
        with transaction.atomic():
            # Only what the form holds is written: a build may publish at this very moment.
            avatar.save(update_fields=[*form.cleaned_data, "updated_at"])
            pairs.save()
            triggers.save()
            links.save()
        messages.success(request, "Saved.")
        return redirect("studio_avatar", avatar.code)
    return _detail(request, editable(request, code), form=form, pairs=pairs, triggers=triggers, links=links)


def _detail(
    request: HttpRequest,
    avatar: Avatar,
    *,
    form: AvatarForm | None = None,
    pairs: Any = None,
    triggers: Any = None,
    links: Any = None,
    source_form: SourceForm | None = None,
) -> HttpResponse:
    build = avatar.latest_build
    form = form or AvatarForm(instance=avatar)
    source_form = source_form or SourceForm(initial=_as_before(build))
    context: dict[str, Any] = {
        "avatar": avatar,
        "build": build,
        "form": form,
        "pairs": pairs or PairFormSet(instance=avatar),
        "triggers": triggers or GestureTriggerFormSet(instance=avatar),
        "links": links or LinkFormSet(instance=avatar),
        "demo_brain": demo_brain(avatar),
        "tools_refused": refuses_tools(mind_of(avatar)),
        "source_form": source_form,
        "own_providers": settings.CREATOR_PROVIDERS != "off",
        "build_config": {
            **build_status(avatar, build),
            "ws_url": f"/ws/build/{avatar.code}/",
            "source_url": reverse("studio_source", args=[avatar.code]) if build else "",
            "points_url": reverse("studio_points", args=[avatar.code]),
            "points": _marked(build),
            "kind": _kind(avatar, build),
            "can_mark": build is not None and bool(build.source) and not _is_video(build),
            "moving": build is not None and _is_video(build),
        },
    }
    rows_failed = any(rows is not None and rows.is_bound and not rows.is_valid() for rows in (pairs, triggers, links))
    failed = form.errors or source_form.errors or rows_failed
    return render(request, "studio/avatar.html", context, status=422 if failed else 200)


def _as_before(build: Build | None) -> dict[str, str]:
    """Return what another picture is offered with: the size and the shot that the last one had."""
    return {"size": build.size, "shot": build.shot} if build else {}


def _kind(avatar: Avatar, build: Build | None) -> str:
    """Return what the picture shows, as its creator said or as its build found; "" while that is open."""
    if build is None:
        return ""
    return str(build.kind or (avatar.kind if build.state == Build.State.READY else ""))


def _marked(build: Build | None) -> dict[str, Any] | None:
    """Return where the six points stand now: as marked, or as the build found the face; None for neither."""
    if build is None:
        return None
    found: dict[str, Any] | None = (build.report or {}).get("measures", {}).get("points")
    return build.points or found


def _is_video(build: Build) -> bool:
    return PurePath(build.source.name or "").suffix[1:] in VIDEO_TYPES


@login_required
@require_POST
def stop_mouth(request: HttpRequest, code: str) -> HttpResponse:
    """Give up learning how the person's own mouth looks."""
    avatar = editable(request, code)
    stop_learning(avatar)
    return redirect("studio_avatar", code=avatar.code)


@login_required
@require_POST
def points(request: HttpRequest, code: str) -> HttpResponse:
    """Take the six points of a face and go on with the build, or build again."""
    avatar = editable(request, code)
    build = avatar.latest_build
    form = PointsForm(request.POST)
    if build is None or not form.is_valid():
        for sentence in form.errors.get("points", ["There is no build to mark a face for."]):
            messages.error(request, str(sentence))
    else:
        try:
            if not build_with_points(build, form.marked(), form.cleaned_data["kind"]):
                messages.error(request, "This build does not wait for a face to be marked.")
        except TooManyBuilds as refusal:
            messages.error(request, str(refusal))
        except FileNotFoundError:
            messages.error(request, "The picture is gone. Upload it again.")
    return redirect("studio_avatar", avatar.code)


@login_required
@require_POST
def replace(request: HttpRequest, code: str) -> HttpResponse:
    """Build again from another picture or video; until it succeeds the avatar stays as it is."""
    avatar = editable(request, code)
    form = SourceForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            avatar.licence = form.cleaned_data["licence"]
            given = form.cleaned_data
            start_build(
                avatar,
                given["source"],
                smile=given["smile"],
                kind=given["kind"],
                size=given["size"],
                shot=given["shot"],
            )
            return redirect("studio_avatar", avatar.code)
        except TooManyBuilds as refusal:
            form.add_error(None, str(refusal))
    return _detail(request, avatar, source_form=form)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, code: str) -> HttpResponse:
    """Ask, then delete."""
    avatar = editable(request, code)
    if request.method == "POST":
        avatar.delete()
        messages.success(request, f"{avatar.name} is deleted.")
        return redirect("studio")
    return render(request, "studio/delete.html", {"avatar": avatar})


@login_required
@require_safe
def download(request: HttpRequest, code: str) -> HttpResponseBase:
    """Hand out the avatar's file."""
    avatar = editable(request, code)
    if not can_download(request.user, avatar):
        raise Http404
    return answer_file(request, avatar.imx, "application/octet-stream", download_as=f"{avatar.code}.imx")


@login_required
@require_safe
def source(request: HttpRequest, code: str) -> HttpResponseBase:
    """Show the creator the picture they uploaded, for marking a face in it."""
    build: Build | None = editable(request, code).latest_build
    if build is None or not build.source:
        raise Http404
    try:
        with build.source.open("rb") as opened:
            kind = picture_type(opened.read(SIGNATURE_BYTES))
    except FileNotFoundError as error:
        raise Http404 from error
    if kind is None:
        raise Http404
    return answer_file(request, build.source, PICTURE_TYPES[kind])


@login_required
@require_safe
def voice_sample(request: HttpRequest, voice: str) -> HttpResponseBase:
    """Let a creator hear a voice."""
    if not within_limit("voice-sample", request.user.pk or 0, most=60, in_s=60):
        return HttpResponse("That was often. Wait a minute.", "text/plain", status=429)
    try:
        file = find_sample(voice)
        opened = file.open("rb")
    except KeyError as error:
        raise Http404 from error
    except (VoiceSilent, OSError):
        return HttpResponse("This voice cannot be heard at the moment.", "text/plain", status=503)
    return FileResponse(opened, content_type="audio/wav", headers={"Cache-Control": "private, max-age=3600"})
