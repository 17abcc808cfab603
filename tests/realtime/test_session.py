"""One session: connections come and go, the conversation stays; and every way in which it ends. On virtual time."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from avatars.engine.controls import Control
from avatars.engine.performer import Line
from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, Phone, Speech
from realtime import seat as seat_module
from realtime import session as session_module
from realtime.agent import AgentSettings, Providers
from realtime.guests import Guest
from realtime.rtc import OfferRefused, Tick
from realtime.seat import COME_BACK_WITHIN_S, CONNECT_WITHIN_S, MENDED_WITHIN_S
from realtime.session import (
    FAREWELL_S,
    IDLE_LIMIT_S,
    LINES_TOLD_AGAIN,
    LONGEST_TEXT,
    TURNS_KEPT,
    Backstage,
    Session,
    Show,
)
from tests.agent.fakes import FakeLanguageModel, FakeSpeechToText, FakeVoice, FakeVoiceActivity
from tests.agent.virtual_time import run_virtually
from tests.portraits import MONA_LISA, rig_of


class FakePeer:
    """A connection that answers what it is offered, and is moved by the test."""

    def __init__(self, feed: Any, listener: Any, network: Any) -> None:
        self.feed, self.listener, self.network = feed, listener, network
        self.events: list[dict[str, Any]] = []
        self.candidates: list[Any] = []
        self.closed = False

    async def answer(self, sdp: str) -> str:
        if sdp == "garbage":
            raise OfferRefused("The browser's offer could not be understood.")
        return f"answer to {sdp}"

    async def add_candidate(self, candidate: Any) -> None:
        self.candidates.append(candidate)

    def send(self, event: dict[str, Any]) -> bool:
        self.events.append(event)
        return True

    async def close(self) -> None:
        self.closed = True
        self.feed.close()


class FakeFrames:
    """Performs nobody by itself."""

    work_ms, late_ms = 3.14, 1.0

    def __init__(self) -> None:
        self.shows: list[Any] = []

    def add(self, show: Any) -> None:
        self.shows.append(show)

    def remove(self, show: Any) -> None:
        if show in self.shows:
            self.shows.remove(show)

    def skipped(self, show: Any) -> int:
        return 2


class AtOnce(Executor):
    """Does it now."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*arguments, **named))
        except Exception as error:
            future.set_exception(error)
        return future


class Told:
    """A session among fakes, and what it said at its end."""

    def __init__(self, greeting: str = "") -> None:
        self.frames = FakeFrames()
        self.mind = FakeLanguageModel()
        providers = Providers(FakeSpeechToText(["Hello."]), self.mind, FakeVoice(), FakeVoiceActivity)
        self.ends: list[tuple[str, str]] = []
        self.session = Session(
            uuid4(),
            rig_of(MONA_LISA),
            AgentSettings(persona="", greeting=greeting, name="Ada"),
            Backstage(providers, self.frames, AtOnce()),  # type: ignore[arg-type]
            lambda _, reason, sentence: self.ends.append((reason, sentence)),
        )
        self.seat = self.session.take_seat(uuid4(), Guest())

    @property
    def peer(self) -> FakePeer:
        assert self.seat.connection is not None
        peer: Any = self.seat.connection.peer
        assert isinstance(peer, FakePeer)
        return peer

    async def connect(self, page: str = "page") -> FakePeer:
        self.seat.joined(page)
        await self.seat.answer("offer", page)
        self.peer.listener.connected()
        self.peer.listener.channel_opened()
        return self.peer

    @property
    def show(self) -> Show:
        assert self.session.show is not None
        return self.session.show

    @property
    def ended(self) -> str:
        """The reason; "" while it goes on."""
        assert len(self.ends) <= 1
        return self.ends[0][0] if self.ends else ""


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seat_module, "Peer", FakePeer)
    monkeypatch.setattr(session_module, "time", SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time()))


