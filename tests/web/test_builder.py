"""Builds: publication, refusals, failures, interruptions."""

import errno
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from avatars import builder
from avatars.builder import recover_interrupted, run_build, stale_builds
from avatars.builds import build_with_points, enqueue
from avatars.making import Made, Refused
from avatars.models import Avatar, Build
from avatars.orphans import recover_orphans
from webapp import disk
from webapp.usage.models import UsageEntry

Maker = Callable[[Build, Path, Path, Any, Path | None], Made]


def made(build: Build, source: Path, out: Path, progress: Any, teeth: Path | None) -> Made:
    assert source.read_bytes() == b"picture"
    progress("faces", 0.2, "Looking for the face.")
    progress("rig", 0.7, "Fitting.")
    out.write_bytes(b"new imx")
    return Made(out, b"poster", b"film", "drawing", (720, 1280), {"faces_found": 1})


@pytest.fixture
def build(make_avatar: Any) -> Build:
    avatar = make_avatar(files=False, state=Avatar.State.QUEUED)
    return Build.objects.create(avatar=avatar, source=ContentFile(b"picture", "source.jpg"))


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Maker], None]:
    def replace(maker: Maker) -> None:
        monkeypatch.setattr(builder, "make", maker)

    return replace


def test_a_build_publishes_everything_at_once(build: Build, use: Any) -> None:
    use(made)
    run_build(build.pk)
    build.refresh_from_db()
    avatar = build.avatar
    avatar.refresh_from_db()
    assert (build.state, build.progress, build.report) == (Build.State.READY, 1.0, {"faces_found": 1})
    assert avatar.is_ready
    assert avatar.kind == Avatar.Kind.DRAWING
    assert (avatar.width, avatar.height, avatar.shape) == (720, 1280, "tall")
    assert avatar.imx.read() == b"new imx"
    assert avatar.poster.read() == b"poster"
    entry = UsageEntry.objects.get()
    assert (entry.kind, entry.quantity, entry.user) == (UsageEntry.Kind.BUILD, 1, avatar.owner)


def test_a_disk_that_is_full_is_told_in_words_and_what_was_there_stays(
    build: Build, use: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(made)
    run_build(build.pk)
    before = Avatar.objects.get(pk=build.avatar_id)
    again = Build.objects.create(avatar=before, source=ContentFile(b"picture", "again.jpg"))

    def full(*_: Any, **__: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as small:
        small.setattr(FileSystemStorage, "_save", full)
        run_build(again.pk)
    again.refresh_from_db()
    assert (again.state, again.error_code, again.message) == (Build.State.FAILED, "disk_full", disk.FULL)
    after = Avatar.objects.get(pk=build.avatar_id)
    assert after.is_ready
    assert (after.imx.name, after.imx.read()) == (before.imx.name, b"new imx")
    assert UsageEntry.objects.count() == 1


def test_progress_never_runs_backwards_and_ends_in_the_database(build: Build, use: Any) -> None:
    seen: list[float] = []

    def watching(build: Build, source: Path, out: Path, progress: Any, teeth: Path | None) -> Made:
        for stage, share in (("a", 0.5), ("b", 0.3), ("c", 1.7)):
            progress(stage, share, "Working.")
            seen.append(Build.objects.get(pk=build.pk).progress)
        return made(build, source, out, progress, teeth)

    use(watching)
    run_build(build.pk)
    assert seen == [0.5, 0.5, 1.0]


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("no_face", Build.State.FAILED),
        ("needs_points", Build.State.AWAITING_FACE_MARKING),
        ("bad_points", Build.State.AWAITING_FACE_MARKING),
    ],
)
def test_a_refusal_is_told_in_its_sentence(build: Build, use: Any, code: str, state: str) -> None:
    def refuse(*_: Any) -> Made:
        raise Refused(code, "There is no face in this picture.")

    use(refuse)
    run_build(build.pk)
    build.refresh_from_db()
    build.avatar.refresh_from_db()
    assert (build.state, build.error_code, build.message) == (state, code, "There is no face in this picture.")
    assert build.avatar.state == state


def test_a_failure_is_told_without_its_trace(build: Build, use: Any) -> None:
    def fail(*_: Any) -> Made:
        raise ZeroDivisionError("inner workings")

    use(fail)
    run_build(build.pk)
    build.refresh_from_db()
    assert (build.state, build.error_code) == (Build.State.FAILED, "internal")
    assert "inner workings" not in build.message


def test_a_ready_avatar_survives_a_failed_build(build: Build, use: Any) -> None:
    use(made)
    run_build(build.pk)
    again = Build.objects.create(avatar=build.avatar, source=ContentFile(b"picture", "source.jpg"))

    def refuse(*_: Any) -> Made:
        raise Refused("no_face", "There is no face in this picture.")

    use(refuse)
    run_build(again.pk)
    avatar = Avatar.objects.get()
    assert avatar.is_ready
    assert avatar.imx.read() == b"new imx"


def test_older_pictures_are_forgotten(build: Build, use: Any, django_capture_on_commit_callbacks: Any) -> None:
    use(made)
    storage, old = build.source.storage, build.source.name
    run_build(build.pk)
    again = Build.objects.create(avatar=build.avatar, source=ContentFile(b"picture", "source.jpg"))
    with django_capture_on_commit_callbacks(execute=True):
        run_build(again.pk)
    build.refresh_from_db()
    assert not build.source
    assert not storage.exists(old)
    assert storage.exists(again.source.name)


