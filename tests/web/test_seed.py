"""The demo avatars."""

import json
from pathlib import Path

import pytest

from avatars.demo import POINTS, demo_avatars
from avatars.models import Avatar, Build
from avatars.seed import seed_demos

pytestmark = pytest.mark.django_db


@pytest.fixture
def described(tmp_path: Path) -> Path:
    (tmp_path / "fox.png").write_bytes(b"picture")
    path = tmp_path / "demo.json"
    texts = {name: name for name in ("tagline", "licence", "persona", "voice", "greeting")}
    entry = {
        "key": "fox",
        "name": "Fox",
        "picture": "fox.png",
        "kind": "animal",
        "visibility": "public",
        "mood": "warm",
        "points": "points.json",
        **texts,
    }
    (tmp_path / "points.json").write_text(json.dumps({name: [1, 2] for name in POINTS}))
    path.write_text(json.dumps({"avatars": [entry]}))
    return path


def test_seeding_twice_changes_nothing(described: Path) -> None:
    (avatar,) = seed_demos(described)
    assert (avatar.name, avatar.owner, avatar.demo, avatar.visibility) == ("Fox", None, True, "public")
    assert avatar.mood == "warm"
    assert Build.objects.get().points["chin"] == [1, 2]
    assert seed_demos(described) == []
    assert Avatar.objects.count() == Build.objects.count() == 1


def test_a_demo_that_failed_gets_another_try(described: Path) -> None:
    seed_demos(described)
    Avatar.objects.update(state=Avatar.State.FAILED)
    assert len(seed_demos(described)) == 1
    assert Avatar.objects.get().state == Avatar.State.QUEUED


def test_a_missing_picture_is_told(described: Path) -> None:
    (described.parent / "fox.png").unlink()
    with pytest.raises(ValueError, match=r"fox names the file fox\.png"):
        demo_avatars(described)


def test_a_mood_nobody_knows_is_told(described: Path) -> None:
    described.write_text(described.read_text().replace('"warm"', '"furious"'))
    with pytest.raises(ValueError, match="fox is in an unknown mood, furious"):
        demo_avatars(described)


def test_the_gallery_shows_them_as_they_are_listed() -> None:
    seed_demos()
    Avatar.objects.update(state=Avatar.State.READY)
    assert [avatar.demo_key for avatar in Avatar.objects.listed()] == [demo.key for demo in demo_avatars()]
