"""The demo avatars."""

import json
from pathlib import Path

import pytest

from avatars.models import Avatar, Build
from avatars.seed import read_demos, seed_demos

pytestmark = pytest.mark.django_db


@pytest.fixture
def described(tmp_path: Path) -> Path:
    (tmp_path / "fox.png").write_bytes(b"picture")
    path = tmp_path / "demo.json"
    entry = {
        "key": "fox",
        "name": "Fox",
        "picture": "fox.png",
        "persona": "p",
        "kind": "animal",
        "points": {"chin": [1, 2]},
    }
    path.write_text(json.dumps({"avatars": [entry]}))
    return path


def test_seeding_twice_changes_nothing(described: Path) -> None:
    (avatar,) = seed_demos(described)
    assert (avatar.name, avatar.owner, avatar.demo, avatar.visibility) == ("Fox", None, True, "public")
    assert Build.objects.get().points == {"chin": [1, 2]}
    assert seed_demos(described) == []
    assert Avatar.objects.count() == Build.objects.count() == 1


def test_a_demo_that_failed_gets_another_try(described: Path) -> None:
    seed_demos(described)
    Avatar.objects.update(state=Avatar.State.FAILED)
    assert len(seed_demos(described)) == 1
    assert Avatar.objects.get().state == Avatar.State.QUEUED


def test_a_missing_picture_is_told(described: Path) -> None:
    (described.parent / "fox.png").unlink()
    with pytest.raises(ValueError, match=r"fox\.png of fox is not there"):
        read_demos(described)


def test_the_demos_that_come_with_parlo_can_be_read() -> None:
    for demo in read_demos():
        assert demo.texts["name"]
        assert demo.texts["persona"]
        assert demo.kind in {"", *Avatar.Kind.values}