def test_a_second_picture_is_handed_on_and_forgotten_with_the_first(
    build: Build, use: Any, django_capture_on_commit_callbacks: Any
) -> None:
    build.smile.save("smile.png", ContentFile(b"smile"))
    storage, old = build.smile.storage, build.smile.name
    seen: list[bytes | None] = []

    def watching(build: Build, source: Path, out: Path, progress: Any, teeth: Path | None) -> Made:
        seen.append(teeth and teeth.read_bytes())
        return made(build, source, out, progress, teeth)

    use(watching)
    run_build(build.pk)
    assert storage.exists(old)
    again = Build.objects.create(avatar=build.avatar, source=ContentFile(b"picture", "source.jpg"))
    with django_capture_on_commit_callbacks(execute=True):
        run_build(again.pk)
    assert seen == [b"smile", None]
    assert not storage.exists(old)


def test_a_second_picture_goes_with_its_build(build: Build, django_capture_on_commit_callbacks: Any) -> None:
    build.smile.save("smile.png", ContentFile(b"smile"))
    storage, names = build.source.storage, [build.source.name, build.smile.name]
    with django_capture_on_commit_callbacks(execute=True):
        build.delete()
    assert not any(storage.exists(name) for name in names)


def test_a_build_with_points_after_another_keeps_the_second_picture(build: Build) -> None:
    build.smile.save("smile.png", ContentFile(b"smile"))
    Build.objects.filter(pk=build.pk).update(state=Build.State.FAILED)
    build.refresh_from_db()
    assert build_with_points(build, {"chin": [1, 2]})
    again = Build.objects.get(state=Build.State.QUEUED)
    assert (again.source.read(), again.smile.read()) == (b"picture", b"smile")
    assert again.smile.name != build.smile.name


def test_a_build_is_claimed_once(build: Build, use: Any) -> None:
    use(made)
    run_build(build.pk)
    run_build(build.pk)
    build.refresh_from_db()
    assert build.attempts == 1


def test_an_avatar_deleted_meanwhile_stays_deleted(build: Build, use: Any) -> None:
    def delete_first(build: Build, source: Path, out: Path, progress: Any, teeth: Path | None) -> Made:
        result = made(build, source, out, progress, teeth)
        Avatar.objects.all().delete()
        return result

    use(delete_first)
    run_build(build.pk)
    assert not Avatar.objects.exists()
    assert not Build.objects.exists()


def test_a_lost_upload_is_told(build: Build, use: Any) -> None:
    use(made)
    build.source.storage.delete(build.source.name)
    run_build(build.pk)
    build.refresh_from_db()
    assert (build.state, build.error_code) == (Build.State.FAILED, "source_lost")


def interrupt(build: Build, age: timedelta, attempts: int = 1) -> None:
    Build.objects.filter(pk=build.pk).update(
        state=Build.State.RUNNING, heartbeat_at=timezone.now() - age, attempts=attempts
    )


def test_an_interrupted_build_starts_again_once(build: Build) -> None:
    interrupt(build, timedelta(minutes=1))
    assert recover_interrupted() == 1
    build.refresh_from_db()
    assert build.state == Build.State.QUEUED
    assert recover_interrupted() == 0


def test_a_clock_that_is_put_forward_interrupts_no_build(build: Build) -> None:
    interrupt(build, timedelta(hours=1))
    # To a builder that looks just then all signs of life are an hour old; the next one comes in time.
    before = stale_builds()
    assert list(before) == [build.pk]
    assert recover_interrupted({}) == 0
    Build.objects.filter(pk=build.pk).update(heartbeat_at=timezone.now())
    assert recover_interrupted(before) == 0
    build.refresh_from_db()
    assert build.state == Build.State.RUNNING
    # One that has really died does not give another.
    interrupt(build, timedelta(minutes=1))
    assert recover_interrupted(stale_builds()) == 1


def test_a_build_interrupted_twice_fails_in_words(build: Build) -> None:
    interrupt(build, timedelta(minutes=1), attempts=2)
    recover_interrupted()
    build.refresh_from_db()
    build.avatar.refresh_from_db()
    assert (build.state, build.error_code) == (Build.State.FAILED, "interrupted")
    assert build.avatar.state == Avatar.State.FAILED


def test_a_build_whose_builder_died_before_it_began_is_queued_again(build: Build) -> None:
    enqueue(build)
    task = DBTaskResult.objects.get()
    task.claim("builder")
    assert recover_orphans() == 0
    DBTaskResult.objects.update(started_at=timezone.now() - timedelta(minutes=1))
    assert recover_orphans() == 1
    assert list(DBTaskResult.objects.ready()) == [task]
    assert recover_orphans() == 0
    # Once it has begun it is no orphan, however long it takes.
    task.claim("another builder")
    DBTaskResult.objects.update(started_at=timezone.now() - timedelta(minutes=1))
    Build.objects.update(state=Build.State.RUNNING)
    assert recover_orphans() == 0


def test_a_living_build_is_left_alone(build: Build) -> None:
    interrupt(build, timedelta(seconds=5))
    assert recover_interrupted() == 0
    build.refresh_from_db()
    assert build.state == Build.State.RUNNING
