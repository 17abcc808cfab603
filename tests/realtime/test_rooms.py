"""Rooms: who makes and enters them, and that all who come meet on one worker."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from avatars.models import Avatar
from realtime.models import ROOM_CODE_LENGTH, ROOM_LETTERS, Room
from realtime.placement import Registration, WorkerRecord
from realtime.room_views import ROOMS_AN_HOUR
from realtime.rooms import can_close, find_door, room_worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def public(make_avatar: Callable[..., Avatar]) -> Avatar:
    return make_avatar(visibility=Avatar.Visibility.PUBLIC)


def works(name: str, *rooms: str, sessions: int = 0) -> None:
    Registration().beat(WorkerRecord(name, f"media.{name}", 4, sessions, rooms))


# Making one


def test_whoever_may_talk_may_open_a_room(client: Client, public: Avatar, user: Any) -> None:
    client.force_login(user)
    answer = client.post(f"/a/{public.code}/rooms/")
    room = Room.objects.get()
    assert answer.url == f"/r/{room.code}/"  # type: ignore[attr-defined]
    assert (room.avatar, room.creator) == (public, user)
    assert timedelta(hours=23) < room.expires_at - timezone.now() <= timedelta(hours=24)


def test_nobody_opens_a_room_with_what_is_not_theirs_to_see(client: Client, avatar: Avatar, user: Any) -> None:
    assert client.post(f"/a/{avatar.code}/rooms/").status_code == 404
    client.force_login(user)
    assert client.post(f"/a/{avatar.code}/rooms/").status_code == 404
    assert client.get(f"/a/{avatar.code}/rooms/").status_code == 405
    assert not Room.objects.exists()


def test_rooms_are_not_opened_by_the_hundred(client: Client, public: Avatar) -> None:
    for _ in range(ROOMS_AN_HOUR + 3):
        answer = client.post(f"/a/{public.code}/rooms/", follow=True)
    assert Room.objects.count() == ROOMS_AN_HOUR
    assert "many rooms" in answer.content.decode()


def test_codes_are_long_and_tell_nothing_of_each_other(public: Avatar) -> None:
    room = Room.objects.create(avatar=public)
    assert room.code != room.watch_code
    for code in (room.code, room.watch_code):
        assert len(code) == ROOM_CODE_LENGTH
        assert set(code) <= set(ROOM_LETTERS)
        assert public.code not in code


# Entering


def test_the_owners_room_lets_guests_meet_a_private_avatar(client: Client, avatar: Avatar, creator: Any) -> None:
    room = Room.objects.create(avatar=avatar, creator=creator)
    page = client.get(room.get_absolute_url())
    assert page.status_code == 200
    assert room.watch_url in page.content.decode()
    assert b"".join(client.get(f"/r/{room.code}/poster.jpg")).startswith(b"\xff\xd8\xff")  # type: ignore[arg-type]
    assert client.get(f"/a/{avatar.code}/").status_code == 404


def test_the_link_to_watch_does_not_give_the_link_to_talk_away(client: Client, public: Avatar) -> None:
    room = Room.objects.create(avatar=public)
    page = client.get(room.watch_url).content.decode()
    assert room.code not in page
    assert "Watch only" not in page
    door = find_door(room.watch_code)
    assert door is not None
    assert door.watching


def test_a_room_ends_with_its_time_and_with_its_makers_right_to_talk(client: Client, public: Avatar, user: Any) -> None:
    room = Room.objects.create(avatar=public, creator=user)
    assert find_door(room.code) is not None
    public.visibility = Avatar.Visibility.PRIVATE
    public.save()
    assert find_door(room.code) is None
    public.visibility = Avatar.Visibility.UNLISTED
    public.save()
    assert find_door(room.code) is not None
    Room.objects.update(expires_at=timezone.now())
    assert find_door(room.code) is None
    closed = client.get(room.get_absolute_url())
    assert closed.status_code == 404
    assert "This room is closed" in closed.content.decode()
    assert client.get("/r/NOSUCHROOM23/").status_code == 404


# Closing


def test_its_maker_and_the_avatars_owner_close_a_room_and_nobody_else(
    client: Client, public: Avatar, creator: Any, user: Any, make_user: Any
) -> None:
    room = Room.objects.create(avatar=public, creator=user)
    assert [can_close(who, room) for who in (user, creator, make_user("other"), AnonymousUser())] == [
        True, True, False, False,
    ]  # fmt: skip
    assert client.post(f"/r/{room.code}/close/").status_code == 404
    client.force_login(creator)
    assert client.post(f"/r/{room.code}/close/").status_code == 302
    assert not Room.objects.exists()


def test_an_anonymous_visitors_room_is_closed_by_the_owner_alone(public: Avatar, creator: Any, user: Any) -> None:
    room = Room.objects.create(avatar=public)
    assert not can_close(AnonymousUser(), room)
    assert not can_close(user, room)
    assert can_close(creator, room)


# Where it is held


def test_the_first_who_come_are_sent_to_one_worker_though_none_holds_the_room_yet(public: Avatar) -> None:
    room = Room.objects.create(avatar=public)
    assert room_worker(room) is None
    works("one")
    works("two", sessions=1)
    first = room_worker(room)
    assert first is not None
    assert first.name == "one"
    works("three")
    cache.delete("media-worker:0")
    works("one", sessions=3)
    again = room_worker(room)
    assert again is not None
    assert again.name == "one"


def test_who_comes_later_is_sent_to_whoever_holds_it(public: Avatar) -> None:
    room = Room.objects.create(avatar=public)
    works("free")
    works("holder", room.code, sessions=4)
    found = room_worker(room)
    assert found is not None
    assert found.name == "holder"


def test_a_worker_that_died_meanwhile_holds_nobody_up(public: Avatar) -> None:
    room = Room.objects.create(avatar=public)
    works("one")
    room_worker(room)
    cache.delete("media-worker:0")
    works("two")
    found = room_worker(room)
    assert found is not None
    assert found.name == "two"
