"""Signalling of rooms: pages of one room get to one worker, each with a seat of its own."""

from collections.abc import Callable
from typing import Any

import pytest
from channels.db import database_sync_to_async

from avatars.models import Avatar
from realtime import consumers
from realtime.consumers import CLOSE_NOT_FOUND
from realtime.models import Room
from realtime.tokens import read_token
from tests.realtime.signalling import FakeWorker, PageSocket

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def room(make_avatar: Callable[..., Avatar], user: Any) -> Room:
    return Room.objects.create(avatar=make_avatar(visibility=Avatar.Visibility.UNLISTED), creator=user)


def page_of(code: str, user: Any = None) -> PageSocket:
    return PageSocket(code, user, where="room")


async def test_the_worker_is_told_of_room_name_and_who_pays(room: Room, user: Any) -> None:
    worker, page = FakeWorker(), page_of(room.code)
    await page.join(name="Ann")
    asked = await worker.open()
    told = {key: asked[key] for key in ("room", "name", "watching", "talkers", "user", "again")}
    assert told == {
        "room": room.code, "name": "Ann", "watching": False, "talkers": 4, "user": user.pk, "again": False,
    }  # fmt: skip
    assert (await page.hear())["type"] == "ready"
    await page.go()


async def test_everybody_has_a_seat_of_their_own_at_the_same_worker(room: Room) -> None:
    FakeWorker("free")
    worker = FakeWorker("holder", sessions=3, rooms=(room.code,))
    seats = set()
    pages = [page_of(room.code) for _ in range(3)]
    for page in pages:
        await page.join(name="Ann")
        seats.add((await worker.open())["session"])
        await page.hear()
    assert len(seats) == 3
    for page in pages:
        await page.go()


@pytest.mark.parametrize(("by_link", "watch"), [(True, False), (True, None), (False, True)])
async def test_who_comes_to_watch_watches(room: Room, by_link: bool, watch: bool | None) -> None:
    worker, page = FakeWorker(), page_of(room.watch_code if by_link else room.code)
    await page.join(watch=watch)
    assert (await worker.open())["watching"] is True
    await page.go()


@pytest.mark.parametrize("name", [None, 7, ["Ann"], {"a": 1}])
async def test_what_is_no_name_is_none(room: Room, name: Any) -> None:
    worker, page = FakeWorker(), page_of(room.code)
    await page.join(name=name, watch="perhaps")
    asked = await worker.open()
    assert (asked["name"], asked["watching"]) == ("", False)
    await page.go()


async def test_a_page_comes_back_to_its_seat(room: Room) -> None:
    worker, page = FakeWorker(rooms=(room.code,)), page_of(room.code)
    await page.join()
    seat = (await worker.open())["session"]
    token = (await page.hear())["token"]
    await page.go()
    await worker.told("gone")
    back = page_of(room.code)
    await back.join(token)
    asked = await worker.told("open")
    assert (asked["session"], asked["again"]) == (seat, True)
    # Whoever has the link to watch cannot take a talker's seat with it.
    assert read_token(token, room.watch_code) is None
    await back.go()


@pytest.mark.parametrize("code", ["NOSUCHROOM23", "x"])
async def test_an_unknown_room_is_closed(db: None, code: str) -> None:
    page = page_of(code)
    await page.connect()
    assert await page.closed() == CLOSE_NOT_FOUND


async def test_a_room_that_was_closed_meanwhile_lets_nobody_in(room: Room) -> None:
    FakeWorker()
    page = page_of(room.code)
    await page.connect()
    await database_sync_to_async(room.delete)()
    await page.say(type="join")
    assert (await page.hear())["type"] == "error"
    await page.go()


async def test_a_refusal_is_passed_on_in_words(room: Room) -> None:
    worker, page = FakeWorker(), page_of(room.code)
    await page.join()
    await worker.say(await worker.told("open"), "refused", code="stage_full", message="You can watch.")
    assert await page.hear() == {"type": "error", "code": "stage_full", "message": "You can watch."}
    # Another try, to watch this time.
    await page.say(type="join", watch=True)
    assert (await worker.told("open"))["watching"] is True
    await page.go()


async def test_who_watches_through_a_server_is_offered_a_connection(room: Room) -> None:
    worker, page = FakeWorker(), page_of(room.watch_code)
    await page.join()
    asked = await worker.told("open")
    await worker.say(asked, "opened", place=asked["session"], forwarded=True)
    assert (await page.hear())["forwarded"] is True
    await page.say(type="watch")
    await worker.say(await worker.told("watch"), "offer", sdp="the server's offer")
    assert await page.hear() == {"type": "offer", "sdp": "the server's offer"}
    for sdp in (None, "x" * 100_000):
        await page.say(type="answer", sdp=sdp)
    await page.say(type="answer", sdp="the page's answer")
    assert (await worker.told("answer"))["sdp"] == "the page's answer"
    await page.say(type="hello")
    await worker.say(await worker.told("hello"), "event", event={"type": "state", "state": "listening"})
    assert await page.hear() == {"type": "event", "event": {"type": "state", "state": "listening"}}
    await worker.say(asked, "refused", code="forwarder", message="The server does not answer.")
    refused = await page.hear()
    assert (refused["code"], refused["retry_after_s"]) == ("forwarder", 4)
    # What was said of a place that was given up is of no interest.
    await worker.say(asked, "offer", sdp="late")
    await worker.say(asked, "event", event={"type": "late"})
    assert await page.hears_nothing()
    await page.go()


async def test_many_who_watch_may_come_from_one_address_where_a_server_takes_them(
    room: Room, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[tuple[str, int]] = []

    async def too_often(scope: Any, what: str, a_minute: int) -> bool:
        counted.append((what, a_minute))
        return False

    monkeypatch.setattr(consumers, "too_often", too_often)
    settings.JANUS_MOST_VIEWERS = 100
    FakeWorker()
    for url in ("", "ws://janus"):
        settings.JANUS_URL = url
        for code in (room.code, room.watch_code):
            page = page_of(code)
            await page.join()
            assert await page.hears_nothing()
            await page.go()
    assert counted == [("joins", 30), ("joins", 30), ("joins", 30), ("watching", 1000)]