def live(scene: Callable[[Told], Coroutine[Any, Any, None]], greeting: str = "") -> None:
    """Play a scene with a session, close it, and see that nothing of it is left."""

    async def run() -> None:
        told = Told(greeting)
        try:
            await scene(told)
        finally:
            await told.session.close()
            await told.session.close()
        assert told.frames.shows == []
        assert told.seat.connection is None

    run_virtually(run())


def tick(index: int, *, picture: bool = True) -> Tick:
    return Tick(index, 0.0, 0.0, 0, picture)


# Connections


def test_an_offer_is_answered_and_frames_are_made_once_media_can_flow() -> None:
    async def scene(told: Told) -> None:
        told.seat.joined("page")
        assert await told.seat.answer("offer", "page") == "answer to offer"
        assert told.frames.shows == []
        told.peer.listener.connected()
        assert told.frames.shows == [told.session.show]
        await told.seat.add_candidate({"candidate": "x"})
        assert told.peer.candidates == [{"candidate": "x"}]

    live(scene)


def test_a_candidate_before_the_offer_does_no_harm() -> None:
    live(lambda told: told.seat.add_candidate({"candidate": "x"}))


def test_a_page_that_never_connects_ends_the_session() -> None:
    async def scene(told: Told) -> None:
        told.seat.joined("page")
        await asyncio.sleep(CONNECT_WITHIN_S - 1)
        assert told.ended == ""
        await asyncio.sleep(2)
        assert told.ended == "lost"

    live(scene)


def test_a_page_that_only_negotiates_ends_the_session_too() -> None:
    async def scene(told: Told) -> None:
        told.seat.joined("page")
        await asyncio.sleep(CONNECT_WITHIN_S - 1)
        await told.seat.answer("offer", "page")
        await asyncio.sleep(CONNECT_WITHIN_S - 1)
        assert told.ended == ""
        await asyncio.sleep(2)
        assert told.ended == "lost"

    live(scene)


def test_a_page_that_comes_back_in_time_goes_on_with_its_conversation() -> None:
    async def scene(told: Told) -> None:
        first = await told.connect("page one")
        first.listener.received({"type": "hello"})
        await asyncio.sleep(1)
        agent, performer = told.session.agent, told.session.stage.performer
        first.listener.lost()
        assert told.frames.shows == []
        await asyncio.sleep(MENDED_WITHIN_S - 0.5)
        second = await told.connect("page two")
        assert first.closed
        assert told.frames.shows == [told.session.show]
        assert (told.session.agent, told.session.stage.performer) == (agent, performer)
        assert {"type": "state", "state": "listening"} in second.events
        await asyncio.sleep(60)
        assert told.ended == ""

    live(scene)


def test_a_page_that_is_gone_for_longer_has_left_for_good() -> None:
    async def scene(told: Told) -> None:
        peer = await told.connect()
        peer.listener.lost()
        await asyncio.sleep(MENDED_WITHIN_S + 0.1)
        assert told.ends == [("lost", "The connection was lost.")]

    live(scene)


@pytest.mark.parametrize(
    ("stood", "page_closed", "grace_s"),
    [
        (True, False, MENDED_WITHIN_S),
        (True, True, COME_BACK_WITHIN_S),
        (False, False, COME_BACK_WITHIN_S),
        (False, True, COME_BACK_WITHIN_S),
    ],
)
@pytest.mark.parametrize("media_first", [True, False])
def test_a_websocket_that_goes_is_waited_for_as_long_as_its_page_may_come_back(
    stood: bool, page_closed: bool, grace_s: float, media_first: bool
) -> None:
    async def scene(told: Told) -> None:
        if stood:
            await told.connect("page")
        else:
            told.seat.joined("page")
            await told.seat.answer("offer", "page")
        if media_first:
            told.peer.listener.lost()
        told.seat.gone("page", page_closed=page_closed)
        if not media_first:
            told.peer.listener.lost()
        await asyncio.sleep(grace_s - 0.1)
        assert told.ended == ""
        await asyncio.sleep(0.2)
        assert told.ended == "lost"

    live(scene)


