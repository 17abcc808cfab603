"""Workers hear of what an owner changes, and only of what they have to show."""

from typing import Any

import pytest

from avatars.models import Avatar
from realtime import signals


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    moods: list[str] = []
    monkeypatch.setattr(signals, "_tell_workers", lambda message: moods.append(message["mood"]))
    return moods


@pytest.mark.parametrize(
    ("fields", "heard"),
    [
        (["mood"], True),
        (["name", "idle_gestures"], True),
        (None, True),
        (["imx", "state"], False),
        ([], False),
    ],
)
def test_a_change_is_announced_once_it_is_certain(
    avatar: Avatar, told: list[str], django_capture_on_commit_callbacks: Any, fields: list[str] | None, heard: bool
) -> None:
    avatar.mood = "warm"
    with django_capture_on_commit_callbacks() as callbacks:
        avatar.save(update_fields=fields)
    assert not told
    for callback in callbacks:
        callback()
    assert told == (["warm"] if heard else [])


def test_a_new_avatar_is_news_to_nobody(
    make_avatar: Any, told: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        make_avatar(mood="warm")
    assert not told


def test_a_change_is_kept_though_nobody_can_be_told(
    avatar: Avatar, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    def broken() -> None:
        raise ConnectionError("valkey is away")

    monkeypatch.setattr(signals, "live_workers", broken)
    avatar.mood = "warm"
    with django_capture_on_commit_callbacks(execute=True):
        avatar.save(update_fields=["mood"])
    avatar.refresh_from_db()
    assert avatar.mood == "warm"
