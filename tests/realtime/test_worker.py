"""The media worker with a real browser's connection: from the offer to the picture, and to a clean end."""

import asyncio
import gc
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aioice.ice
import numpy as np
import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.core.files.base import ContentFile
from django.db import OperationalError
from django.db.models import Model

from avatars.engine.controls import Control
from avatars.engine.performer import Performer
from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, Phone, Speech
from avatars.imx import write_imx
from avatars.models import Avatar
from realtime import seat as seat_module
from realtime import session as session_module
from realtime import worker as worker_module
from realtime.agent import Cue, Providers, SaidBy, Trigger
from realtime.live import LiveSession, live_sessions
from realtime.models import Acquaintance, Memory
from realtime.models import Session as SessionRow
from realtime.placement import WorkerRecord, live_workers
from realtime.role import agent_settings
from realtime.rtc import Peer, offer_loopback
from realtime.rtc.forwarder import GONE as GONE_WITH_VIEWERS
from realtime.seat import Seat
from realtime.session import Session, Show
from realtime.slip import Bearer, read_slip
from realtime.worker import (
    FACE_BROKEN,
    FULL,
    GONE,
    HUNG_UP,
    LOOK_AROUND_S,
    ROOM_CLOSED,
    STOPPING,
    WATCH_ONLY,
    MediaWorker,
)
from tests.agent.fakes import FakeLanguageModel, FakeSpeechToText, FakeVoice, FakeVoiceActivity
from tests.imx.conftest import manifest_of
from tests.portraits import MONA_LISA, portrait_of
from tests.rtc.browser import Browser
from tests.rtc.fake_janus import OFFER, FakeJanus, fake_janus
from webapp.usage.models import UsageEntry

pytestmark = pytest.mark.django_db(transaction=True)

WITHIN_S = 20.0


