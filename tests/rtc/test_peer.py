"""A connection to a browser: what is agreed, what flows, what is refused, and what is left when it closes."""

import asyncio
import os
import random
import re
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aioice.ice
import numpy as np
import pytest

from avatars.engine.speech.spoken import SAMPLES_PER_FRAME
from realtime.rtc import FanOut, Feed, FrameClock, Network, OfferRefused, Outlet, Peer, loopback, offer_loopback
from realtime.rtc.microphone import HEARING_RATE_HZ, Microphone
from realtime.rtc.peer import MOST_CANDIDATES
from tests.rtc.browser import Browser

WIDTH, HEIGHT = 128, 96
PICTURE = np.full((HEIGHT * 3 // 2, WIDTH), 110, np.uint8)


class Listener:
    """Keeps what a peer tells."""

    def __init__(self) -> None:
        self.heard_samples = 0
        self.messages: list[dict[str, Any]] = []
        self.told: list[str] = []
        self.changed = asyncio.Event()

    def heard(self, samples: np.ndarray) -> None:
        assert samples.dtype == np.float32
        assert samples.ndim == 1
        self.heard_samples += len(samples)
        self.changed.set()

    def received(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        self.changed.set()

    def connected(self) -> None:
        self._tell("connected")

    def channel_opened(self) -> None:
        self._tell("channel")

    def lost(self) -> None:
        self._tell("lost")

    def _tell(self, word: str) -> None:
        self.told.append(word)
        self.changed.set()

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(20):
            while not condition(self):
                self.changed.clear()
                await self.changed.wait()


class Call:
    """A peer and a browser."""

    def __init__(self, network: Network | None = None) -> None:
        audience = FanOut()
        self.outlet = Outlet(WIDTH, HEIGHT, audience)
        self.feed = Feed()
        audience.add(self.feed)
        self.listener = Listener()
        self.peer = Peer(self.feed, self.listener, network or Network())
        self.browser = Browser()
        self._playing = threading.Event()
        self._thread = threading.Thread(target=self._play)

    async def connect(self, change: Any = lambda sdp: sdp) -> str:
        answer = await self.peer.answer(change(await self.browser.offer()))
        await self.browser.take(answer)
        await self.browser.connected()
        return answer

    def play(self) -> None:
        """Feed frames at their times, as the media thread would."""
        self._playing.set()
        self._thread.start()

    def _play(self) -> None:
        clock = FrameClock(time.monotonic())
        sound = (9000 * np.sin(np.arange(SAMPLES_PER_FRAME) / 24_000 * 2 * np.pi * 500)).astype(np.int16)
        while self._playing.is_set():
            time.sleep(max(0.0, clock.due_s - time.monotonic()))
            self.outlet.feed(clock.tick(time.monotonic()), PICTURE, sound)

    async def close(self) -> None:
        self._playing.clear()
        if self._thread.ident:
            await asyncio.to_thread(self._thread.join)
        await self.peer.close()
        await self.browser.close()


@asynccontextmanager
async def calling() -> AsyncIterator[Call]:
    call = Call()
    try:
        yield call
    finally:
        await call.close()


def sockets() -> int:
    count = 0
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - links to what is no file
        with suppress(OSError):
            count += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")  # noqa: PTH115
    return count


def media(sdp: str, kind: str) -> str:
    """One media section of a description."""
    return next(section for section in re.split(r"(?m)^(?=m=)", sdp) if section.startswith(f"m={kind}"))


def codecs(sdp: str, kind: str) -> list[str]:
    return [name for name in re.findall(r"a=rtpmap:\d+ ([^/]+)/", media(sdp, kind)) if name != "rtx"]


def only_vp8(sdp: str) -> str:
    """An offer whose picture is VP8 alone."""
    section = media(sdp, "video")
    kept = re.findall(r"a=rtpmap:(\d+) VP8/", section)
    lines = [
        line
        for line in section.splitlines(keepends=True)
        if not (found := re.match(r"a=(?:rtpmap|fmtp|rtcp-fb):(\d+)", line)) or found[1] in kept
    ]
    lines[0] = re.sub(r"(m=video \d+ \S+).*", rf"\1 {' '.join(kept)}", lines[0])
    return sdp.replace(section, "".join(lines))


async def test_picture_voice_and_messages_flow() -> None:
    async with calling() as call:
        answer = await call.connect()
        assert codecs(answer, "video")[0] == "H264"
        assert codecs(answer, "audio") == ["opus"]
        call.play()
        await call.browser.until(lambda b: len(b.pictures) >= 10 and len(b.sounds) >= 20)
        picture = call.browser.pictures[-1]
        assert (picture.width, picture.height) == (WIDTH, HEIGHT)
        assert picture.to_ndarray(format="yuv420p")[:HEIGHT].mean() == pytest.approx(110, abs=3)
        await call.browser.until(lambda b: b.loudness() > 0.2)
        call.browser.say(type="text", text="schön 🙂")
        await call.listener.until(lambda one: one.messages)
        assert call.listener.messages == [{"type": "text", "text": "schön 🙂"}]
        assert call.peer.send({"type": "state", "state": "größer"})
        await call.browser.until(lambda b: b.events == [{"type": "state", "state": "größer"}])


async def test_the_microphone_is_heard_at_its_rate() -> None:
    async with calling() as call:
        await call.connect()
        await call.listener.until(lambda one: one.heard_samples > HEARING_RATE_HZ // 5)


async def test_browsers_are_asked_to_repeat_the_microphones_packets() -> None:
    async with calling() as call:
        answer = await call.connect()
        # Browsers send the means to recover lost packets to those who say that they can use them.
        assert re.search(r"a=fmtp:\d+ .*useinbandfec=1", media(answer, "audio"))


async def test_time_goes_on_where_the_microphones_packets_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    came: list[int] = []
    async with calling() as call:
        await call.connect()
        receiver = next(t for t in call.peer._connection.getTransceivers() if t.kind == "audio").receiver
        assert isinstance(receiver, Microphone)
        take = receiver._take

        def lossy(packet: bytes) -> None:
            came.append(packet[2] << 8 | packet[3])
            if len(came) % 4:
                take(packet)

        monkeypatch.setattr(receiver, "_take", lossy)
        before = call.listener.heard_samples
        await call.listener.until(lambda one: one.heard_samples - before > HEARING_RATE_HZ)
    # 320 samples a packet, the last few of which may still wait.
    assert HEARING_RATE_HZ < call.listener.heard_samples - before <= 320 * (len(came) + 1)
    assert call.listener.heard_samples - before >= 320 * (len(came) - 4)


async def test_it_says_once_that_it_is_connected_and_that_messages_can_be_sent() -> None:
    async with calling() as call:
        assert not call.peer.send({"type": "state"})
        await call.connect()
        await call.listener.until(lambda one: {"connected", "channel"} <= set(one.told))
        assert sorted(call.listener.told) == ["channel", "connected"]
        assert call.peer.state == "connected"


async def test_a_browser_that_only_takes_vp8_gets_vp8() -> None:
    async with calling() as call:
        answer = await call.connect(only_vp8)
        assert codecs(answer, "video") == ["VP8"]
        call.play()
        await call.browser.until(lambda b: len(b.pictures) >= 5)
        assert call.browser.pictures[0].width == WIDTH


async def test_a_lost_picture_is_made_good_by_a_key_frame() -> None:
    async with calling() as call:
        await call.connect()
        call.play()
        await call.browser.until(lambda b: len(b.pictures) >= 10)
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        # What the sender calls when the browser reports a lost picture.
        video = next(t for t in call.peer._connection.getTransceivers() if t.kind == "video")
        encode = call.outlet._face_encoder.encode  # type: ignore[union-attr]

        def watched(picture: Any, index: int, *, key: bool = False, unchanged: bool = False) -> Any:
            if key:
                loop.call_soon_threadsafe(asked.set)
            return encode(picture, index, key=key, unchanged=unchanged)

        call.outlet._face_encoder.encode = watched  # type: ignore[union-attr, method-assign]
        receiver = next(t.receiver for t in call.browser.connection.getTransceivers() if t.kind == "video")
        await receiver._send_rtcp_pli(video.sender._ssrc)
        async with asyncio.timeout(10):
            await asked.wait()


NONSENSE = [
    "",
    "garbage",
    "v=0\r\n",
    "\0",
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n",
    "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\n",
]


@pytest.mark.parametrize("sdp", NONSENSE)
async def test_garbage_is_refused_in_words(sdp: str) -> None:
    async with calling() as call:
        with pytest.raises(OfferRefused, match=r"^The browser's offer .*\.$"):
            await call.peer.answer(sdp)


async def test_an_offer_without_a_picture_or_without_sound_is_refused() -> None:
    for kind in ("video", "audio"):
        async with calling() as call:
            offer = await call.browser.offer()
            with pytest.raises(OfferRefused, match=r"one picture and one sound|could not be understood"):
                await call.peer.answer(offer.replace(media(offer, kind), ""))


async def test_an_offer_with_codecs_nobody_knows_is_refused() -> None:
    async with calling() as call:
        offer = await call.browser.offer()
        with pytest.raises(OfferRefused):
            await call.peer.answer(re.sub(r"(a=rtpmap:\d+ )(VP8|H264)", r"\1AV9", offer))


async def test_a_damaged_offer_is_answered_or_refused(caplog: pytest.LogCaptureFixture) -> None:
    tasks, open_sockets = asyncio.all_tasks(), sockets()
    for seed in range(30):
        chance = random.Random(seed)
        async with calling() as call:
            lines = (await call.browser.offer()).splitlines(keepends=True)
            for at in chance.sample(range(len(lines)), chance.randint(1, 4)):
                cut = lines[at][: chance.randrange(len(lines[at]))]
                lines[at] = chance.choice(["", f"{cut}\r\n", lines[at] * 2])
            with suppress(OfferRefused):
                assert "m=" in await call.peer.answer("".join(lines))
    await asyncio.sleep(0.05)
    assert asyncio.all_tasks() - tasks == set()
    assert sockets() == open_sockets
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


JUNK = [
    None,
    {},
    {"candidate": ""},
    {"candidate": None},
    {"candidate": "candidate:"},
    {"candidate": "candidate:1 1 udp"},
    {"candidate": "candidate:1 1 udp x y z typ host"},
    {"candidate": "candidate:1 1 udp 1 127.0.0.1 99999999 typ host", "sdpMid": "0"},
    {"candidate": "candidate:1 1 udp 1 not-an-address 9 typ host", "sdpMid": "0"},
    {"candidate": "candidate:1 1 tcp 1 127.0.0.1 9 typ host tcptype active", "sdpMid": "0"},
    {"candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host", "sdpMid": "no such section"},
    {"candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host", "sdpMid": ["0"], "sdpMLineIndex": "x"},
    {"candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host"},
    {"candidate": 7},
    {"candidate": ["candidate:1 1 udp 1 127.0.0.1 9 typ host"]},
    {"candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host raddr", "sdpMid": "0"},
]


async def test_candidates_that_are_no_use_are_ignored(caplog: pytest.LogCaptureFixture) -> None:
    async with calling() as call:
        offer = await call.browser.offer()
        for junk in JUNK:
            await call.peer.add_candidate(junk)
        await call.browser.take(await call.peer.answer(offer))
        for junk in JUNK:
            await call.peer.add_candidate(junk)
        await call.browser.connected()
    assert "a task of a connection failed" not in caplog.text


async def test_a_candidate_may_come_before_the_offer_and_makes_the_connection() -> None:
    async with calling() as call:
        offer = await call.browser.offer()
        lines = re.findall(r"a=(candidate:.*)\r\n", offer)
        assert lines
        for line in lines:
            await call.peer.add_candidate({"candidate": line, "sdpMid": "0", "sdpMLineIndex": 0})
        await call.peer.add_candidate(None)
        bare = re.sub(r"a=(candidate:.*|end-of-candidates)\r\n", "", offer)
        await call.browser.take(await call.peer.answer(bare))
        await call.browser.connected()


async def test_no_more_candidates_are_taken_than_a_browser_has() -> None:
    async with calling() as call:
        for port in range(3 * MOST_CANDIDATES):
            await call.peer.add_candidate(
                {"candidate": f"candidate:1 1 udp 1 127.0.0.1 {port + 1} typ host", "sdpMid": "0"}
            )
        assert len(call.peer._tasks) == MOST_CANDIDATES


async def test_messages_that_are_none_are_ignored() -> None:
    async with calling() as call:
        await call.connect()
        for text in ("", "{", "7", "null", "[]", '"hello"', "[" * 10_000, '{"type": ' + "1" * 20_000 + "}"):
            call.browser.channel.send(text)
        call.browser.channel.send(b"\xff\xfe")
        call.browser.say(type="hello")
        await call.listener.until(lambda one: one.messages)
        assert call.listener.messages == [{"type": "hello"}]


async def test_only_one_channel_of_ours_is_taken() -> None:
    async with calling() as call:
        await call.connect()
        other = call.browser.connection.createDataChannel("parlo")
        stranger = call.browser.connection.createDataChannel("stranger")
        closed = asyncio.Event()
        for channel in (other, stranger):
            channel.on("close", closed.set)
        async with asyncio.timeout(10):
            await closed.wait()
        call.browser.say(type="hello")
        await call.listener.until(lambda one: one.messages)
        assert call.listener.told.count("channel") == 1


async def test_a_browser_that_hangs_up_is_lost_once() -> None:
    async with calling() as call:
        await call.connect()
        await call.browser.close()
        await call.listener.until(lambda one: "lost" in one.told)
        assert not call.peer.send({"type": "state"})
        await call.peer.close()
        assert call.listener.told.count("lost") == 1


async def test_closing_is_not_being_lost() -> None:
    async with calling() as call:
        await call.connect()
        await call.peer.close()
        await call.peer.close()
        await asyncio.sleep(0.05)
        assert "lost" not in call.listener.told
        assert call.peer.state == "closed"


@pytest.mark.parametrize("stage", ["new", "refused", "answered", "connected", "playing", "waiting"])
async def test_closing_leaves_no_tasks_and_no_sockets(stage: str) -> None:
    tasks, open_sockets = asyncio.all_tasks(), sockets()
    async with calling() as call:
        if stage == "refused":
            with pytest.raises(OfferRefused):
                await call.peer.answer("garbage")
        elif stage == "answered":
            await call.peer.answer(await call.browser.offer())
        elif stage == "waiting":
            await call.peer.add_candidate({"candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host", "sdpMid": "0"})
        elif stage != "new":
            await call.connect()
        if stage == "playing":
            call.play()
            await call.browser.until(lambda b: len(b.pictures) >= 3)
    await asyncio.sleep(0.05)
    assert asyncio.all_tasks() - tasks == set()
    assert sockets() == open_sockets


def test_loopback_is_offered_always_or_where_there_is_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", None)
    for network, always, offered in (
        ([], False, ["127.0.0.1"]),
        (["10.0.0.7"], False, ["10.0.0.7"]),
        (["10.0.0.7"], True, ["10.0.0.7", "127.0.0.1"]),
    ):
        monkeypatch.setattr(loopback, "_network_addresses", lambda v4, v6, network=network: list(network))
        offer_loopback(always)
        assert aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=False) == offered
        assert aioice.ice.get_host_addresses(use_ipv4=False, use_ipv6=True) == network


async def test_a_connection_that_cannot_be_closed_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async with calling() as call:
        close = call.peer._connection.close

        async def broken() -> None:
            await close()
            raise AttributeError("half made")

        monkeypatch.setattr(call.peer._connection, "close", broken)
        await call.peer.close()
        assert call.feed.face.readyState == "ended"