def test_a_page_that_comes_back_is_told_what_it_missed() -> None:
    async def scene(told: Told) -> None:
        first = await told.connect("page one")
        stage = told.session.stage
        stage.send({"type": "caption", "who": "user", "turn": 1, "text": "Hello.", "final": True})
        stage.send({"type": "caption", "who": "avatar", "turn": 1, "text": "Good", "final": False})
        first.listener.lost()
        stage.send({"type": "caption", "who": "avatar", "turn": 1, "text": "Good evening to you.", "final": False})
        stage.send({"type": "interrupted", "turn": 1, "text": "Good evening"})
        second = await told.connect("page two")
        assert [event for event in second.events if event["type"] != "state"] == [
            {"type": "caption", "who": "user", "turn": 1, "text": "Hello.", "final": True},
            {"type": "caption", "who": "avatar", "turn": 1, "text": "Good evening to you.", "final": False},
            {"type": "interrupted", "turn": 1, "text": "Good evening"},
        ]
        for turn in range(2, 2 + LINES_TOLD_AGAIN):
            stage.send({"type": "caption", "who": "avatar", "turn": turn, "text": "And on.", "final": True})
        third = await told.connect("page three")
        turns = [event["turn"] for event in third.events if event["type"] == "caption"]
        assert turns == list(range(2, 2 + LINES_TOLD_AGAIN))

    live(scene)


def test_who_joins_anew_is_told_nothing_of_before() -> None:
    async def scene(told: Told) -> None:
        told.session.stage.send({"type": "caption", "who": "avatar", "turn": 1, "text": "Hello.", "final": True})
        peer = await told.connect()
        assert [event for event in peer.events if event["type"] == "caption"] == []

    live(scene)


def test_the_websocket_of_an_earlier_page_may_go() -> None:
    async def scene(told: Told) -> None:
        await told.connect("page one")
        await told.connect("page two")
        told.seat.gone("page one")
        await asyncio.sleep(60)
        assert told.ended == ""

    live(scene)


def test_a_dropped_connection_has_no_say_any_more() -> None:
    async def scene(told: Told) -> None:
        first = await told.connect("page one")
        await told.connect("page two")
        first.listener.lost()
        first.listener.received({"type": "bye"})
        first.listener.connected()
        first.listener.heard(np.zeros(512, np.float32))
        assert told.frames.shows == [told.session.show]
        await asyncio.sleep(60)
        assert told.ended == ""

    live(scene)


def test_a_refused_offer_may_be_followed_by_a_better_one() -> None:
    async def scene(told: Told) -> None:
        told.seat.joined("page")
        with pytest.raises(OfferRefused):
            await told.seat.answer("garbage", "page")
        refused = told.peer
        await told.connect()
        assert refused.closed
        await asyncio.sleep(60)
        assert told.ended == ""

    live(scene)


# The conversation


def test_hello_begins_the_conversation_once() -> None:
    async def scene(told: Told) -> None:
        peer = await told.connect()
        await asyncio.sleep(1)
        assert [event for event in peer.events if event["type"] != "stats"] == []
        for _ in range(3):
            peer.listener.received({"type": "hello"})
            await asyncio.sleep(0.5)
        assert peer.events.count({"type": "state", "state": "speaking"}) == 1
        assert told.session.stage.queued_ms() > 0
        second = await told.connect("page two")
        second.listener.received({"type": "hello"})
        await asyncio.sleep(0.5)
        assert second.events.count({"type": "state", "state": "speaking"}) == 1

    live(scene, greeting="Good day to you.")


def test_what_is_typed_reaches_the_agent() -> None:
    async def scene(told: Told) -> None:
        peer = await told.connect()
        peer.listener.received({"type": "hello"})
        await asyncio.sleep(0.1)
        peer.listener.received({"type": "text", "text": "Who are you?"})
        await asyncio.sleep(1)
        assert told.mind.asked[-1][-1]["content"] == "Who are you?"
        peer.listener.received({"type": "interrupt"})
        assert peer.events[-1] == {"type": "state", "state": "listening"}
        assert told.session.stage.queued_ms() == 0

    live(scene)


