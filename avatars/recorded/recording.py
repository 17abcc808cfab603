"""Recorded gestures in the builder process: a clip becomes a gesture, or one is taken out, of an avatar's file.

The file is never changed: another one with the gesture takes its place, and conversations that go on keep the old one.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from avatars.builds import remove_files
from avatars.models import Avatar, GestureClip
from webapp import disk

logger = structlog.get_logger(__name__)

SAVE_INTERVAL_S: Final = 0.5
# Each step of the work is told of sooner than that, however slow the machine.
STALE_AFTER: Final = timedelta(minutes=3)
ATTEMPT_LIMIT: Final = 2
# How often another file may be published meanwhile.
TRIES: Final = 5
MADE_AGAIN: Final = "The avatar's file has changed meanwhile, so this gesture is made again."


class FileChanged(Exception):
    """The avatar's file is not the one that was worked on any more."""


def enqueue(clip: GestureClip) -> None:
    """Hand a clip that waits, or is to be removed, to the builder process."""
    from avatars.tasks import record_gesture_task

    record_gesture_task.enqueue(clip.pk)


def remove(clip: GestureClip) -> None:
    """Forget a clip, and take its gesture out of the avatar's file."""
    with transaction.atomic():
        GestureClip.objects.filter(pk=clip.pk).update(
            state=GestureClip.State.REMOVING, started_at=timezone.now(), message="", attempts=0
        )
        enqueue(clip)


def begin_again(avatar: Avatar) -> None:
    """Make all gestures of an avatar whose file was just built anew, from the clips that were kept."""
    for clip in avatar.gesture_clips.exclude(state=GestureClip.State.REMOVING):
        GestureClip.objects.filter(pk=clip.pk).update(
            state=GestureClip.State.WAITING, message="", progress=0.0, attempts=0
        )
        enqueue(clip)


def record(clip_id: int) -> None:
    """Make one waiting gesture, or remove one. Whatever happens is told to its creator in a sentence."""
    clip = GestureClip.objects.select_related("avatar").filter(pk=clip_id).first()
    if clip is None:
        logger.info("A gesture is gone", clip=clip_id)
        return
    if clip.state == GestureClip.State.REMOVING:
        _remove(clip)
        return
    taken = GestureClip.objects.filter(pk=clip_id, state=GestureClip.State.WAITING)
    if not taken.update(
        state=GestureClip.State.RUNNING, started_at=timezone.now(), attempts=clip.attempts + 1, progress=0.0
    ):
        logger.info("A gesture is not waiting any more", clip=clip_id)
        return
    clip.refresh_from_db()
    from avatars.build import BuildRefused
    from avatars.imx import ImxError

    try:
        _make(clip)
    except FileChanged:
        # A build that ended meanwhile has put it in line already, or this does.
        logger.info("An avatar was built anew while a gesture was made", clip=clip.pk)
        if GestureClip.objects.filter(pk=clip.pk, state=GestureClip.State.RUNNING).update(
            state=GestureClip.State.WAITING, message=MADE_AGAIN
        ):
            enqueue(clip)
    except (BuildRefused, ImxError) as refusal:
        logger.info("Gesture refused", clip=clip.pk, code=refusal.code)
        _fail(clip, refusal.message)
    except FileNotFoundError:
        _fail(clip, "The uploaded clip is gone. Upload it again.")
    except Exception as error:
        logger.exception("Gesture failed", clip=clip.pk)
        _fail(
            clip, disk.sentence(error, f"Parlo made a mistake with this clip. Its log says more under clip {clip.pk}.")
        )


def _make(clip: GestureClip) -> None:
    from avatars.build.gesture import put_in, record_gesture
    from avatars.build.preview import gesture_film
    from avatars.build.refusal import BuildRefused
    from avatars.imx import open_imx

    with tempfile.TemporaryDirectory(prefix="parlo-gesture-") as name:
        folder = Path(name)
        if not clip.avatar.imx.name:
            raise FileChanged
        imx = _local_imx(clip.avatar, folder)
        source = folder / f"clip{Path(clip.file.name or '').suffix}"
        with clip.file.open("rb") as stored, source.open("wb") as local:
            shutil.copyfileobj(stored, local)
        opened = open_imx(imx)
        portrait = opened.portrait()
        if portrait.footage is None:
            raise BuildRefused(
                "not_moving", "This avatar is from a picture; only one from a video has recorded gestures."
            )
        made = record_gesture(opened, portrait, source, clip.name, clip.label, _progress(clip))
        preview = gesture_film(portrait, made.gesture)
        loop = opened.manifest.members["footage.h264"].sha256
        out = folder / "with.imx"

        def written(current: Path) -> Path:
            footage = open_imx(current).manifest.members.get("footage.h264")
            if footage is None or footage.sha256 != loop:
                raise FileChanged
            put_in(current, made.gesture, out)
            return out

        def noted() -> None:
            kept = GestureClip.objects.select_for_update().filter(pk=clip.pk, state=GestureClip.State.RUNNING).first()
            if kept is None:
                # It is to be removed, or to be made anew.
                raise FileChanged
            if kept.preview.name:
                remove_files([kept.preview.name])
            kept.preview.save("gesture.mp4", ContentFile(preview), save=False)
            kept.state, kept.progress, kept.message = GestureClip.State.READY, 1.0, " ".join(made.warnings)[:300]
            kept.save()

        _publish(clip.avatar_id, folder, written, noted)
    logger.info("Gesture made", clip=clip.pk, avatar=clip.avatar.code, **made.measures)