class Humming(FakeVoice):
    """Hums where others speak: a tone with an open mouth, 0.6 s a piece."""

    async def speak(self, text: str, voice: str) -> Any:
        seconds = np.arange(round(0.6 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        yield Speech((0.4 * np.sin(2 * np.pi * 330 * seconds)).astype(np.float32), (Phone("AA", 0.0, 0.6),), text)


@dataclass
class Page:
    """The signalling of one page, straight to the worker."""

    worker: MediaWorker
    avatar: str
    session: str = field(default_factory=lambda: uuid4().hex)
    channel: str = field(default_factory=lambda: f"page.{uuid4().hex}")
    user: int | None = None

    async def say(self, kind: str, **values: Any) -> None:
        message = {"type": kind, "session": self.session, "reply": self.channel, **values}
        await get_channel_layer().send(self.worker.channel, message)

    async def hear(self, kind: str) -> dict[str, Any]:
        """The next message, which has to be of this kind."""
        async with asyncio.timeout(WITHIN_S):
            heard: dict[str, Any] = await get_channel_layer().receive(self.channel)
        assert heard["type"] == f"media.{kind}", heard
        return heard

    async def open(self, *, again: bool = False) -> None:
        await self.say("open", avatar=self.avatar, user=self.user, again=again)
        self.session = (await self.hear("opened"))["place"]

    async def call(self, browser: Browser | None = None) -> Browser:
        """Connect a browser to the place that was given."""
        browser = browser or Browser()
        await self.say("offer", sdp=await browser.offer())
        await browser.take((await self.hear("answer"))["sdp"])
        await browser.connected()
        return browser

    async def row(self) -> SessionRow:
        return await SessionRow.objects.aget(pk=self.session)

    async def ended(self) -> SessionRow:
        """The row, once the session is over."""
        return await until(self.row, lambda row: row.state == "ended")


async def until(look: Callable[[], Any], condition: Callable[[Any], bool]) -> Any:
    """What `look` finds, once the condition holds of it."""
    async with asyncio.timeout(WITHIN_S):
        while not condition(found := await look()):  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.02)
        return found


@pytest.fixture(autouse=True)
def _loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", None)
    offer_loopback(True)


@pytest.fixture(scope="module")
def imx(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path: Path = tmp_path_factory.mktemp("worker") / "avatar.imx"
    portrait = portrait_of(MONA_LISA)
    write_imx(path, portrait, manifest_of(portrait), poster=b"\xff\xd8\xff poster", preview=b"preview")
    return path.read_bytes()


@pytest.fixture
def mona(make_avatar: Callable[..., Avatar], imx: bytes) -> Avatar:
    avatar = make_avatar(visibility=Avatar.Visibility.UNLISTED, greeting="Good day to you.")
    avatar.imx.save("avatar.imx", ContentFile(imx))
    return avatar


@asynccontextmanager
async def working(capacity: int = 4) -> AsyncIterator[MediaWorker]:
    """A worker at work; afterwards nothing of it is left."""
    tasks, threads = asyncio.all_tasks(), {thread.name for thread in threading.enumerate()}
    mind = FakeLanguageModel(lambda question: "Very well.")
    worker = MediaWorker(Providers(FakeSpeechToText([""]), mind, Humming(), FakeVoiceActivity), capacity)
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        async with asyncio.timeout(WITHIN_S):
            await running
    await asyncio.sleep(0.05)
    assert worker.sessions == {}
    assert live_workers() == []
    assert asyncio.all_tasks() - tasks == set()
    left = {thread.name for thread in threading.enumerate()} - threads
    assert {name for name in left if name.startswith(("frames", "heart", "prepare"))} == set()


async def test_a_browser_is_shown_a_face_that_greets_it(mona: Avatar) -> None:
    async with working() as worker:
        page = Page(worker, mona.code)
        await page.open()
        browser = await page.call()
        await browser.until(lambda b: len(b.pictures) > 5)
        assert not browser.of_type("state")
        browser.say(type="hello")
        await browser.until(lambda b: len(b.pictures) >= 60 and len(b.sounds) >= 100)
        await browser.until(lambda b: b.of_type("caption"))
        assert browser.loudness() > 0.2
        # Counted in the time of the stream, which goes on however slow the machine is.
        last = browser.pictures[-50:]
        assert (last[0].width, last[0].height) == (512, 512)
        assert 49 / float((last[-1].pts - last[0].pts) * last[0].time_base) > 15
        states = [event["state"] for event in browser.of_type("state")]
        assert states[0] == "listening"
        assert "speaking" in states
        await browser.until(lambda b: [e for e in b.of_type("caption") if e["final"]])
        (caption,) = [event for event in browser.of_type("caption") if event["final"]]
        assert (caption["who"], caption["text"]) == ("avatar", "Good day to you.")
        # Pictures are really of a face: what the painting shows and not one grey.
        assert last[-1].to_ndarray(format="gray").std() > 20

        await page.say("leave")
        row = await page.ended()
        await browser.close()
    assert (row.reason, row.avatar_code, row.worker) == ("left", mona.code, worker.name)
    assert 0.4 < row.spoken_s < 0.8
    assert row.idle_s > 1
    entries = {e.kind: e async for e in UsageEntry.objects.all()}
    assert set(entries) == {"session_spoken", "session_idle"}
    assert entries["session_spoken"].quantity == pytest.approx(row.spoken_s, abs=0.01)
    assert entries["session_idle"].reference == f"session:{page.session}"


async def test_what_is_typed_is_answered_over_the_data_channel(mona: Avatar) -> None:
    async with working() as worker:
        page = Page(worker, mona.code)
        await page.open()
        browser = await page.call()
        browser.say(type="hello")
        await browser.until(lambda b: b.of_type("state"))
        browser.say(type="text", text="Who are you?")
        finals = [("user", "Who are you?"), ("avatar", "Very well.")]
        await browser.until(lambda b: finals[1] in [(e["who"], e["text"]) for e in b.of_type("caption") if e["final"]])
        said = [(e["who"], e["text"]) for e in browser.of_type("caption") if e["final"]]
        assert said[-2:] == finals
        assert browser.of_type("latency")
        await browser.close()


# What a conversation needs, and nothing else.
NEEDED = (Session, Seat, Show, Peer, Performer)


def open_sockets() -> int:
    return sum(path.is_socket() for path in Path("/proc/self/fd").iterdir())


async def held() -> Counter[str]:
    """What this process holds now: sockets, threads, tasks, locks, and what only a conversation needs."""
    await asyncio.sleep(0)
    gc.collect()
    found = Counter(type(thing).__name__ for thing in gc.get_objects() if type(thing) in (*NEEDED, asyncio.Lock))
    found["sockets"] = await asyncio.to_thread(open_sockets)
    found["threads"], found["tasks"] = threading.active_count(), len(asyncio.all_tasks())
    return found


async def test_nothing_is_left_of_conversations_that_are_over(mona: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seat_module, "COME_BACK_WITHIN_S", 0.1)
    settled: Counter[str] = Counter()

    async def let_go(most_sockets: int) -> Counter[str]:
        def done(found: Counter[str]) -> bool:
            return found["sockets"] <= most_sockets and not any(found[kind.__name__] for kind in NEEDED)

        with suppress(TimeoutError):
            await until(held, done)
        found = await held()
        assert done(found), found
        return found

    async with working() as worker:
        for number in range(6):
            browser = Browser()
            offer = await browser.offer()
            before = await held()
            page = Page(worker, mona.code)
            await page.open()
            await page.say("offer", sdp=offer)
            await browser.take((await page.hear("answer"))["sdp"])
            await browser.connected()
            browser.say(type="hello")
            browser.say(type="text", text="Who are you?")
            await browser.until(lambda b: any(e["text"] == "Very well." for e in b.of_type("caption")))
            # Some go without a word, as pages do that are closed.
            await (page.say("leave") if number % 2 else page.say("gone", page_closed=True))
            await page.ended()
            # The browser stays as it is: that it closes its end must not be what makes the worker let go.
            await let_go(before["sockets"])
            await browser.close()
            # The first conversations leave threads that wait for the next.
            if number == 2:
                settled = await let_go(before["sockets"])
        assert await let_go(settled["sockets"]) == settled
        assert settled["sockets"] > 0


async def test_a_full_disk_ends_no_conversation_and_costs_it_no_second(
    mona: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = {"full": False}
    write = Model.save_base

    def save(self: Model, *arguments: Any, **options: Any) -> None:
        if disk["full"]:
            raise OperationalError("database or disk is full")
        write(self, *arguments, **options)

    monkeypatch.setattr(Model, "save_base", save)
    async with working() as worker:
        page = Page(worker, mona.code)
        disk["full"] = True
        await page.open()
        browser = await page.call()
        browser.say(type="hello")
        browser.say(type="text", text="Who are you?")
        await browser.until(lambda b: any(e["text"] == "Very well." for e in b.of_type("caption")))
        seen = len(browser.pictures)
        await browser.until(lambda b: len(b.pictures) > seen + 5)
        (session,) = worker.sessions.values()
        await page.say("leave")
        await until(sync_to_async(lambda: len(worker.sessions)), lambda count: count == 0)
        assert not await SessionRow.objects.aexists()
        disk["full"] = False
        # The next conversation brings the book up to date, or the worker itself within ten seconds.
        await Page(worker, mona.code).open()
        row = await page.ended()
        await browser.close()
    assert row.spoken_s == pytest.approx(session.spoken_s)
    assert row.spoken_s > 0
    assert await UsageEntry.objects.filter(reference=f"session:{page.session}").acount() == 2


@pytest.mark.parametrize("hours", [1, -1])
async def test_a_clock_that_is_set_ends_no_conversation(
    mona: Avatar, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    monkeypatch.setattr(worker_module, "BOOKKEEPING_EVERY_S", 0.1)
    real = time.time
    async with working() as worker:
        page = Page(worker, mona.code)
        await page.open()
        browser = await page.call()
        browser.say(type="hello")
        await browser.until(lambda b: len(b.pictures) > 5)
        monkeypatch.setattr(time, "time", lambda: real() + 3600 * hours)
        await until(sync_to_async(live_workers), bool)
        seen = len(browser.pictures)
        browser.say(type="text", text="Who are you?")
        await browser.until(lambda b: any(e["text"] == "Very well." for e in b.of_type("caption")))
        await browser.until(lambda b: len(b.pictures) > seen + 25)
        # The page comes back to the same conversation.
        await page.open(again=True)
        again = await page.call()
        assert (await page.row()).state == "live"
        assert len(worker.sessions) == 1
        await page.say("leave")
        assert (await page.ended()).reason == "left"
        await browser.close()
        await again.close()


async def test_a_worker_says_that_it_lives_and_how_much_room_it_has(mona: Avatar) -> None:
    async def records() -> Any:
        return live_workers()

    async with working(capacity=3) as worker:
        (record,) = await until(records, bool)
        assert (record.name, record.channel, record.room) == (worker.name, worker.channel, 3)
        await Page(worker, mona.code).open()
        await until(records, lambda found: found[0].sessions == 1)


@pytest.fixture
def serious(make_avatar: Callable[..., Avatar], imx: bytes) -> Avatar:
    avatar = make_avatar(visibility=Avatar.Visibility.UNLISTED, mood="serious")
    avatar.imx.save("avatar.imx", ContentFile(imx))
    return avatar


async def test_a_new_mood_is_seen_at_once_and_only_in_conversations_of_that_avatar(
    mona: Avatar, serious: Avatar
) -> None:
    async with working() as worker:
        await until(lambda: asyncio.to_thread(live_workers), bool)
        pages = Page(worker, mona.code), Page(worker, serious.code)
        for page in pages:
            await page.open()

        async def smiles() -> list[float]:
            await asyncio.sleep(0)
            actors = [worker.sessions[UUID(hex=page.session)].stage.performer for page in pages]
            return [float([a.next(draw=False) for _ in range(30)][-1].controls[Control.SMILE]) for a in actors]

        mona_smiles, serious_smiles = await smiles()
        assert mona_smiles == 0 > -0.1 > serious_smiles
        mona.mood = "cheerful"
        await mona.asave(update_fields=["mood"])
        mona_smiles, serious_smiles = await until(smiles, lambda found: found[0] > 0.3)
        assert serious_smiles < -0.1


async def test_an_agent_knows_the_words_that_set_gestures_off(mona: Avatar) -> None:
    await mona.triggers.acreate(words="yes\nof course", gesture="wink", said_by="user", stop_on_user_speech=True)
    settings = await sync_to_async(agent_settings)(mona)
    assert settings.triggers == (Trigger(("yes", "of course"), Cue("wink", stop_on_user_speech=True), SaidBy.USER),)


async def test_a_full_house_says_so_and_takes_the_next_when_somebody_leaves(mona: Avatar) -> None:
    async with working(capacity=1) as worker:
        first, second = Page(worker, mona.code), Page(worker, mona.code)
        await first.open()
        await second.say("open", avatar=mona.code, user=None, again=False)
        refused = await second.hear("refused")
        assert (refused["code"], refused["message"]) == ("full", FULL)
        await first.say("leave")
        await first.ended()
        await second.open()
        assert len(worker.sessions) == 1


async def test_who_comes_at_the_same_moment_does_not_get_the_same_place(mona: Avatar) -> None:
    async with working(capacity=2) as worker:
        pages = [Page(worker, mona.code) for _ in range(5)]
        for page in pages:
            await page.say("open", avatar=mona.code, user=None, again=False)
        async with asyncio.timeout(WITHIN_S):
            answers = [await get_channel_layer().receive(page.channel) for page in pages]
        assert sorted(answer["type"] for answer in answers) == ["media.opened"] * 2 + ["media.refused"] * 3
        assert len(worker.sessions) == 2
        for page, answer in zip(pages, answers, strict=True):
            if answer["type"] == "media.opened":
                await page.say("leave")
                await page.ended()
        # No place was lost on the way.
        for page in (Page(worker, mona.code), Page(worker, mona.code)):
            await page.open()


async def test_a_face_that_is_broken_is_told_in_words_and_takes_no_place(mona: Avatar, avatar: Avatar) -> None:
    async with working(capacity=1) as worker:
        page = Page(worker, avatar.code)
        await page.say("open", avatar=avatar.code, user=None, again=False)
        refused = await page.hear("refused")
        assert (refused["code"], refused["message"]) == ("not_ready", FACE_BROKEN)
        await Page(worker, mona.code).open()


async def test_an_avatar_that_is_gone_is_told_in_words(mona: Avatar) -> None:
    async with working() as worker:
        page = Page(worker, "Z99ZZZ9999")
        await page.say("open", avatar="Z99ZZZ9999", user=None, again=False)
        assert (await page.hear("refused"))["code"] == "not_found"
        await Page(worker, mona.code).open()


async def test_whatever_goes_wrong_with_a_face_is_told_in_words(mona: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: object, name: str) -> None:
        raise IndexError("no mouth")

    with monkeypatch.context() as damaged:
        damaged.setattr("realtime.likenesses.Likenesses.rig", broken)
        async with working(capacity=1) as worker:
            page = Page(worker, mona.code)
            await page.say("open", avatar=mona.code, user=None, again=False)
            assert (await page.hear("refused"))["message"] == FACE_BROKEN
            damaged.undo()
            await page.open()


async def test_an_offer_nobody_understands_is_refused_in_words(mona: Avatar) -> None:
    async with working() as worker:
        page = Page(worker, mona.code)
        await page.open()
        await page.say("offer", sdp="garbage")
        refused = await page.hear("refused")
        assert refused["code"] == "offer"
        assert refused["message"].endswith(".")
        browser = await page.call()
        await browser.close()


async def test_an_offer_to_a_session_that_is_over_is_told_so(mona: Avatar) -> None:
    async with working() as worker:
        page = Page(worker, mona.code)
        for kind in ("candidate", "leave", "gone"):
            await page.say(kind, candidate=None)
        await page.say("offer", sdp="v=0")
        assert (await page.hear("refused"))["message"] == GONE


async def test_a_page_comes_back_to_its_conversation(mona: Avatar) -> None:
    async with working() as worker:
        page = Page(worker, mona.code)
        await page.open()
        browser = await page.call()
        browser.say(type="hello")
        await browser.until(lambda b: b.of_type("state"))
        await page.say("gone")
        await browser.close()
        again = Page(worker, mona.code, session=page.session)
        await again.open(again=True)
        assert again.session == page.session
        browser = await again.call()
        # The state is told at once, and there is no second greeting.
        await browser.until(lambda b: b.of_type("state") and len(b.pictures) > 3)
        await again.say("leave")
        await again.ended()
        await browser.close()
    assert await SessionRow.objects.acount() == 1


async def test_a_page_that_comes_back_too_late_begins_another_session(
    mona: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seat_module, "COME_BACK_WITHIN_S", 0.05)
    async with working() as worker:
        page = Page(worker, mona.code)
        await page.open()
        await page.say("gone")
        assert (await page.hear("ended"))["reason"] == "lost"
        assert (await page.ended()).reason == "lost"
        again = Page(worker, mona.code, session=page.session)
        await again.open(again=True)
        assert again.session != page.session
        browser = await again.call()
        await browser.until(lambda b: len(b.pictures) > 3)
        await again.say("leave")
        assert (await again.ended()).reason == "left"
        await browser.close()
    assert await UsageEntry.objects.acount() == 4


async def test_a_browser_that_says_bye_has_left(mona: Avatar) -> None:
    async with working() as worker:
        page = Page(worker, mona.code)
        await page.open()
        browser = await page.call()
        browser.say(type="bye")
        assert (await page.ended()).reason == "left"
        await browser.close()


async def test_a_frame_that_cannot_be_made_ends_its_session_in_words(
    mona: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with working() as worker:
        page, other = Page(worker, mona.code), Page(worker, mona.code)
        await page.open()
        await other.open()
        browser, neighbour = await page.call(), await other.call()
        await browser.until(lambda b: len(b.pictures) > 2)

        def broken(**_: Any) -> None:
            raise ValueError("no picture")

        (session,) = [session for session in worker.sessions.values() if session.id.hex == page.session]
        monkeypatch.setattr(session.stage.performer, "next", broken)
        ended = await page.hear("ended")
        assert (ended["reason"], ended["message"][-1]) == ("failed", ".")
        assert (await page.ended()).reason == "failed"
        count = len(neighbour.pictures)
        await neighbour.until(lambda b: len(b.pictures) > count + 5)
        await browser.close()
        await neighbour.close()


async def test_a_worker_that_is_stopped_tells_its_pages_and_books_them(mona: Avatar) -> None:
    async with working() as worker:
        pages = [Page(worker, mona.code) for _ in range(2)]
        for page in pages:
            await page.open()
        browser = await pages[0].call()
        await browser.until(lambda b: len(b.pictures) > 2)
    for page in pages:
        refused = await page.hear("refused")
        assert (refused["code"], refused["message"]) == ("worker_lost", STOPPING)
        assert (await page.row()).reason == "stopped"
    assert await UsageEntry.objects.acount() == 4
    await browser.close()


async def test_a_conversation_goes_on_at_another_worker(mona: Avatar) -> None:
    async with working() as first:
        page = Page(first, mona.code)
        await page.open()
        browser = await page.call()
        browser.say(type="hello")
        await browser.until(lambda b: b.of_type("state"))
        browser.say(type="text", text="My name is Zoë.")
        await browser.until(lambda b: any("My name is Zoë." in unsealed(e["slip"], mona) for e in b.of_type("slip")))
        slip = browser.of_type("slip")[-1]["slip"]
    await browser.close()
    assert (await page.hear("refused"))["code"] == "worker_lost"
    async with working() as second:
        page = Page(second, mona.code)
        await page.say("open", avatar=mona.code, user=None, again=False, slip=slip)
        await page.hear("opened")
        (session,) = second.sessions.values()
        assert "My name is Zoë." in [turn["content"] for turn in session.agent.recollection().turns]
        browser = await page.call()
        browser.say(type="hello")
        await browser.until(lambda b: b.of_type("state"))
        browser.say(type="text", text="What is it?")
        await browser.until(lambda b: any(e["final"] and e["who"] == "avatar" for e in b.of_type("caption")))
        # It does not greet as if they had just met.
        assert [e["text"] for e in browser.of_type("caption") if e["final"]] == ["What is it?", "Very well."]
        await browser.close()


def unsealed(slip: str, avatar: Avatar) -> list[str]:
    read = read_slip(slip, Bearer(avatar.code, None))
    return [str(turn["content"]) for turn in read.turns] if read else []


@pytest.mark.parametrize("relieved", [True, False])
async def test_a_worker_that_is_drained_finishes_what_it_says_where_another_can_take_over(
    mona: Avatar, monkeypatch: pytest.MonkeyPatch, relieved: bool
) -> None:
    other = WorkerRecord("another", "media.another", 3, 0)
    async with working() as worker:
        page = Page(worker, mona.code)
        await page.open()
        (session,) = worker.sessions.values()
        monkeypatch.setattr("realtime.worker.live_workers", lambda: [other] if relieved else [])
        monkeypatch.setattr(type(session.stage), "state", "speaking")
        worker.drain()
        if relieved:
            await asyncio.sleep(3 * LOOK_AROUND_S)
            assert worker.sessions
            late = Page(worker, mona.code)
            await late.say("open", avatar=mona.code, user=None, again=False)
            assert (await late.hear("refused"))["code"] == "full"
            monkeypatch.setattr(type(session.stage), "state", "idle")
        assert (await page.hear("refused"))["message"] == STOPPING


async def test_a_worker_that_is_told_twice_ends_at_once(mona: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
    async with working() as worker:
        page = Page(worker, mona.code)
        await page.open()
        (session,) = worker.sessions.values()
        monkeypatch.setattr("realtime.worker.live_workers", lambda: [WorkerRecord("another", "media.another", 3, 0)])
        monkeypatch.setattr(type(session.stage), "state", "speaking")
        worker.drain()
        worker.drain()
        assert (await page.hear("refused"))["message"] == STOPPING


async def test_a_worker_whose_hearing_fails_for_a_moment_hears_again(
    mona: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "RECEIVE_AGAIN_S", 0.02)
    layer = get_channel_layer()
    receive, failed = layer.receive, asyncio.Event()

    async def sometimes(channel: str) -> Any:
        if channel.startswith("media") and not failed.is_set():
            failed.set()
            raise ConnectionError("no Valkey")
        return await receive(channel)

    monkeypatch.setattr(layer, "receive", sometimes)
    async with working() as worker:
        await failed.wait()
        await Page(worker, mona.code).open()


async def test_messages_that_make_no_sense_stop_nobody(mona: Avatar) -> None:
    async with working() as worker:
        layer = get_channel_layer()
        for message in ({"type": "open"}, {"type": "open", "session": "no hex", "reply": "x"}):
            await layer.send(worker.channel, message)
        page = Page(worker, mona.code)
        await page.say("dance")
        await page.open()


async def test_the_books_are_kept_and_those_of_dead_workers_closed(
    mona: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "BOOKKEEPING_EVERY_S", 0.05)
    orphan = await SessionRow.objects.acreate(
        avatar=mona, avatar_code=mona.code, worker="dead", spoken_s=2.0, idle_s=3.0
    )
    async with working() as worker:
        page = Page(worker, mona.code)
        await page.open()
        browser = await page.call()
        row = await until(page.row, lambda row: row.idle_s > 0.1)
        assert row.state == "live"
        await until(lambda: SessionRow.objects.aget(pk=orphan.pk), lambda row: row.reason == "worker_lost")
        await browser.close()


async def test_a_worker_that_is_missed_once_keeps_its_sessions(mona: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a restart of Valkey, when everybody is missing until they beat again."""
    from realtime.placement import WorkerRecord

    there = WorkerRecord("elsewhere", "media.elsewhere", 4, 1)
    looks = iter([[there], [], [there], []])
    looked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def look() -> list[WorkerRecord]:
        found = next(looks, None)
        if found is None:
            loop.call_soon_threadsafe(looked.set)
        return [there] if found is None else found

    monkeypatch.setattr(worker_module, "BOOKKEEPING_EVERY_S", 0.02)
    monkeypatch.setattr(worker_module, "live_workers", look)
    row = await SessionRow.objects.acreate(avatar=mona, avatar_code=mona.code, worker="elsewhere")
    async with working():
        async with asyncio.timeout(WITHIN_S):
            await looked.wait()
        await row.arefresh_from_db()
        assert row.state == "live"


async def test_the_ledger_names_who_talked(mona: Avatar, user: Any) -> None:
    async with working() as worker:
        page = Page(worker, mona.code, user=user.pk)
        await page.open()
        await page.say("leave")
        await page.ended()
    assert {entry.user_id async for entry in UsageEntry.objects.all()} == {user.pk}


async def test_two_browsers_see_their_own_faces(mona: Avatar) -> None:
    async with working() as worker:
        pages = [Page(worker, mona.code) for _ in range(2)]
        browsers = []
        for page in pages:
            await page.open()
            browsers.append(await page.call())
        assert len({id(session.rig) for session in worker.sessions.values()}) == 1
        for browser in browsers:
            await browser.until(lambda b: len(b.pictures) > 10)
        browsers[0].say(type="hello")
        await browsers[0].until(lambda b: b.of_type("state"))
        assert not browsers[1].of_type("state")
        for browser in browsers:
            await browser.close()


def test_names_and_channels_are_never_the_same_twice() -> None:
    async def make() -> MediaWorker:
        return MediaWorker(Providers(FakeSpeechToText([""]), FakeLanguageModel(), FakeVoice(), FakeVoiceActivity), 1)

    one, other = asyncio.run(make()), asyncio.run(make())
    assert one.name != other.name
    assert one.channel != other.channel


# Rooms


@dataclass
class Guest(Page):
    """A page of a room."""

    room: str = "ROOM"
    name: str = "Ann"
    watching: bool = False
    talkers: int = 2

    async def open(self, *, again: bool = False) -> None:
        await self.ask(again=again)
        self.session = (await self.hear("opened"))["place"]

    async def ask(self, *, again: bool = False) -> None:
        values = {"name": self.name, "watching": self.watching, "talkers": self.talkers, "room": self.room}
        await self.say("open", avatar=self.avatar, user=self.user, again=again, **values)


def names(browser: Browser) -> list[str]:
    """Who is here, as the page was told last."""
    told = browser.of_type("people")
    return [one["name"] for one in told[-1]["people"]] if told else []


async def test_three_in_a_room_see_one_avatar_and_hear_of_each_other(
    mona: Avatar, user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seat_module, "MENDED_WITHIN_S", 1.0)
    async with working(capacity=1) as worker:
        ann = Guest(worker, mona.code, name="Ann", user=user.pk)
        await ann.open()
        first = await ann.call()
        await first.until(lambda b: len(b.pictures) > 10)
        (session,) = worker.sessions.values()
        # Who comes later joins what goes on: no other session, no other encoder.
        ben, cleo = Guest(worker, mona.code, name="Ben"), Guest(worker, mona.code, name="Cleo", watching=True)
        await asyncio.gather(ben.open(), cleo.open())
        second, third = await ben.call(), await cleo.call()
        assert list(worker.sessions.values()) == [session]
        show = session.show
        assert show is not None
        for browser in (second, third):
            await browser.until(lambda b: len(b.pictures) > 10 and len(b.sounds) > 10)
            assert browser.pictures[-1].to_ndarray(format="gray").std() > 20
        assert show.audience.stats().receivers == 3
        await first.until(lambda b: names(b) == ["Ann", "Ben", "Cleo"])
        assert first.of_type("people")[-1]["people"][0]["id"] == ann.session
        assert [one["watching"] for one in first.of_type("people")[-1]["people"]] == [False, False, True]

        # What one writes all read, with the name, and the answer too.
        second.say(type="hello")
        await second.until(lambda b: b.of_type("state"))
        second.say(type="text", text="Who are you?")
        for browser in (first, second, third):
            await browser.until(lambda b: any(e["final"] and e.get("name") == "Ben" for e in b.of_type("caption")))
            await browser.until(lambda b: any(e["text"] == "Very well." for e in b.of_type("caption")))
        # What concerns one alone is told to one alone.
        second.say(type="text", text="x" * 4000)
        await second.until(lambda b: any(e["code"] == "text_too_long" for e in b.of_type("notice")))
        assert not first.of_type("notice")
        # Who only watches says nothing.
        third.say(type="text", text="And I?")
        third.say(type="gesture", name="nod")

        # Somebody leaves, somebody is lost: the others go on.
        await ben.say("leave")
        await first.until(lambda b: names(b) == ["Ann", "Cleo"])
        assert session.show is show
        await third.close()
        await first.until(lambda b: names(b) == ["Ann"])
        seen = len(first.pictures)
        await first.until(lambda b: len(b.pictures) > seen + 5)
        assert not [e for e in first.of_type("caption") if e["text"] == "And I?"]
        assert not first.of_type("gesture")
        await ann.say("leave")
        row = await ann.ended()
        await asyncio.gather(first.close(), second.close())
    assert (row.reason, row.user_id) == ("left", user.pk)
    assert await SessionRow.objects.acount() == 1
    # Metered once, however many watched.
    entries = [e async for e in UsageEntry.objects.all()]
    assert {(e.kind, e.user_id) for e in entries} == {("session_spoken", user.pk), ("session_idle", user.pk)}
    assert len(entries) == 2


async def test_a_room_takes_so_many_and_says_why_not_more(mona: Avatar) -> None:
    async with working() as worker:
        for name in ("Ann", "Ann"):
            await Guest(worker, mona.code, name=name).open()
        late = Guest(worker, mona.code, name="Cleo")
        await late.ask()
        refused = await late.hear("refused")
        assert refused["code"] == "stage_full"
        assert "You can watch" in refused["message"]
        for _ in range(6):
            await Guest(worker, mona.code, name="", watching=True).open()
        await late.ask()
        assert (await late.hear("refused"))["code"] == "room_full"
        (session,) = worker.sessions.values()
        assert [seat.guest.name for seat in session.seats.values()][:4] == ["Ann", "Ann 2", "Guest", "Guest 2"]
        # Another room is another session.
        await Guest(worker, mona.code, room="OTHER").open()
        assert len(worker.sessions) == 2


async def test_the_last_to_be_lost_ends_the_room_after_the_usual_grace(
    mona: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seat_module, "COME_BACK_WITHIN_S", 0.1)
    async with working() as worker:
        ann, ben = Guest(worker, mona.code), Guest(worker, mona.code, name="Ben")
        await ann.open()
        await ben.open()
        (session,) = worker.sessions.values()
        await ann.say("gone")
        assert (await ann.hear("ended"))["reason"] == "lost"
        assert not session.over
        await ben.say("gone")
        await ben.hear("ended")
        assert (await ann.ended()).reason == "lost"
        # Who comes back begins it anew.
        again = Guest(worker, mona.code, session=ann.session)
        await again.open(again=True)
        assert again.session != ann.session


async def test_a_worker_says_which_rooms_it_holds_and_shows_everybody_out_of_a_closed_one(mona: Avatar) -> None:
    async with working() as worker:
        ann, ben = Guest(worker, mona.code), Guest(worker, mona.code, name="Ben")
        await ann.open()
        await ben.open()
        await until(lambda: asyncio.to_thread(live_workers), lambda found: found and found[0].rooms == ("ROOM",))
        await get_channel_layer().send(worker.channel, {"type": "close_room", "room": "ROOM"})
        for page in (ann, ben):
            assert await page.hear("ended") | {"session": ""} == {
                "type": "media.ended", "session": "", "reason": "stopped", "message": ROOM_CLOSED,
            }  # fmt: skip
        assert (await ann.ended()).reason == "stopped"


async def test_admins_see_a_session_and_end_it(mona: Avatar) -> None:
    async with working() as worker:
        page = Page(worker, mona.code)
        await page.open()
        browser = await page.call()
        browser.say(type="hello")
        # It has greeted by then; how fast frames come depends on what else the machine does.
        rows = await until(
            sync_to_async(live_rows), lambda rows: rows and rows[0].state and rows[0].spoken_s > 0 and rows[0].fps > 0
        )
        (row,) = rows
        assert (row.id, row.avatar, row.talking, row.watching) == (page.session, mona.code, 1, 0)
        await get_channel_layer().send(worker.channel, {"type": "hang_up", "session": page.session})
        assert (await page.hear("ended"))["message"] == HUNG_UP
        assert (await page.ended()).reason == SessionRow.Reason.STOPPED
        assert await until(sync_to_async(live_rows), lambda rows: not rows) == []
        await browser.close()


def live_rows() -> list[LiveSession]:
    return [row for _, rows in live_sessions() for row in rows]


FACT = "The visitor lives in Bergen."


async def talk_once(worker: MediaWorker, avatar: Avatar, user: Any) -> None:
    """Say one thing, hear the answer, and leave."""
    page = Page(worker, avatar.code, user=user.pk if user else None)
    await page.open()
    browser = await page.call()
    browser.say(type="hello")
    browser.say(type="text", text="I live in Bergen.")
    await browser.until(lambda b: any(e["who"] == "avatar" and e["text"] == "Very well." for e in b.of_type("caption")))
    await page.say("leave")
    await page.ended()
    await browser.close()


async def test_who_allows_it_is_remembered_and_nobody_else(mona: Avatar, user: Any, creator: Any) -> None:
    mona.remembers = True
    await mona.asave()
    acquaintance = await Acquaintance.objects.acreate(user=user, avatar=mona)
    async with working() as worker:
        mind: Any = worker._backstage.providers.language_model
        mind.answer = lambda question: FACT if "New facts" in question else "Very well."
        for who in (creator, None, user):
            await talk_once(worker, mona, who)

        async def memories() -> list[str]:
            return [memory.text async for memory in Memory.objects.filter(acquaintance=acquaintance)]

        await until(memories, lambda found: found == [FACT])
        assert await Memory.objects.acount() == 1
        assert sum("New facts" in asked[-1]["content"] for asked in mind.asked) == 1
        await talk_once(worker, mona, user)
        told = [asked[0]["content"] for asked in mind.asked if asked[-1]["content"] == "I live in Bergen."]
        assert [FACT in system for system in told] == [False, False, False, True]


async def test_the_demo_brain_remembers_nothing(mona: Avatar, user: Any) -> None:
    mona.remembers = True
    await mona.asave()
    await Acquaintance.objects.acreate(user=user, avatar=mona)
    async with working() as worker:
        worker._casting._providers = replace(worker._casting._providers, demo_brain=True)
        await talk_once(worker, mona, user)
        assert worker._recollectors == {}
        assert len(worker._recollecting) == 0


# Rooms whose viewers are served by a Janus


@pytest.fixture
async def server(settings: Any) -> AsyncIterator[FakeJanus]:
    async with fake_janus() as fake:
        settings.JANUS_URL, settings.JANUS_MOST_VIEWERS = fake.server.url, 10
        settings.JANUS_API_SECRET, settings.JANUS_ADMIN_KEY = fake.server.api_secret, fake.server.admin_key
        yield fake


@dataclass
class Onlooker(Guest):
    """Watches through a server that forwards."""

    watching: bool = True

    async def hear(self, kind: str) -> dict[str, Any]:
        """The next message of this kind; what it is told of the room meanwhile is passed over."""
        async with asyncio.timeout(WITHIN_S):
            while (
                (heard := await get_channel_layer().receive(self.channel))["type"] == "media.event" != f"media.{kind}"
            ):
                pass
        assert heard["type"] == f"media.{kind}", heard
        return dict(heard)

    async def watch(self, server: FakeJanus) -> None:
        """From the offer to where media flow."""
        await self.say("watch")
        assert (await self.hear("offer"))["sdp"] == OFFER
        await self.say("answer", sdp="m=video 9 H264")
        await self.say("candidate", candidate=None)
        await until(sync_to_async(lambda: len(server.asked("trickle"))), lambda count: count > 0)
        server.requests.clear()
        await server.says("webrtcup")
        (seat,) = [s.seats[UUID(hex=self.session)] for s in self.worker.sessions.values()]
        forwarder = seat.forwarder
        assert forwarder is not None
        await until(sync_to_async(lambda: len(forwarder._viewers)), lambda count: count == len(server.viewers))
        await self.say("hello")


class Words:
    """What everybody who watches is told."""

    def __init__(self, server: FakeJanus) -> None:
        self._server = server
        self._parts: list[str] = []
        self.events: list[dict[str, Any]] = []

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        for event in map(json.loads, self._server.received("words")):
            if event["type"] == "piece":
                self._parts = [*(self._parts if event["number"] else []), event["text"]]
                if len(self._parts) < event["of"]:
                    continue
                event = json.loads("".join(self._parts))
            self.events.append(event)
        return [event for event in self.events if event["type"] == kind]

    async def until(self, kind: str, condition: Callable[[list[dict[str, Any]]], bool]) -> None:
        await until(sync_to_async(lambda: self.of_type(kind)), condition)


async def test_many_watch_through_a_server_and_are_drawn_for_once(
    mona: Avatar, server: FakeJanus, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with working(capacity=1) as worker:
        ann = Guest(worker, mona.code, name="Ann")
        await ann.open()
        first = await ann.call()
        await first.until(lambda b: len(b.pictures) > 5)
        (session,) = worker.sessions.values()
        words = Words(server)
        viewers = [Onlooker(worker, mona.code, name=f"Viewer {number}") for number in range(10)]
        for viewer in viewers:
            await viewer.ask()
            opened = await viewer.hear("opened")
            assert opened["forwarded"] is True
            viewer.session = opened["place"]
            await viewer.watch(server)
            await words.until("people", lambda told, place=viewer.session: told and place in str(told[-1]))
        assert words.of_type("people")[-1]["people"][0]["name"] == "Ann"
        show = session.show
        assert show is not None
        assert (show.receivers, show.audience.stats().receivers) == (11, 1)
        server.received("picture")
        frames = show.outlet.pictures_sent
        await until(sync_to_async(lambda: show.outlet.pictures_sent), lambda sent: sent > frames + 10)
        # Once for all of them together: every marked packet ends another picture.
        marked = [packet[4:8] for packet in server.received("picture") if packet[1] & 0x80]
        assert len(marked) == len(set(marked)) > 5

        # One too many; and one who would rather not be forwarded.
        late = Onlooker(worker, mona.code)
        await late.ask()
        assert (await late.hear("refused"))["message"] == "10 people watch already, and that is all this room takes."
        browser = Browser()
        await viewers[0].say("offer", sdp=await browser.offer())
        assert (await viewers[0].hear("refused"))["message"] == WATCH_ONLY
        await browser.close()
        # Talkers still find a place.
        ben = Guest(worker, mona.code, name="Ben")
        await ben.open()
        monkeypatch.setattr(session_module, "MOST_NAMED", 3)
        second = await ben.call()
        await first.until(lambda b: "Ben" in names(b))
        # Of so many only some are named, those who talk first.
        people = first.of_type("people")[-1]
        assert names(first)[:2] == ["Ann", "Ben"]
        assert (len(people["people"]), people["more"]) == (3, 9)

        # What is said reaches them all at once, and nobody of them by the way of one.
        first.say(type="hello")
        first.say(type="text", text="Who are you?")
        await first.until(lambda b: any(e["text"] == "Very well." for e in b.of_type("caption")))
        await words.until("caption", lambda told: told and told[-1]["text"] == "Very well.")

        await viewers[0].say("leave")
        await first.until(lambda b: b.of_type("people")[-1]["more"] == 8)
        await until(sync_to_async(lambda: len(server.asked("detach"))), lambda count: count == 1)
        await worker_closes(ann, server, *viewers[1:])
        await asyncio.gather(first.close(), second.close())
    assert server.mountpoints == {}


async def worker_closes(ann: Page, server: FakeJanus, *viewers: Page) -> None:
    """The room is closed: everybody is told, and nothing of it is left at the server."""
    await get_channel_layer().send(ann.worker.channel, {"type": "close_room", "room": "ROOM"})
    for viewer in viewers:
        async with asyncio.timeout(WITHIN_S):
            while (told := await get_channel_layer().receive(viewer.channel))["type"] != "media.ended":
                pass
        assert told["message"] == ROOM_CLOSED
    await ann.ended()
    await until(sync_to_async(lambda: server.connections), lambda left: not left)


async def test_who_watches_alone_is_greeted(mona: Avatar, server: FakeJanus) -> None:
    async with working() as worker:
        viewer = Onlooker(worker, mona.code)
        await viewer.open()
        await viewer.watch(server)
        await Words(server).until("caption", lambda told: bool(told) and told[-1]["text"] == "Good day to you.")
        await until(sync_to_async(lambda: len(server.received("sound"))), lambda count: count > 0)
        # A page that comes back is told how things stand.
        await viewer.open(again=True)
        await viewer.watch(server)
        while (await viewer.hear("event"))["event"]["type"] != "state":
            pass
        await viewer.say("gone", page_closed=True)
        row = await viewer.ended()
    assert row.reason == "lost"


async def test_a_server_that_dies_is_told_to_viewers_in_words_and_disturbs_no_talker(
    mona: Avatar, server: FakeJanus
) -> None:
    async with working() as worker:
        ann, viewer = Guest(worker, mona.code, name="Ann"), Onlooker(worker, mona.code, name="Cleo")
        await ann.open()
        first = await ann.call()
        await viewer.open()
        await viewer.watch(server)
        await server.die()
        refused = await viewer.hear("refused")
        assert (refused["code"], refused["message"]) == ("forwarder", GONE_WITH_VIEWERS)
        await first.until(lambda b: names(b) == ["Ann"])
        seen = len(first.pictures)
        await first.until(lambda b: len(b.pictures) > seen + 5)
        # The page tries again: nobody is there; then it is back.
        await viewer.open(again=True)
        await viewer.say("watch")
        assert (await viewer.hear("refused"))["code"] == "forwarder"
        await server.start()
        await viewer.open(again=True)
        await viewer.watch(server)
        await ann.say("leave")
        await viewer.say("leave")
        await ann.ended()
        await first.close()
    assert server.mountpoints == {}


async def test_a_browser_without_h264_cannot_watch_through_a_server_and_hears_why(
    mona: Avatar, server: FakeJanus
) -> None:
    async with working() as worker:
        viewer = Onlooker(worker, mona.code)
        await viewer.open()
        await viewer.say("watch")
        await viewer.hear("offer")
        await viewer.say("answer", sdp="m=video 0 x")
        refused = await viewer.hear("refused")
        assert refused["code"] == "codec"
        assert "H.264" in refused["message"]
        assert (await viewer.ended()).reason == "failed"
