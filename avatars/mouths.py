"""Learning a person's own mouth from their video, after the avatar is ready and while it is already used.

A thread of the builder looks for builds that wait for it and works in a process of its own, which gives way to everything
else. The avatar gets a new file where the mouth turned out well; conversations that go on keep the old one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import Any, Final

import structlog
from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import close_old_connections, transaction
from django.utils import timezone

from avatars.builds import remove_files
from avatars.heartbeat import STALE_AFTER, Heartbeat
from avatars.models import Avatar, Build
from avatars.progress import announce
from avatars.uploads import VIDEO_TYPES

logger = structlog.get_logger(__name__)

LIBRARIES: Final = ("jax", "optax", "onnx")
LOOK_EVERY_S: Final = 3.0
ATTEMPT_LIMIT: Final = 2
NOT_INSTALLED: Final = (
    "The mouth is drawn. Parlo could learn how it really looks, but the packages for that are not installed here:"
    " run make own-mouth, then build again."
)
STOPPED: Final = "You stopped the learning; the mouth is drawn."


class Stopped(Exception):
    """The avatar's owner stopped it, or built the avatar anew."""


def offer(build: Build) -> None:
    """Have the mouth of a finished build learnt, where it was built from a video. The build is not saved here."""
    if PurePath(build.source.name or "").suffix[1:] not in VIDEO_TYPES:
        return
    build.mouth_progress, build.mouth_attempts = 0.0, 0
    if all(find_spec(name) for name in LIBRARIES):
        build.mouth, build.mouth_message = Build.Mouth.WAITING, "How the mouth really looks will be learnt in a moment."
    else:
        build.mouth, build.mouth_message = Build.Mouth.DRAWN, NOT_INSTALLED


def stop(avatar: Avatar) -> None:
    """Have the learning that is under way or waits given up."""
    under_way = Build.objects.filter(avatar=avatar, mouth__in=(Build.Mouth.WAITING, Build.Mouth.LEARNING))
    under_way.update(mouth=Build.Mouth.DRAWN, mouth_message=STOPPED)


def learn_until(stop: threading.Event) -> None:
    """Learn one mouth after the other until told to stop; the builder runs this in a thread."""
    while not stop.wait(LOOK_EVERY_S):
        close_old_connections()
        try:
            _recover()
            build = _claim()
            if build is not None:
                learn(build)
        except Exception as error:
            logger.warning("Mouths could not be learnt", reason=str(error))


def _claim() -> Build | None:
    waiting = Build.objects.select_related("avatar").filter(mouth=Build.Mouth.WAITING).order_by("pk").first()
    if waiting is None:
        return None
    waiting.mouth, waiting.heartbeat_at = Build.Mouth.LEARNING, timezone.now()
    waiting.mouth_attempts += 1
    taken = Build.objects.filter(pk=waiting.pk, mouth=Build.Mouth.WAITING).update(
        mouth=waiting.mouth, heartbeat_at=waiting.heartbeat_at, mouth_attempts=waiting.mouth_attempts
    )
    return waiting if taken else None


def _recover() -> None:
    """Let what a builder was learning when it died wait again; what it died of twice is given up in words."""
    stale = Build.objects.filter(mouth=Build.Mouth.LEARNING, heartbeat_at__lt=timezone.now() - STALE_AFTER)
    stale.filter(mouth_attempts__lt=ATTEMPT_LIMIT).update(mouth=Build.Mouth.WAITING)
    stale.filter(mouth_attempts__gte=ATTEMPT_LIMIT).update(
        mouth=Build.Mouth.DRAWN, mouth_message="The learning was interrupted twice; the mouth is drawn."
    )