@pytest.mark.parametrize(
    "message",
    [
        *({}, {"type": "text"}, {"type": "text", "text": 7}, {"type": ["bye"]}, {"type": "dance"}, {"type": None}),
        *({"type": "gesture"}, {"type": "gesture", "name": 7}, {"type": "gesture", "name": ["nod"]}),
        *({"type": "push_to_talk"}, {"type": "push_to_talk", "on": "yes"}, {"type": "press"}, {"type": "release"}),
    ],
)
def test_messages_that_say_nothing_are_ignored(message: dict[str, Any]) -> None:
    async def scene(told: Told) -> None:
        peer = await told.connect()
        peer.listener.received(message)
        await asyncio.sleep(1)
        assert told.ended == ""

    live(scene)


def test_the_page_may_ask_for_a_gesture() -> None:
    async def scene(told: Told) -> None:
        peer = await told.connect()
        peer.listener.received({"type": "gesture", "name": "smile", "stop_on_agent_speech": True})
        assert peer.events[-1] == {"type": "gesture", "name": "smile"}
        for index in range(15):
            told.show.perform(tick(index))
        performer = told.session.stage.performer
        assert performer.next().controls[Control.SMILE] > 0.3
        performer.say(1, Line.prepare(Speech(np.zeros(SAMPLE_RATE_HZ, np.float32), (Phone("AA", 0.0, 1.0),))))
        assert [performer.next() for _ in range(12)][-1].controls[Control.SMILE] == 0

    live(scene)


@pytest.mark.parametrize("name", ["somersault", "", "nod" * 10_000])
def test_a_gesture_nobody_knows_is_told_in_words(name: str) -> None:
    async def scene(told: Told) -> None:
        peer = await told.connect()
        peer.listener.received({"type": "gesture", "name": name})
        event = peer.events[-1]
        assert (event["type"], event["code"]) == ("notice", "unknown_gesture")
        assert "Choose one of nod, shake" in event["message"]
        assert len(event["message"]) < 300

    live(scene)


def test_a_text_of_any_length_is_answered() -> None:
    async def scene(told: Told) -> None:
        peer = await told.connect()
        peer.listener.received({"type": "hello"})
        await asyncio.sleep(0.1)
        peer.listener.received({"type": "text", "text": "x" * 10 * LONGEST_TEXT})
        assert peer.events[-1]["code"] == "text_too_long"

    live(scene)


# Endings


def test_bye_ends_the_session_at_once() -> None:
    async def scene(told: Told) -> None:
        peer = await told.connect()
        peer.listener.received({"type": "bye"})
        peer.listener.received({"type": "bye"})
        assert told.ends == [("left", "")]
        assert told.session.over

    live(scene)


def test_the_avatar_hangs_up_when_its_last_words_have_arrived() -> None:
    async def scene(told: Told) -> None:
        await told.connect()
        told.session.stage.hang_up()
        await asyncio.sleep(FAREWELL_S - 0.1)
        assert not told.ends
        await asyncio.sleep(0.2)
        assert told.ends == [("hung_up", "Ada has said goodbye and hung up.")]

    live(scene)


def test_nobody_says_anything_for_a_quarter_of_an_hour() -> None:
    async def scene(told: Told) -> None:
        await told.connect()
        await asyncio.sleep(IDLE_LIMIT_S - 5)
        assert told.ended == ""
        await asyncio.sleep(10)
        assert told.ended == "idle"
        assert told.ends[0][1].endswith(".")

    live(scene)


def test_who_types_is_not_idle_and_who_speaks_neither() -> None:
    async def scene(told: Told) -> None:
        peer = await told.connect()
        peer.listener.received({"type": "hello"})
        await asyncio.sleep(IDLE_LIMIT_S - 5)
        peer.listener.received({"type": "text", "text": "Hello?"})
        await asyncio.sleep(IDLE_LIMIT_S - 5)
        assert told.ended == ""
        told.session.stage.send({"type": "caption", "who": "user", "turn": 9, "text": "Hm", "final": True})
        await asyncio.sleep(IDLE_LIMIT_S - 5)
        assert told.ended == ""
        told.session.stage.send({"type": "caption", "who": "avatar", "turn": 9, "text": "Hm", "final": True})
        await asyncio.sleep(10)
        assert told.ended == "idle"

    live(scene)


