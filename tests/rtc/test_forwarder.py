"""Forwarding through something that speaks Janus's API: what it is asked, what is sent to it, and what viewers are told."""

import asyncio
import json
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest

from avatars.engine.speech.spoken import SAMPLES_PER_FRAME
from realtime.rtc import (
    FanOut,
    Feed,
    Forwarder,
    ForwarderGone,
    OfferRefused,
    Outlet,
    Several,
    Tick,
    TransportStats,
    Viewer,
)
from realtime.rtc import forwarder as forwarder_module
from realtime.rtc import janus as janus_module
from realtime.rtc.encoder import silence_packet
from realtime.rtc.forwarder import ABANDONED_AFTER_MS, GONE, H264_TYPE, NO_H264, OPUS_TYPE, pieces
from realtime.rtc.ladder import FIRST_RUNG
from realtime.rtc.peer import MOST_CANDIDATES
from realtime.rtc.rtcp import asks_for_key_frame, empty_report
from tests.rtc.fake_janus import ADMIN_KEY, API_SECRET, OFFER, FakeJanus, fake_janus

WIDTH, HEIGHT = 64, 48
PICTURE = np.full((HEIGHT * 3 // 2, WIDTH), 90, np.uint8)
SOUND = np.full(SAMPLES_PER_FRAME, 3000, np.int16)
ANSWER = "v=0\nm=audio 9 x\nm=video 9 x 96\na=rtpmap:96 H264/90000\n"
WITHIN_S = 10.0
SEQUENCE_PARAMETERS = 7


@pytest.fixture
async def server() -> AsyncIterator[FakeJanus]:
    async with fake_janus() as fake:
        yield fake


@pytest.fixture
async def forwarder(server: FakeJanus) -> AsyncIterator[Forwarder]:
    made = Forwarder(server.server)
    yield made
    await made.shut()
    await made.shut()
    assert (made._link, len(made._tasks)) == (None, 0)
    await until(lambda: not server.connections)


class Seated:
    """A viewer's seat, as far as its connection can tell."""

    def __init__(self, forwarder: Forwarder) -> None:
        self.forwarder = forwarder
        self.viewer = Viewer(forwarder, self)
        self.told: list[str] = []

    async def watch(self, server: FakeJanus) -> None:
        assert await self.viewer.offer() == OFFER
        await self.viewer.accept(ANSWER)
        await server.says("webrtcup")
        await until(lambda: self.told == ["connected"])

    def connected(self) -> None:
        self.forwarder.add(self.viewer)
        self.told.append("connected")

    def lost(self) -> None:
        self.told.append("lost")

    def cut_off(self, sentence: str) -> None:
        self.told.append(sentence)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():  # noqa: ASYNC110 - what comes over a socket tells nobody
            await asyncio.sleep(0.01)


async def play(outlet: Outlet, frames: range) -> None:
    """Frames that are due already."""
    for index in frames:
        outlet.feed(Tick(index, time.monotonic() - 9 + index / 25, 0.0, 0, True), PICTURE, SOUND)
    await asyncio.sleep(0.1)


def read(packet: bytes) -> tuple[int, bool, int, int, bytes]:
    """Type, mark, number, time and payload."""
    version, kind, number, at, _ = struct.unpack("!BBHII", packet[:12])
    assert version == 0x80
    return kind & 0x7F, bool(kind & 0x80), number, at, packet[12:]


# What the server is asked


async def test_a_mountpoint_is_private_and_needs_a_secret_a_pin_and_keys(
    server: FakeJanus, forwarder: Forwarder
) -> None:
    await Seated(forwarder).watch(server)
    (asked,) = server.asked("create")[1:]
    body = asked["body"]
    assert body["is_private"] is True
    assert body["admin_key"] == ADMIN_KEY
    assert len(body["secret"]) == 64
    assert len(body["pin"]) >= 32
    assert all(media["iface"] == "127.0.0.1" for media in body["media"])
    assert {request["apisecret"] for request in server.requests} == {API_SECRET}
    other = Forwarder(server.server)
    await Seated(other).watch(server)
    first, second = server.mountpoints.values()
    assert not {first["secret"], first["pin"]} & {second["secret"], second["pin"]}
    await other.shut()
    assert list(server.mountpoints.values()) == [first]
    await forwarder.shut()
    assert server.mountpoints == {}
    await until(lambda: not server.connections)


async def test_all_who_come_at_once_share_one_mountpoint(server: FakeJanus, forwarder: Forwarder) -> None:
    assert set(await asyncio.gather(*(Seated(forwarder).viewer.offer() for _ in range(5)))) == {OFFER}
    assert len(server.mountpoints) == 1
    assert len(server.asked("watch")) == 5


async def test_what_the_dead_left_behind_is_ended_and_nothing_else(server: FakeJanus, forwarder: Forwarder) -> None:
    def left(number: int, description: str, secret: str) -> None:
        server.mountpoints[number] = {"description": description, "secret": secret, "pin": ""}
        server.ages_ms[number] = ABANDONED_AFTER_MS + 1

    left(1, "parlo", forwarder._secret(1))
    left(2, "parlo", "of another installation")
    left(3, "somebody's radio", forwarder._secret(3))
    left(4, "parlo", forwarder._secret(4))
    server.ages_ms[4] = ABANDONED_AFTER_MS - 1
    await Seated(forwarder).viewer.offer()
    assert set(server.mountpoints) & {1, 2, 3, 4} == {2, 3, 4}


async def test_addresses_are_passed_on_and_not_without_end(server: FakeJanus, forwarder: Forwarder) -> None:
    seated = Seated(forwarder)
    await seated.viewer.add_candidate({"candidate": "too early"})
    await seated.watch(server)
    await seated.viewer.add_candidate({"candidate": "x", "sdpMid": "a", "sdpMLineIndex": 0, "more": 1})
    for end in (None, {"candidate": ""}):
        await seated.viewer.add_candidate(end)
    for _ in range(MOST_CANDIDATES):
        await seated.viewer.add_candidate({"candidate": "y"})
    passed = [request["candidate"] for request in server.asked("trickle")]
    assert passed[:3] == [
        {"candidate": "x", "sdpMid": "a", "sdpMLineIndex": 0},
        {"completed": True},
        {"completed": True},
    ]
    assert len(passed) == MOST_CANDIDATES - 1


# What is sent to it


async def test_nothing_is_sent_or_encoded_before_somebody_watches(server: FakeJanus, forwarder: Forwarder) -> None:
    outlet = Outlet(WIDTH, HEIGHT, forwarder)
    await forwarder.link()
    await play(outlet, range(5))
    assert forwarder.stats().packets is False
    assert not server.received("picture") + server.received("sound")
    outlet.close()


async def test_packets_go_out_once_in_order_at_one_time_from_a_key_frame_on(
    server: FakeJanus, forwarder: Forwarder
) -> None:
    outlet = Outlet(WIDTH, HEIGHT, forwarder)
    viewers = [Seated(forwarder) for _ in range(3)]
    await viewers[0].watch(server)
    await play(outlet, range(7))
    await viewers[1].watch(server)
    await viewers[2].watch(server)
    await play(outlet, range(7, 10))
    pictures, sounds = ([read(packet) for packet in server.received(name)] for name in ("picture", "sound"))
    for packets, kind in ((pictures, H264_TYPE), (sounds, OPUS_TYPE)):
        assert {packet[0] for packet in packets} == {kind}
        assert [packet[2] for packet in packets] == list(range(packets[0][2], packets[0][2] + len(packets)))
    first = pictures[0][3]
    assert [(at - first) % 2**32 for _, marked, _, at, _ in pictures if marked] == [3600 * n for n in range(10)]
    assert [(at - sounds[0][3]) % 2**32 for *_, at, _ in sounds] == [960 * index for index in range(20)]
    # A key frame (it begins with its parameters) for the first, and one for the two others.
    keys = [(at - first) % 2**32 // 3600 for *_, at, payload in pictures if payload[0] & 31 == SEQUENCE_PARAMETERS]
    assert keys == [0, 7]
    assert forwarder.stats().receivers == 3
    outlet.close()


async def test_an_interruption_is_silence(server: FakeJanus, forwarder: Forwarder) -> None:
    outlet = Outlet(WIDTH, HEIGHT, forwarder)
    await Seated(forwarder).watch(server)
    await play(outlet, range(2))
    outlet.hush()
    await play(outlet, range(2, 6))
    silent = [payload == silence_packet() for *_, payload in map(read, server.received("sound"))]
    # What is in the making falls silent, too: see Outlet.hush.
    assert silent == [False] * 4 + [True] * 4 + [False] * 4
    outlet.close()


async def test_words_of_any_length_are_datagrams(server: FakeJanus, forwarder: Forwarder) -> None:
    forwarder.tell({"type": "too early"})
    await forwarder.link()
    event = {"type": "caption", "text": 'é"\\😀' * 500}
    forwarder.tell({"type": "state", "state": "speaking"})
    forwarder.tell(event)
    await asyncio.sleep(0.05)
    first, *parts = server.received("words")
    assert json.loads(first) == {"type": "state", "state": "speaking"}
    assert all(len(part) < 1400 for part in parts)
    read_parts = [json.loads(part) for part in parts]
    assert [(part["number"], part["of"]) for part in read_parts] == [(n, len(parts)) for n in range(len(parts))]
    assert json.loads("".join(part["text"] for part in read_parts)) == event


async def test_the_server_alone_asks_for_key_frames(server: FakeJanus, forwarder: Forwarder) -> None:
    asked: list[bool] = []
    await forwarder.link()
    forwarder.open(asked.append)
    (report, address) = server.sockets["feedback"].recvfrom(2000)
    assert report == empty_report(forwarder._picture_ssrc)
    lost = struct.pack("!BBHII", 0x81, 206, 2, 1, forwarder._picture_ssrc)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(lost, address)
    server.sockets["feedback"].sendto(b"\x81", address)
    server.sockets["feedback"].sendto(lost, address)
    await until(lambda: bool(asked))
    await asyncio.sleep(0.05)
    assert asked == [False]


async def test_one_that_is_stuck_in_this_process_holds_up_no_viewers_and_the_other_way_round(
    server: FakeJanus, forwarder: Forwarder
) -> None:
    fan_out, stuck = FanOut(), Feed()
    fan_out.add(stuck)
    outlet = Outlet(WIDTH, HEIGHT, Several(fan_out, forwarder))
    await Seated(forwarder).watch(server)
    await play(outlet, range(20))
    assert not outlet.congested
    assert len({read(packet)[3] for packet in server.received("picture")}) == 20
    outlet.close()
    stuck.close()


# What viewers are told


async def test_who_hangs_up_is_lost_and_who_closed_hears_nothing_more(server: FakeJanus, forwarder: Forwarder) -> None:
    gone, closed = Seated(forwarder), Seated(forwarder)
    await gone.watch(server)
    await server.says("hangup")
    await until(lambda: gone.told[-1] == "lost")
    await closed.watch(server)
    handle = max(server.viewers)
    connection, session = server.viewers[handle]
    await closed.viewer.close()
    await closed.viewer.close()
    assert [request["handle_id"] for request in server.asked("detach")] == [handle]
    assert forwarder.stats().receivers == 1
    await connection.send(json.dumps({"janus": "hangup", "session_id": session, "sender": handle}))
    await asyncio.sleep(0.05)
    assert closed.told == ["connected"]
    await gone.viewer.close()
    assert forwarder.stats().receivers == 0


async def test_a_server_that_dies_cuts_everybody_off_once_and_is_found_again(
    server: FakeJanus, forwarder: Forwarder
) -> None:
    viewers = [Seated(forwarder) for _ in range(3)]
    for seated in viewers:
        await seated.watch(server)
    outlet = Outlet(WIDTH, HEIGHT, forwarder)
    await server.die()
    await until(lambda: all(seated.told[-1] == GONE for seated in viewers))
    assert [seated.told.count(GONE) for seated in viewers] == [1, 1, 1]
    assert forwarder.stats().receivers == 0
    # What was pushed and what is told goes nowhere, and does no harm.
    await play(outlet, range(3))
    forwarder.tell({"type": "state"})
    with pytest.raises(ForwarderGone, match="does not answer"):
        await Seated(forwarder).viewer.offer()
    await server.start()
    await Seated(forwarder).watch(server)
    await play(outlet, range(3, 5))
    assert server.received("picture")
    outlet.close()


async def test_one_that_hangs_keeps_nobody_waiting_for_the_others(
    server: FakeJanus, forwarder: Forwarder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(janus_module, "ANSWER_WITHIN_S", 0.2)
    server.mute = {"create"}
    tries = [Seated(forwarder).viewer.offer() for _ in range(5)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(one) for one in found] == [ForwarderGone] * 5
    assert len(server.asked("create")) == 1


async def test_one_that_falls_silent_is_noticed(
    server: FakeJanus, forwarder: Forwarder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(janus_module, "ANSWER_WITHIN_S", 0.2)
    monkeypatch.setattr(janus_module, "CLOSE_WITHIN_S", 0.2)
    monkeypatch.setattr(janus_module, "KEEP_ALIVE_S", 0.05)
    seated = Seated(forwarder)
    await seated.watch(server)
    await until(lambda: len(server.asked("keepalive")) > 2)
    assert seated.told == ["connected"]
    server.mute = {"all"}
    await until(lambda: seated.told[-1] == GONE)


async def test_a_mountpoint_that_somebody_ended_is_made_again_for_the_next(
    server: FakeJanus, forwarder: Forwarder
) -> None:
    first, second = Seated(forwarder), Seated(forwarder)
    await first.watch(server)
    server.mountpoints.clear()
    with pytest.raises(ForwarderGone):
        await second.viewer.offer()
    assert first.told[-1] == GONE
    await Seated(forwarder).watch(server)
    assert len(server.mountpoints) == 1


@pytest.mark.parametrize("wrong", ["api_secret", "admin_key"])
async def test_wrong_secrets_are_no_business_of_visitors(server: FakeJanus, wrong: str, caplog: Any) -> None:
    server.server = forwarder_module.JanusServer(
        server.server.url, **{"api_secret": API_SECRET, "admin_key": ADMIN_KEY, wrong: "wrong"}
    )
    forwarder = Forwarder(server.server)
    with pytest.raises(ForwarderGone) as refused:
        await Seated(forwarder).viewer.offer()
    assert str(refused.value) == GONE
    assert "Unauthorized" in caplog.text
    assert "wrong" not in repr(server.server)
    await forwarder.shut()
    await until(lambda: not server.connections)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (ANSWER.replace("m=video 9", "m=video 0"), NO_H264),
        (ANSWER.replace("H264", "VP8"), NO_H264),
        (ANSWER + "garbage", "could not be understood"),
    ],
)
async def test_an_answer_of_no_use_is_refused_in_words(
    server: FakeJanus, forwarder: Forwarder, answer: str, sentence: str
) -> None:
    seated, other = Seated(forwarder), Seated(forwarder)
    await other.watch(server)
    await seated.viewer.offer()
    with pytest.raises(OfferRefused, match=sentence):
        await seated.viewer.accept(answer)
    assert other.told == ["connected"]


async def test_who_leaves_while_the_server_thinks_leaves_nothing_there(server: FakeJanus, forwarder: Forwarder) -> None:
    seated = Seated(forwarder)
    await forwarder.link()
    offering = asyncio.create_task(seated.viewer.offer())
    await asyncio.sleep(0)
    await seated.viewer.close()
    with pytest.raises(ForwarderGone):
        await offering
    assert server.viewers == {}


# Pure


@pytest.mark.parametrize(
    ("packet", "asks"),
    [
        (bytes([0x81, 206, 0, 2]), True),
        (bytes([0x84, 206, 0, 2]), True),
        (bytes([0x8F, 206, 0, 2]), False),
        (bytes([0x81, 205, 0, 2]), False),
        (bytes([0x01, 206, 0, 2]), False),
        (b"\x81", False),
        (b"", False),
    ],
)
def test_what_asks_for_a_key_frame(packet: bytes, asks: bool) -> None:
    assert asks_for_key_frame(packet) is asks


@pytest.mark.parametrize("length", [0, 1, 200, 280, 3000])
def test_short_events_stay_whole_and_long_ones_come_in_pieces(length: int) -> None:
    event = {"type": "caption", "text": "😀" * length}
    texts = pieces(event)
    assert all(len(text.encode()) <= 1400 for text in texts)
    if len(texts) == 1:
        assert json.loads(texts[0]) == event
    else:
        assert json.loads("".join(json.loads(text)["text"] for text in texts)) == event


class Part:
    """A transport of which only the stats are known."""

    def __init__(self, *stats: object) -> None:
        self._stats = TransportStats(*stats)  # type: ignore[arg-type]

    def stats(self) -> TransportStats:
        return self._stats


@pytest.mark.parametrize(
    ("here", "there", "together"),
    [
        ((0, 0, False, False), (3, 2, True, False), (3, 2, True, False, FIRST_RUNG)),
        ((2, 5, True, True), (3, 1, True, False), (5, 1, True, True, FIRST_RUNG)),
        # One weak network is followed where nobody else watches, and does not spoil it for many.
        ((1, 0, True, False, 4), (0, 0, False, False), (1, 0, True, False, 4)),
        ((1, 0, True, False, 4), (9, 0, True, False), (10, 0, True, False, FIRST_RUNG)),
        ((0, 0, False, False), (0, 0, False, False), (0, 0, False, False, FIRST_RUNG)),
    ],
)
def test_several_ways_are_one(here: Any, there: Any, together: Any) -> None:
    parts: Any = Part(*here), Part(*there)
    assert Several(*parts).stats() == TransportStats(*together)
