"""Signalling: how a page gets to a media worker, what passes between them, and what it hears when that fails."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from channels.db import database_sync_to_async
from django.conf import settings

from avatars.models import Avatar
from realtime import consumers
from realtime.consumers import (
    LONGEST_CANDIDATE,
    LONGEST_SDP,
    LOST_AFTER_MISSED,
    MESSAGES_A_SECOND,
    PAGE_CLOSED,
    WATCH_S,
)
from realtime.placement import LOST_AFTER_S
from realtime.tokens import Place, issue_token, read_token
from tests.realtime.signalling import FakeWorker, PageSocket
from webapp.ice import turn_credentials

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shared(make_avatar: Callable[..., Avatar]) -> Avatar:
    """An avatar that anybody with the link may talk to."""
    return make_avatar(visibility=Avatar.Visibility.UNLISTED)


@pytest.fixture
def page(shared: Avatar) -> PageSocket:
    return PageSocket(shared.code)


async def opened(page: PageSocket, worker: FakeWorker, token: Any = None) -> dict[str, Any]:
    """Join and be let in; returns what the page was told."""
    await page.join(token)
    await worker.open()
    ready = await page.hear()
    assert ready["type"] == "ready"
    return ready


async def made(make_avatar: Callable[..., Avatar], **fields: Any) -> Avatar:
    avatar: Avatar = await database_sync_to_async(make_avatar)(**fields)
    return avatar


# Getting in


async def test_a_page_that_joins_is_given_a_place(page: PageSocket, shared: Avatar) -> None:
    worker = FakeWorker()
    await page.join()
    asked = await worker.open()
    assert (asked["avatar"], asked["user"], asked["again"]) == (shared.code, None, False)
    ready = await page.hear()
    assert ready["type"] == "ready"
    assert (ready["ice_servers"], ready["ice_policy"]) == (settings.ICE_SERVERS, settings.ICE_POLICY)
    session = UUID(hex=ready["session"])
    assert session.hex == asked["session"]
    assert read_token(ready["token"], shared.code) == Place(session, "one")
    await page.go()


async def test_a_page_gets_turn_credentials_of_its_session(page: PageSocket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ICE_SERVERS", [{"urls": "turn:t.example"}])
    monkeypatch.setattr(settings, "TURN_SECRET", "north")
    monkeypatch.setattr(settings, "ICE_POLICY", "relay")
    ready = await opened(page, FakeWorker())
    (server,) = ready["ice_servers"]
    until, name = server["username"].split(":")
    assert name == ready["session"]
    assert turn_credentials("north", name, int(until)) == (server["username"], server["credential"])
    assert ready["ice_policy"] == "relay"
    assert "north" not in str(ready)
    await page.go()


async def test_the_worker_is_told_who_talks(avatar: Avatar, creator: Any) -> None:
    worker, page = FakeWorker(), PageSocket(avatar.code, creator)
    await page.join()
    assert (await worker.told("open"))["user"] == creator.pk
    await page.go()


@pytest.mark.parametrize(
    ("said", "told"), [("Europe/Berlin", "Europe/Berlin"), ("x" * 65, ""), (7, ""), (None, ""), ({"a": 1}, "")]
)
async def test_the_worker_is_told_the_time_zone_of_the_page(page: PageSocket, said: Any, told: str) -> None:
    worker = FakeWorker()
    await page.join(time_zone=said)
    assert (await worker.told("open"))["time_zone"] == told
    await page.go()


async def test_the_worker_with_the_most_room_is_asked(page: PageSocket) -> None:
    busy, free = FakeWorker("busy", sessions=3), FakeWorker("free", sessions=1)
    await opened(page, free)
    assert busy.untold
    await page.go()


async def test_offer_answer_and_candidates_pass_between_page_and_worker(page: PageSocket) -> None:
    worker = FakeWorker()
    await opened(page, worker)
    await page.say(type="offer", sdp="v=0 the offer")
    offer = await worker.told("offer")
    assert offer["sdp"] == "v=0 the offer"
    candidate = {"candidate": "candidate:1", "sdpMid": "0", "sdpMLineIndex": 0}
    for said, told in ((candidate, candidate), (None, None), ("text", None), ([], None)):
        await page.say(type="candidate", candidate=said)
        assert (await worker.told("candidate"))["candidate"] == told
    await worker.say(offer, "answer", sdp="v=0 the answer")
    assert await page.hear() == {"type": "answer", "sdp": "v=0 the answer"}
    await page.go()


async def test_a_page_that_waits_is_answered_when_it_pings(page: PageSocket) -> None:
    worker = FakeWorker()
    await page.connect()
    await page.say(type="ping")
    assert await page.hear() == {"type": "pong"}
    await page.say(type="join")
    asked = await worker.told("open")
    await page.say(type="ping")
    assert await page.hear() == {"type": "pong"}
    await worker.say(asked, "opened", place=asked["session"])
    assert (await page.hear())["type"] == "ready"
    await page.go()


async def test_a_second_join_is_ignored(page: PageSocket) -> None:
    worker = FakeWorker()
    await opened(page, worker)
    await page.say(type="join")
    assert await page.hears_nothing()
    assert worker.untold
    await page.go()


async def test_before_it_joins_nothing_of_a_page_reaches_a_worker(page: PageSocket) -> None:
    worker = FakeWorker()
    await page.connect()
    for message in ({"type": "offer", "sdp": "v=0"}, {"type": "candidate", "candidate": {}}, {"type": "leave"}):
        await page.say(**message)
    assert await page.hears_nothing()
    await page.go()
    assert worker.untold


# Being refused


async def test_an_avatar_that_is_not_there_or_not_yours_is_not_found(avatar: Avatar, user: Any) -> None:
    for code, somebody in (("Z99ZZZ9999", None), (avatar.code, None), (avatar.code, user)):
        page = PageSocket(code, somebody)
        await page.connect()
        assert await page.closed() == 4404


async def test_after_a_refusal_nothing_is_listened_to(avatar: Avatar) -> None:
    worker, page = FakeWorker(), PageSocket(avatar.code)
    await page.join()
    await page.say(type="ping")
    assert await page.closed() == 4404
    await page.go()
    assert worker.untold


async def test_an_avatar_that_is_not_ready_says_so(make_avatar: Callable[..., Avatar], creator: Any) -> None:
    worker = FakeWorker()
    avatar = await made(make_avatar, state=Avatar.State.BUILDING)
    page = PageSocket(avatar.code, creator)
    await page.join()
    error = await page.hear()
    assert (error["type"], error["code"]) == ("error", "not_ready")
    assert error["message"].endswith(".")
    assert worker.untold
    await page.go()


async def test_an_avatar_that_becomes_ready_can_be_joined_on_the_same_socket(
    make_avatar: Callable[..., Avatar], creator: Any
) -> None:
    worker = FakeWorker()
    avatar = await made(make_avatar, state=Avatar.State.BUILDING)
    page = PageSocket(avatar.code, creator)
    await page.join()
    assert (await page.hear())["code"] == "not_ready"
    await Avatar.objects.filter(pk=avatar.pk).aupdate(state=Avatar.State.READY)
    await page.say(type="join")
    await worker.open()
    assert (await page.hear())["type"] == "ready"
    await page.go()


async def test_an_avatar_that_was_deleted_meanwhile_is_not_found(page: PageSocket, shared: Avatar) -> None:
    FakeWorker()
    await page.connect()
    assert await page.hears_nothing()
    await shared.adelete()
    await page.say(type="join")
    assert await page.closed() == 4404


async def test_without_a_media_worker_the_page_is_told_so(page: PageSocket) -> None:
    await page.join()
    error = await page.hear()
    assert (error["type"], error["code"]) == ("error", "no_worker")
    assert "media worker" in error["message"]
    await page.go()


async def test_a_full_house_says_when_to_try_again(page: PageSocket) -> None:
    worker = FakeWorker(capacity=2, sessions=2)
    await page.join()
    error = await page.hear()
    assert (error["code"], error["retry_after_s"]) == ("full", 10)
    assert worker.untold
    # A place becomes free.
    worker.registration.beat(replace(worker.record, sessions=1))
    await page.say(type="join")
    await worker.open()
    assert (await page.hear())["type"] == "ready"
    await page.go()


async def test_a_house_that_fills_up_meanwhile_says_when_to_try_again(page: PageSocket) -> None:
    worker = FakeWorker()
    await page.join()
    await worker.say(await worker.told("open"), "refused", code="full", message="All places are taken.")
    error = await page.hear()
    assert (error["code"], error["message"], error["retry_after_s"]) == ("full", "All places are taken.", 10)
    await page.go()


async def test_what_the_worker_refuses_is_told_in_its_words(page: PageSocket) -> None:
    worker = FakeWorker()
    await page.join()
    await worker.say(await worker.told("open"), "refused", code="not_ready", message="The file is broken.")
    assert await page.hear() == {"type": "error", "code": "not_ready", "message": "The file is broken."}
    # It may ask again, and has no place to give back.
    await page.say(type="join")
    await worker.say(await worker.told("open"), "refused", code="not_ready", message="It is still broken.")
    assert (await page.hear())["message"] == "It is still broken."
    await page.go()
    assert worker.untold


async def test_an_offer_that_is_refused_leaves_the_place(page: PageSocket) -> None:
    worker = FakeWorker()
    ready = await opened(page, worker)
    await page.say(type="offer", sdp="garbage")
    await worker.say(await worker.told("offer"), "refused", code="offer", message="It cannot be understood.")
    assert (await page.hear())["code"] == "offer"
    await page.say(type="offer", sdp="v=0")
    assert (await worker.told("offer"))["session"] == ready["session"]
    await page.go()


async def test_a_worker_that_never_answers_is_an_error(page: PageSocket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "OPENED_WITHIN_S", 0.1)
    worker = FakeWorker()
    await page.join()
    asked = await worker.told("open")
    error = await page.hear()
    assert (error["code"], error["message"]) == ("internal", consumers.SLOW)
    # The place that it may have given is given back.
    assert (await worker.told("leave"))["session"] == asked["session"]
    await worker.say(asked, "opened", place=asked["session"])
    assert await page.hears_nothing()
    await page.go()


async def test_a_page_that_tries_again_after_silence_is_watched_over_as_well(
    page: PageSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "OPENED_WITHIN_S", 0.1)
    worker = FakeWorker()
    await page.join()
    first = await worker.told("open")
    assert (await page.hear())["message"] == consumers.SLOW
    await worker.told("leave")
    await page.say(type="join")
    second = await worker.told("open")
    # What belongs to the first attempt is no news.
    await worker.say(first, "ended", reason="lost", message="The connection was lost.")
    await worker.say(first, "answer", sdp="v=0")
    await worker.say(second, "opened", place=second["session"])
    assert (await page.hear())["session"] == second["session"]
    worker.registration.leave()
    assert (await page.hear())["code"] == "worker_lost"
    await page.go()


async def test_where_calls_cannot_be_arranged_the_page_is_told_so(
    page: PageSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ConnectionError("no Valkey")

    monkeypatch.setattr(consumers, "least_loaded", broken)
    await page.join()
    error = await page.hear()
    assert (error["code"], error["message"]) == ("internal", consumers.UNAVAILABLE)
    await page.go()


async def test_too_many_joins_from_one_address_are_closed(
    page: PageSocket, shared: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "JOINS_A_MINUTE", 2)
    # The minute does not end in the middle of the test.
    monkeypatch.setattr(consumers, "time", SimpleNamespace(time=lambda: 1e9, monotonic=time.monotonic))
    for _ in range(2):
        other = PageSocket(shared.code)
        await other.join()
        assert (await other.hear())["code"] == "no_worker"
        await other.go()
    await page.join()
    assert await page.closed() == 4429


async def test_a_flood_of_messages_is_closed(page: PageSocket) -> None:
    await page.connect()
    for _ in range(20 * MESSAGES_A_SECOND):
        await page.say(type="ping")
    assert await page.closed() == 4429


# What is no message

NONSENSE = ["", "{", "null", "7", "[]", '"join"', "{}", '{"type": 7}', '{"type": "dance"}', "[" * 50_000, "\ud800"]


async def test_what_is_no_message_is_ignored(page: PageSocket) -> None:
    worker = FakeWorker()
    await opened(page, worker)
    for text in NONSENSE:
        if text:
            await page.say_text(text)
    await page.say_bytes(b"\xff\x00\xfe")
    for sdp in ("x" * (LONGEST_SDP + 1), None, 7, ["v=0"]):
        await page.say(type="offer", sdp=sdp)
    await page.say(type="candidate", candidate={"candidate": "x" * LONGEST_CANDIDATE})
    assert await page.hears_nothing()
    assert worker.untold
    await page.say(type="offer", sdp="v=0" * 1000)
    await worker.told("offer")
    await page.go()


async def test_a_token_that_is_none_does_no_harm(page: PageSocket) -> None:
    worker = FakeWorker()
    await page.join({"token": ["x"]})
    assert not (await worker.told("open"))["again"]
    await page.go()


# Going


async def test_who_leaves_gives_the_place_back_at_once(page: PageSocket) -> None:
    worker = FakeWorker()
    ready = await opened(page, worker)
    await page.say(type="leave")
    assert (await worker.told("leave"))["session"] == ready["session"]
    await page.go()
    assert worker.untold


async def test_a_socket_that_goes_without_a_word_is_only_gone(page: PageSocket) -> None:
    worker = FakeWorker()
    ready = await opened(page, worker)
    await page.go()
    gone = await worker.told("gone")
    assert (gone["session"], gone["page_closed"]) == (ready["session"], False)
    assert worker.untold


async def test_a_page_that_is_closed_is_told_from_a_network_that_broke(page: PageSocket) -> None:
    worker = FakeWorker()
    await opened(page, worker)
    await page.go(PAGE_CLOSED)
    assert (await worker.told("gone"))["page_closed"] is True


async def test_a_page_that_goes_before_it_is_let_in_is_gone(page: PageSocket) -> None:
    worker = FakeWorker()
    await page.join()
    asked = await worker.told("open")
    await page.go()
    assert (await worker.told("gone"))["reply"] == asked["reply"]


async def test_a_session_that_ends_is_told_with_its_reason(page: PageSocket) -> None:
    worker = FakeWorker()
    await page.join()
    asked = await worker.open()
    await page.hear()
    await worker.say(asked, "ended", reason="idle", message="Nobody said anything.")
    assert await page.hear() == {"type": "ended", "reason": "idle", "message": "Nobody said anything."}
    await page.go()
    assert worker.untold


async def test_a_worker_that_dies_is_told_within_three_seconds(page: PageSocket) -> None:
    worker = FakeWorker()
    await opened(page, worker)
    # It beat for the last time just now, and cannot say that it goes.
    error = await page.hear()
    assert (error["code"], error["message"]) == ("worker_lost", consumers.LOST)
    assert LOST_AFTER_S + LOST_AFTER_MISSED * WATCH_S < 3
    await page.go()
    assert worker.untold


async def test_a_worker_that_is_missed_once_is_not_lost(page: PageSocket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "WATCH_S", 0.02)
    worker = FakeWorker()
    looks = iter([worker.record, None, worker.record, None, worker.record, None, None])
    monkeypatch.setattr(consumers, "find_worker", lambda name: next(looks))
    await opened(page, worker)
    assert (await page.hear())["code"] == "worker_lost"
    assert list(looks) == []
    await page.go()


@pytest.mark.parametrize("last", ["ended", "stopping", "left", "lost"])
async def test_after_the_end_nothing_more_is_said_and_the_page_may_begin_again(
    page: PageSocket, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "WATCH_S", 0.02)
    worker = FakeWorker()
    await page.join()
    asked = await worker.open()
    await page.hear()
    if last == "ended":
        await worker.say(asked, "ended", reason="idle", message="Nobody said anything.")
        assert (await page.hear())["type"] == "ended"
    elif last == "stopping":
        await worker.say(asked, "refused", code="worker_lost", message="The machine stops.")
        assert (await page.hear())["code"] == "worker_lost"
    elif last == "left":
        await page.say(type="leave")
        await worker.told("leave")
    worker.registration.leave()
    if last == "lost":
        assert (await page.hear())["message"] == consumers.LOST
    await asyncio.sleep(5 * consumers.WATCH_S)
    assert await page.hears_nothing()
    assert worker.untold
    other = FakeWorker("other")
    await page.say(type="join")
    assert (await other.open())["session"] != asked["session"]
    assert (await page.hear())["type"] == "ready"
    await page.go()
    await other.told("gone")
    assert worker.untold


# Coming back


async def test_a_page_comes_back_to_the_worker_that_holds_its_session(shared: Avatar) -> None:
    holder, other = FakeWorker("holder", sessions=4), FakeWorker("other")
    session = uuid4()
    page = PageSocket(shared.code)
    # Full or not: it is there already.
    await page.join(issue_token(Place(session, "holder"), shared.code))
    asked = await holder.open()
    assert (asked["session"], asked["again"]) == (session.hex, True)
    assert (await page.hear())["session"] == session.hex
    assert other.untold
    await page.go()


async def test_a_page_that_comes_back_too_late_is_in_another_session(page: PageSocket, shared: Avatar) -> None:
    worker, session, place = FakeWorker(), uuid4(), uuid4()
    await page.join(issue_token(Place(session, "one"), shared.code))
    asked = await worker.told("open")
    await worker.say(asked, "opened", place=place.hex)
    ready = await page.hear()
    assert ready["session"] == place.hex
    assert read_token(ready["token"], shared.code) == Place(place, "one")
    await page.say(type="offer", sdp="v=0")
    offer = await worker.told("offer")
    assert offer["session"] == place.hex
    await worker.say(offer, "answer", sdp="v=0")
    assert (await page.hear())["type"] == "answer"
    await page.go()


async def test_a_page_whose_worker_died_begins_again_elsewhere(page: PageSocket, shared: Avatar) -> None:
    other, session = FakeWorker("other"), uuid4()
    await page.join(issue_token(Place(session, "dead"), shared.code))
    asked = await other.open()
    assert asked["session"] != session.hex
    assert not asked["again"]
    await page.go()


async def test_a_token_that_is_not_for_this_place_opens_a_new_session(
    shared: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, session = FakeWorker(), uuid4()
    good = issue_token(Place(session, "one"), shared.code)
    with monkeypatch.context() as earlier:
        earlier.setattr("django.core.signing.time.time", lambda: 1e9)
        expired = issue_token(Place(session, "one"), shared.code)
    for token in (good[:-4] + "AAAA", expired, issue_token(Place(session, "one"), "B11AAA1111")):
        page = PageSocket(shared.code)
        await page.join(token)
        asked = await worker.told("open")
        assert asked["session"] != session.hex
        assert not asked["again"]
        await page.go()
        await worker.told("gone")
