"""Starting and resuming builds, in one transaction each, and removing files that nothing names any more."""

from contextlib import ExitStack
from pathlib import PurePath
from typing import Any

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models.fields.files import FieldFile
from django.utils import timezone

from avatars.forms import CONSENT_TEXT, NewAvatarForm
from avatars.models import Avatar, Build

UNFINISHED_LIMIT = 3


class TooManyBuilds(Exception):
    """The creator already has as many unfinished builds as one may have; the text says so."""


def enqueue(build: Build) -> None:
    """Hand a queued build to the builder process."""
    from avatars.tasks import build_avatar_task

    build_avatar_task.enqueue(build.pk)


def create_avatar(owner: Any, form: NewAvatarForm) -> Avatar:
    """Create the avatar a valid form describes and queue its build, or raise `TooManyBuilds` and create nothing."""
    given = form.cleaned_data
    with transaction.atomic():
        # An avatar that says nothing would leave its first visitor waiting; its creator can change or remove this.
        greeting = f"Hello, I'm {given['name']}. What would you like to talk about?"
        avatar = Avatar(name=given["name"], licence=given["licence"], greeting=greeting)
        avatar.owner_id = owner.pk
        avatar.save()
        start_build(
            avatar,
            given["source"],
            smile=given["smile"],
            kind=given["kind"],
            size=given["size"],
            shot=given["shot"],
        )
    return avatar


def start_build(
    avatar: Avatar,
    source: File[Any],
    *,
    smile: File[Any] | None = None,
    kind: str = "",
    size: str = Build.Size.SQUARE,
    shot: str = Build.Shot.FACE,
    points: dict[str, Any] | None = None,
    consent_text: str = CONSENT_TEXT,
) -> Build:
    """Queue a build of `avatar` from `source`, for whose use consent was just given, as for that of `smile`.

    Raises `TooManyBuilds`.
    """
    with transaction.atomic():
        if avatar.owner_id is not None:
            waiting = Build.objects.filter(
                avatar__owner=avatar.owner_id, state__in=[Build.State.QUEUED, Build.State.RUNNING]
            )
            if waiting.count() >= UNFINISHED_LIMIT:
                raise TooManyBuilds(
                    f"{UNFINISHED_LIMIT} of your avatars are still being built. Wait until one is done, then try again."
                )
        now = timezone.now()
        build = Build.objects.create(
            avatar=avatar,
            source=source,
            smile=smile or "",
            kind=kind,
            size=size,
            shot=shot,
            points=points,
            consent_at=now,
            consent_text=consent_text,
        )
        if not avatar.imx:
            avatar.state = Avatar.State.QUEUED
        avatar.save()
        enqueue(build)
    return build


def build_with_points(build: Build, points: dict[str, Any], kind: str = "") -> bool:
    """Build with the face marked by hand: go on with a build that waits for it, or build again one that has ended.

    False where the build is under way or its picture is gone. Raises `TooManyBuilds`.
    """
    if build.state in Build.FINAL and build.source:
        with ExitStack() as open_files:
            source, smile = (_opened(file, open_files) if file else None for file in (build.source, build.smile))
            assert source is not None
            start_build(
                build.avatar,
                source,
                smile=smile,
                kind=kind or build.kind,
                size=build.size,
                shot=build.shot,
                points=points,
                consent_text=build.consent_text,
            )
        return True
    with transaction.atomic():
        resumed = Build.objects.filter(pk=build.pk, state=Build.State.AWAITING_FACE_MARKING).update(
            state=Build.State.QUEUED,
            points=points,
            kind=kind or build.kind,
            progress=0.0,
            stage="",
            message="",
            error_code="",
            attempts=0,
        )
        if resumed:
            Avatar.objects.filter(pk=build.avatar_id, imx="").update(state=Avatar.State.QUEUED)
            enqueue(build)
    return bool(resumed)


def _opened(stored: FieldFile, open_files: ExitStack) -> File[Any]:
    """Return a stored upload as one that can be stored again."""
    opened = open_files.enter_context(stored.open("rb"))
    return File(opened, name=PurePath(stored.name or "source").name)


def remove_files(names: list[str]) -> None:
    """Remove stored files once the transaction under way is certain."""

    def remove() -> None:
        for name in names:
            default_storage.delete(name)

    transaction.on_commit(remove)


def published_files(avatar: Avatar) -> list[str]:
    """Name the files an avatar is published with."""
    return [file.name for file in (avatar.imx, avatar.poster, avatar.preview) if file.name]
