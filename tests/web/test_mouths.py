"""Learning a person's own mouth after a build: who is asked, what is published, what is told."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.urls import reverse
from django.utils import timezone

from avatars import mouths
from avatars.models import Avatar, Build
from avatars.mouths import _claim, _recover, learn, offer, sentence
from avatars.progress import build_status

TRIAL = {"painted_db": 26.0, "drawn_db": 20.5, "texture": 0.9}


@pytest.fixture
def build(make_avatar: Any) -> Build:
    return Build.objects.create(
        avatar=make_avatar(),
        source=ContentFile(b"video", "source.mp4"),
        state=Build.State.READY,
        mouth=Build.Mouth.WAITING,
        report={"measures": {}},
    )


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the learning writes, line by line; before the last line the file is there."""

    def replace(*lines: dict[str, Any]) -> None:
        @contextmanager
        def running(arguments: list[str]) -> Iterator[Iterator[str]]:
            avatar, source, out = map(Path, arguments)
            assert avatar.stat().st_size
            assert source.read_bytes() == b"video"
            out.write_bytes(b"with its own mouth")
            yield (json.dumps(line) for line in lines)

        monkeypatch.setattr(mouths, "_running", running)

    return replace


@pytest.mark.parametrize(
    ("name", "installed", "expected"),
    [
        ("source.mp4", True, Build.Mouth.WAITING),
        ("source.webm", True, Build.Mouth.WAITING),
        ("source.mp4", False, Build.Mouth.DRAWN),
        ("source.jpg", True, Build.Mouth.UNKNOWN),
        ("source.jpg", False, Build.Mouth.UNKNOWN),
    ],
)
def test_the_mouth_of_a_video_is_learnt_where_it_can_be(
    monkeypatch: pytest.MonkeyPatch, name: str, installed: bool, expected: str
) -> None:
    monkeypatch.setattr(mouths, "find_spec", lambda library: object() if installed else None)
    build = Build(source=name)
    offer(build)
    assert build.mouth == expected
    assert ("make own-mouth" in build.mouth_message) is (expected == Build.Mouth.DRAWN)
    assert "\nown-mouth:" in (Path(__file__).parents[2] / "Makefile").read_text()


def test_a_mouth_that_turned_out_well_is_published(build: Build, says: Any) -> None:
    before = build.avatar.imx.name
    says({"share": 0.4, "message": "Learning."}, {"used": True, "trial": TRIAL, "faults": []})
    claimed = _claim()
    assert claimed == build
    assert _claim() is None
    learn(claimed)
    build.refresh_from_db()
    avatar = Avatar.objects.get(pk=build.avatar_id)
    assert (build.mouth, build.mouth_progress, build.state) == (Build.Mouth.OWN, 1.0, Build.State.READY)
    assert "5.5 dB" in build.mouth_message
    assert build.report == {"measures": {}, "own_mouth": TRIAL}
    assert avatar.imx.name != before
    assert avatar.imx.read() == b"with its own mouth"
    assert avatar.is_ready


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (
            {"used": False, "trial": TRIAL, "faults": ["it flickers"]},
            "because on the last part of your video it flickers",
        ),
        ({"refused": "The video shows too little."}, "too little"),
        ({"share": 0.4, "message": "Learning."}, "made a mistake"),
    ],
)
def test_otherwise_the_avatar_stays_as_it_was(build: Build, says: Any, last: dict[str, Any], words: str) -> None:
    before = build.avatar.imx.name
    says(last)
    claimed = _claim()
    assert claimed is not None
    learn(claimed)
    build.refresh_from_db()
    assert build.mouth == Build.Mouth.DRAWN
    assert words in build.mouth_message
    assert Avatar.objects.get(pk=build.avatar_id).imx.name == before


@pytest.mark.parametrize("what", ["stopped", "changed"])
def test_what_is_not_wanted_any_more_is_given_up(client: Any, build: Build, says: Any, what: str) -> None:
    claimed = _claim()
    assert claimed is not None
    if what == "stopped":
        client.force_login(build.avatar.owner)
        page = client.post(reverse("studio_mouth_stop", args=[build.avatar.code]))
        assert page.status_code == 302
    else:
        Avatar.objects.filter(pk=build.avatar_id).update(imx="avatars/another.imx")
    expected = Avatar.objects.get(pk=build.avatar_id).imx.name
    says({"share": 0.4, "message": "Learning."}, {"used": True, "trial": TRIAL, "faults": []})
    learn(claimed)
    assert Avatar.objects.get(pk=build.avatar_id).imx.name == expected
    build.refresh_from_db()
    # What was only changed, by a recorded gesture for instance, is learnt for again.
    assert build.mouth == (Build.Mouth.DRAWN if what == "stopped" else Build.Mouth.WAITING)
    assert ("You stopped" in build.mouth_message) is (what == "stopped")


def test_only_the_owner_stops_it(client: Any, build: Build, make_user: Any) -> None:
    client.force_login(make_user("somebody"))
    assert client.post(reverse("studio_mouth_stop", args=[build.avatar.code])).status_code == 404
    build.refresh_from_db()
    assert build.mouth == Build.Mouth.WAITING


@pytest.mark.parametrize(("attempts", "expected"), [(1, Build.Mouth.WAITING), (2, Build.Mouth.DRAWN)])
def test_a_learning_whose_builder_died_is_taken_up_once(build: Build, attempts: int, expected: str) -> None:
    old = timezone.now() - timedelta(minutes=1)
    Build.objects.update(mouth=Build.Mouth.LEARNING, mouth_attempts=attempts, heartbeat_at=old)
    _recover()
    build.refresh_from_db()
    assert build.mouth == expected
    Build.objects.update(mouth=Build.Mouth.LEARNING, heartbeat_at=timezone.now())
    _recover()
    assert Build.objects.get().mouth == Build.Mouth.LEARNING


def test_pages_are_told_how_far_it_is(client: Any, build: Build) -> None:
    told = build_status(build.avatar, build)["mouth"]
    assert told == {"under_way": True, "progress": 0.0, "message": ""}
    client.force_login(build.avatar.owner)
    page = client.get(reverse("studio_avatar", args=[build.avatar.code])).content.decode()
    assert "Stop learning" in page
    build.mouth = ""
    assert build_status(build.avatar, build)["mouth"] is None


def test_the_learning_itself_speaks_in_lines(tmp_path: Path) -> None:
    """A file that is no avatar is refused, in the words that the owner gets."""
    (tmp_path / "a.imx").write_bytes(b"nothing")
    pytest.importorskip("jax", reason="requirements-mouth.txt is not installed")
    with mouths._running([str(tmp_path / "a.imx"), "source.mp4", "out.imx"]) as lines:
        found = [json.loads(line) for line in lines]
    assert "not an avatar" in sentence(found[-1])


def test_the_thread_ends_when_told() -> None:
    stop = threading.Event()
    stop.set()
    mouths.learn_until(stop)
