"""Running a build in the builder process: claim it, build, publish, and account for whatever goes wrong."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog
from django.core.files import File
from django.core.files.base import ContentFile
from django.db import close_old_connections, transaction
from django.db.models.fields.files import FieldFile
from django.utils import timezone

from avatars.builds import enqueue, published_files, remove_files
from avatars.heartbeat import HEARTBEAT_S, STALE_AFTER, Heartbeat
from avatars.knowledge.reading import recover_unread
from avatars.making import Made, Refused, make
from avatars.models import Avatar, Build, VoiceSample
from avatars.mouths import offer
from avatars.orphans import recover_orphans
from avatars.progress import announce
from avatars.recorded.recording import begin_again, recover_unmade
from avatars.voice.taking import recover_untaken
from webapp import disk
from webapp.usage.models import UsageEntry

logger = structlog.get_logger(__name__)

ATTEMPT_LIMIT: Final = 2
SAVE_INTERVAL_S: Final = 0.15
ASKS_FOR_POINTS: Final = frozenset({"needs_points", "bad_points"})


class Progress:
    """Saves and announces the stages of one build, not more often than pages can show."""

    def __init__(self, build: Build) -> None:
        self.build = build
        self.saved_at = 0.0

    def __call__(self, stage: str, progress: float, message: str) -> None:
        """Take note of a stage, the share of the whole build that is done (0..1), and what to tell the creator."""
        now = time.monotonic()
        if stage == self.build.stage and now - self.saved_at < SAVE_INTERVAL_S:
            return
        self.saved_at = now
        self.build.stage, self.build.message = stage, message[:500]
        self.build.progress = max(self.build.progress, min(1.0, float(progress)))
        self.build.heartbeat_at = timezone.now()
        self.build.save(update_fields=["stage", "progress", "message", "heartbeat_at"])
        announce(self.build.avatar, self.build)


def claim(build_id: int) -> Build | None:
    """Take a queued build; None when it is gone or somebody else's."""
    now = timezone.now()
    with transaction.atomic():
        build = Build.objects.select_related("avatar").filter(pk=build_id, state=Build.State.QUEUED).first()
        if build is None:
            return None
        build.state, build.started_at, build.heartbeat_at = Build.State.RUNNING, now, now
        build.attempts += 1
        build.progress, build.message, build.error_code = 0.0, "The build has started.", ""
        build.save()
        if not build.avatar.imx:
            build.avatar.state = Avatar.State.BUILDING
            build.avatar.save(update_fields=["state", "updated_at"])
    return build


def run_build(build_id: int) -> None:
    """Run one queued build to its end. Whatever happens is told to its creator in a sentence."""
    build = claim(build_id)
    if build is None:
        logger.info("Build is not waiting any more", build=build_id)
        return
    logger.info("Build starts", build=build.pk, avatar=build.avatar.code, attempt=build.attempts)
    announce(build.avatar, build)
    try:
        with Heartbeat(build.pk), tempfile.TemporaryDirectory(prefix="parlo-build-") as folder:
            source = _local(build.source, Path(folder))
            teeth = _local(build.smile, Path(folder)) if build.smile else None
            made = make(build, source, Path(folder) / "avatar.imx", Progress(build), teeth)
            publish(build, made)
    except Refused as refusal:
        logger.info("Build refused", build=build.pk, code=refusal.code)
        waiting = refusal.code in ASKS_FOR_POINTS
        end(build, Build.State.AWAITING_FACE_MARKING if waiting else Build.State.FAILED, refusal.message, refusal.code)
    except Exception as error:
        logger.exception("Build failed", build=build.pk)
        if disk.is_full(error):
            end(build, Build.State.FAILED, disk.FULL, "disk_full")
            return
        message = f"Parlo made a mistake while building. Its log says more under build {build.pk}. You can try again."
        end(build, Build.State.FAILED, message, "internal")


def _local(upload: FieldFile, folder: Path) -> Path:
    """Copy an upload out of the storage, which may be remote."""
    path = folder / Path(upload.name or "source").name
    try:
        with upload.open("rb") as stored, path.open("wb") as local:
            shutil.copyfileobj(stored, local)
    except FileNotFoundError as error:
        raise Refused("source_lost", "The uploaded file is gone. Upload it again.") from error
    return path