def learn(build: Build) -> None:
    """Learn the mouth of a build that was claimed. Whatever happens is told to its creator in a sentence."""
    logger.info("Mouth is being learnt", build=build.pk, avatar=build.avatar.code, attempt=build.mouth_attempts)
    try:
        with Heartbeat(build.pk), tempfile.TemporaryDirectory(prefix="parlo-mouth-") as folder:
            out = Path(folder) / "out.imx"
            imx_name = str(build.avatar.imx.name)
            found = _learnt(build, imx_name, Path(folder), out)
            if found.get("used"):
                _publish(build, imx_name, out)
    except Stopped:
        logger.info("Learning a mouth was stopped", build=build.pk)
        _leave(build)
        return
    except Exception:
        logger.exception("Learning a mouth failed", build=build.pk)
        found = {"refused": f"Parlo made a mistake while learning. Its log says more under build {build.pk}."}
    measures = found.get("trial")
    if measures:
        build.report = {**(build.report or {}), "own_mouth": measures}
    build.mouth = Build.Mouth.OWN if found.get("used") else Build.Mouth.DRAWN
    build.mouth_message, build.mouth_progress = sentence(found)[:300], 1.0
    build.save(update_fields=["mouth", "mouth_message", "mouth_progress", "report"])
    logger.info("Mouth learnt", build=build.pk, used=bool(found.get("used")), **(measures or {}))
    announce(build.avatar, build)


def _leave(build: Build) -> None:
    """Begin again where the avatar's file changed meanwhile, unless it was built anew, which is learnt from then."""
    newest = not Build.objects.filter(avatar=build.avatar_id, pk__gt=build.pk, state=Build.State.READY).exists()
    state = Build.Mouth.WAITING if newest else Build.Mouth.DRAWN
    Build.objects.filter(pk=build.pk, mouth=Build.Mouth.LEARNING).update(mouth=state, mouth_attempts=0)


def sentence(found: dict[str, Any]) -> str:
    """What came of it, for the avatar's owner."""
    if "refused" in found:
        return f"The mouth is drawn, its real look was not learnt: {found['refused']}"
    trial = found["trial"]
    if found["used"]:
        return (
            "The mouth looks as it does in your video. On its last part, which nothing was learnt from, that is "
            f"{trial['painted_db'] - trial['drawn_db']:.1f} dB nearer to what you filmed than a drawn mouth."
        )
    return (
        f"The mouth is drawn. Its real look was learnt and left out, because on the last part of your video "
        f"{' and '.join(found['faults'])}. More, and more varied, speech in even light would help."
    )


def _learnt(build: Build, imx_name: str, folder: Path, out: Path) -> dict[str, Any]:
    """Run the learning and pass on how it goes. Raises `Stopped`, OSError where a file is gone."""
    names = {"avatar.imx": imx_name, f"source{PurePath(build.source.name or '').suffix}": str(build.source.name)}
    for local, stored in names.items():
        with default_storage.open(stored, "rb") as file, (folder / local).open("wb") as copy:
            shutil.copyfileobj(file, copy)
    found: dict[str, Any] = {}
    with _running([str(folder / local) for local in names] + [str(out)]) as lines:
        for line in lines:
            found = json.loads(line)
            if "share" in found:
                _note(build, imx_name, found)
    if not {"used", "refused"} & set(found):
        raise RuntimeError("the learning ended without a word")
    return found


@contextmanager
def _running(arguments: list[str]) -> Iterator[Iterator[str]]:
    """The learning in a process of its own, by the lines that it writes; it ends with whoever reads them."""
    with subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "avatars.build.painting", *arguments],
        cwd=settings.BASE_DIR,
        env={**{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}, "PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield iter(process.stdout)
        finally:
            process.kill()


def _note(build: Build, imx_name: str, told: dict[str, Any]) -> None:
    """Note how far it is. Raises `Stopped` where it is not wanted any more."""
    build.mouth_progress, build.mouth_message = float(told["share"]), str(told["message"])[:300]
    wanted = Build.objects.filter(pk=build.pk, mouth=Build.Mouth.LEARNING, avatar__imx=imx_name).update(
        mouth_progress=build.mouth_progress, mouth_message=build.mouth_message
    )
    if not wanted:
        raise Stopped
    announce(build.avatar, build)


def _publish(build: Build, imx_name: str, out: Path) -> None:
    """Put the new file in place of the one that was learnt for. Raises `Stopped` where that is there no more."""
    with transaction.atomic():
        avatar = Avatar.objects.select_for_update().filter(pk=build.avatar_id, imx=imx_name).first()
        if avatar is None or not Build.objects.filter(pk=build.pk, mouth=Build.Mouth.LEARNING).exists():
            raise Stopped
        with out.open("rb") as opened:
            avatar.imx.save("avatar.imx", File(opened), save=False)
        avatar.save(update_fields=["imx", "updated_at"])
        remove_files([imx_name])
    build.avatar = avatar