def test_a_frame_that_cannot_be_made_ends_the_session_in_words() -> None:
    async def scene(told: Told) -> None:
        await told.connect()
        connection = told.seat.connection
        assert connection is not None
        told.show.failed(ValueError("no picture"))
        told.show.failed(ValueError("no picture"))
        await asyncio.sleep(0)
        reason, sentence = told.ends[0]
        assert reason == "failed"
        assert "Something went wrong" in sentence
        assert told.ended == "failed"

    live(scene)


def test_closing_ends_everything_without_another_word() -> None:
    async def scene(told: Told) -> None:
        peer = await told.connect()
        peer.listener.received({"type": "hello"})
        await asyncio.sleep(0.2)
        await told.session.close()
        assert peer.closed
        peer.listener.lost()
        peer.listener.received({"type": "bye"})
        await asyncio.sleep(60)
        assert told.ends == []

    live(scene, greeting="Good day to you, whoever you are.")


# Frames and figures


def test_a_frame_goes_out_with_its_sound_and_is_counted() -> None:
    async def scene(told: Told) -> None:
        await told.connect()
        connection = told.seat.connection
        assert connection is not None
        sound = np.full(SAMPLE_RATE_HZ // 25 * 2, 2.0, np.float32)
        told.session.stage.performer.say(1, Line.prepare(Speech(sound, (Phone("AA", 0.0, 0.08),))))
        for index in range(5):
            told.show.perform(tick(index))
            await asyncio.sleep(0)
            for _ in range(2):
                await connection.feed.voice.recv()
        assert (told.session.spoken_frames, told.session.idle_frames) == (2, 3)
        assert (told.session.spoken_s, told.session.idle_s) == (pytest.approx(0.08), pytest.approx(0.12))
        assert told.show.outlet.pictures_sent == 5

    live(scene)


def test_no_frame_is_made_for_a_network_that_does_not_take_it() -> None:
    async def scene(told: Told) -> None:
        await told.connect()
        connection = told.seat.connection
        assert connection is not None
        for index in range(20):
            told.show.perform(tick(index))
        assert told.show.outlet.congested
        assert told.session.idle_frames == told.show.outlet.backlog_frames < 20

    live(scene)


def test_a_picture_that_comes_too_late_is_not_sent() -> None:
    async def scene(told: Told) -> None:
        await told.connect()
        connection = told.seat.connection
        assert connection is not None
        told.show.perform(tick(0))
        told.show.perform(tick(1, picture=False))
        assert told.show.outlet.pictures_sent == 1
        assert told.show.outlet.backlog_frames == 2

    live(scene)


def test_the_page_is_told_how_the_worker_fares() -> None:
    async def scene(told: Told) -> None:
        peer = await told.connect()
        await asyncio.sleep(5)
        stats = [event for event in peer.events if event["type"] == "stats"]
        assert len(stats) == 2
        assert stats[0] == {
            "type": "stats",
            "work_ms_per_frame": 3.1,
            "late_ms_p95": 1.0,
            "frames_skipped": 2,
            "frames_waiting": 0,
            "picture_kbit_s": 400,
        }

    live(scene)


async def test_the_times_of_a_turn_are_counted() -> None:
    told = Told()
    told.session.stage.send({"type": "latency", "turn": 1, "marks": {"speech_end": 0, "first_audio": 600}})
    times = told.session._backstage.turn_times
    assert times.steps["first_audio"]["total_ms"] == 600
    assert told.session.turns == [{"turn": 1, "speech_end": 0, "first_audio": 600}]
    for turn in range(2, TURNS_KEPT + 2):
        told.session.stage.send({"type": "latency", "turn": turn, "marks": {"speech_end": 0}})
    assert [kept["turn"] for kept in told.session.turns] == list(range(2, TURNS_KEPT + 2))
    await told.session.close()