def publish(build: Build, made: Made) -> None:
    """Put what was built in place of what was there, all at once: readers see the old avatar or the new one."""
    with transaction.atomic():
        avatar = Avatar.objects.select_for_update().filter(pk=build.avatar_id).first()
        if avatar is None:
            logger.info("Avatar was deleted while it was built", build=build.pk)
            return
        remove_files(published_files(avatar))
        with made.imx.open("rb") as opened:
            avatar.imx.save("avatar.imx", File(opened), save=False)
        avatar.poster.save("poster.jpg", ContentFile(made.poster), save=False)
        avatar.preview.save("preview.mp4", ContentFile(made.preview), save=False)
        avatar.state, avatar.kind = Avatar.State.READY, made.kind
        avatar.width, avatar.height = made.size_px
        avatar.save(update_fields=["imx", "poster", "preview", "state", "kind", "width", "height", "updated_at"])
        build.state, build.progress, build.finished_at = Build.State.READY, 1.0, timezone.now()
        build.message, build.report = "The avatar is ready.", made.report
        offer(build)
        build.save()
        _forget_older_sources(build)
        begin_again(avatar)
        # It was of the old video.
        for sample in VoiceSample.objects.filter(avatar=avatar):
            sample.delete()
        UsageEntry.objects.create(
            kind=UsageEntry.Kind.BUILD,
            quantity=1,
            user=avatar.owner,
            avatar_code=avatar.code,
            reference=f"build:{build.pk}:{build.attempts}",
        )
    logger.info("Build done", build=build.pk, avatar=avatar.code)
    announce(avatar, build)


def _forget_older_sources(build: Build) -> None:
    """Keep what the avatar was made from, and nothing else its creator once uploaded."""
    older = Build.objects.filter(avatar=build.avatar_id, pk__lt=build.pk).exclude(source="", smile="")
    remove_files([name for names in older.values_list("source", "smile") for name in names if name])
    older.update(source="", smile="")


def end(build: Build, state: str, message: str, error_code: str) -> None:
    """End a build without an avatar; one that was ready before stays ready."""
    build.state, build.message, build.error_code, build.finished_at = state, message[:500], error_code, timezone.now()
    with transaction.atomic():
        avatar = Avatar.objects.select_for_update().filter(pk=build.avatar_id).first()
        if avatar is None:
            return
        build.save()
        if not avatar.imx:
            avatar.state = state  # the states of a build that ended are states of an avatar, too
            avatar.save(update_fields=["state", "updated_at"])
    announce(avatar, build)


def stale_builds() -> dict[int, datetime]:
    """Running builds without a sign of life for long, each with its last."""
    stale = Build.objects.filter(state=Build.State.RUNNING, heartbeat_at__lt=timezone.now() - STALE_AFTER)
    return {pk: beat for pk, beat in stale.values_list("pk", "heartbeat_at") if beat is not None}


def recover_interrupted(suspected: Mapping[int, datetime] | None = None) -> int:
    """Queue builds again whose builder died; one that died twice fails in words. Return how many were found.

    suspected: only those that were as stale before, with the same last sign of life. All look stale just after the clock of
    this machine was put forward.
    """
    found = 0
    stale = stale_builds()
    if suspected is not None:
        stale = {pk: beat for pk, beat in stale.items() if suspected.get(pk) == beat}
    for build in Build.objects.select_related("avatar").filter(pk__in=stale):
        found += 1
        if build.attempts >= ATTEMPT_LIMIT:
            message = "The build was interrupted twice. Try again, or with another picture or video."
            end(build, Build.State.FAILED, message, "interrupted")
            continue
        with transaction.atomic():
            # The heartbeat is compared again, so that two builders never queue the same build twice.
            taken = Build.objects.filter(
                pk=build.pk, state=Build.State.RUNNING, heartbeat_at=build.heartbeat_at
            ).update(state=Build.State.QUEUED, message="The build was interrupted and waits to start again.")
            if taken:
                enqueue(build)
        logger.warning("Build was interrupted, queued again", build=build.pk)
    return found


def watch_for_interrupted(stop: threading.Event) -> None:
    """Recover interrupted builds and readings until told to stop; the builder runs this in a thread."""
    suspected: dict[int, datetime] = {}
    # Longer than between two signs of life.
    while not stop.wait(HEARTBEAT_S * 1.5):
        close_old_connections()
        try:
            recover_interrupted(suspected)
            suspected = stale_builds()
            recover_unread()
            recover_unmade()
            recover_untaken()
            recover_orphans()
        except Exception as error:
            logger.warning("Interrupted builds could not be looked for", reason=str(error))