def _remove(clip: GestureClip) -> None:
    from avatars.build.gesture import take_out
    from avatars.imx import ImxError, open_imx

    with tempfile.TemporaryDirectory(prefix="parlo-gesture-") as name:
        folder = Path(name)

        def written(current: Path) -> Path | None:
            if clip.name not in [entry.name for entry in open_imx(current).manifest.gestures]:
                return None
            take_out(current, clip.name, folder / "without.imx")
            return folder / "without.imx"

        try:
            _publish(clip.avatar_id, folder, written, clip.delete)
        except (FileChanged, FileNotFoundError):
            # A build is publishing another file, which has no gestures yet.
            clip.delete()
        except ImxError as error:
            logger.error("A gesture could not be taken out", clip=clip.pk, reason=error.message)
            _fail(clip, "The avatar's file is damaged. Build the avatar again.")


def _publish(avatar_id: int, folder: Path, written: Callable[[Path], Path | None], noted: Callable[[], object]) -> None:
    """Put what `written` makes of the avatar's file in its place, and note it, both or neither.

    Where another file was published meanwhile it begins again. Raises `FileChanged`, and what both raise.
    """
    for _ in range(TRIES):
        avatar = Avatar.objects.filter(pk=avatar_id).first()
        if avatar is None or not avatar.imx.name:
            raise FileChanged
        before = avatar.imx.name
        out = written(_local_imx(avatar, folder))
        with transaction.atomic():
            current = Avatar.objects.select_for_update().filter(pk=avatar_id, imx=before).first()
            if current is None:
                continue
            noted()
            if out is not None:
                remove_files([before])
                with out.open("rb") as opened:
                    current.imx.save("avatar.imx", File(opened), save=False)
                current.save(update_fields=["imx", "updated_at"])
            return
    raise FileChanged


def _local_imx(avatar: Avatar, folder: Path) -> Path:
    """Copy the avatar's file out of the storage, which may be remote. Raises `FileNotFoundError`."""
    path = folder / "avatar.imx"
    with default_storage.open(avatar.imx.name or "", "rb") as stored, path.open("wb") as local:
        shutil.copyfileobj(stored, local)
    return path


def _progress(clip: GestureClip) -> Callable[[float, str], None]:
    """Note how far it is, not more often than pages can show."""
    saved_at = 0.0

    def told(share: float, message: str) -> None:
        nonlocal saved_at
        now = time.monotonic()
        if now - saved_at < SAVE_INTERVAL_S:
            return
        saved_at = now
        GestureClip.objects.filter(pk=clip.pk, state=GestureClip.State.RUNNING).update(
            progress=share, message=message, started_at=timezone.now()
        )

    return told


def _fail(clip: GestureClip, message: str) -> None:
    GestureClip.objects.filter(pk=clip.pk).exclude(state=GestureClip.State.REMOVING).update(
        state=GestureClip.State.FAILED, message=message[:300], progress=0.0
    )


def recover_unmade() -> int:
    """Queue gestures again whose builder died; one that died twice fails in words. Return how many were found."""
    stale = GestureClip.objects.filter(
        state__in=[GestureClip.State.RUNNING, GestureClip.State.REMOVING], started_at__lt=timezone.now() - STALE_AFTER
    )
    found = 0
    for clip in stale:
        found += 1
        removing = clip.state == GestureClip.State.REMOVING
        if clip.attempts >= ATTEMPT_LIMIT and not removing:
            _fail(clip, "Making it was interrupted twice. Upload the clip again.")
            continue
        with transaction.atomic():
            # The time is compared again, so that two builders never queue the same one twice.
            if GestureClip.objects.filter(pk=clip.pk, state=clip.state, started_at=clip.started_at).update(
                state=clip.state if removing else GestureClip.State.WAITING, started_at=timezone.now()
            ):
                enqueue(clip)
    return found
