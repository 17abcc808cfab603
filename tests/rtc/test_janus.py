"""Ten viewers through a real Janus: picture, sound and words reach all of them, and what happens when it dies."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aioice.ice
import numpy as np
import pytest

from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from realtime.rtc import FanOut, Feed, Forwarder, ForwarderGone, Outlet, Several, Tick, Viewer, loopback
from realtime.rtc.forwarder import GONE
from realtime.rtc.janus import JanusSession
from tests.rtc.browser import Watcher
from tests.rtc.janus_server import Janus, address_of_this_machine, janus, needs_janus

pytestmark = needs_janus

WIDTH, HEIGHT = 320, 240
VIEWERS = 10
WITHIN_S = 30.0


@pytest.fixture(autouse=True)
def _network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", loopback._network_addresses)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Janus]:
    with janus(tmp_path / "janus") as running:
        yield running


class Seated:
    """A viewer's seat, as far as its connection can tell."""

    def __init__(self, forwarder: Forwarder) -> None:
        self.forwarder = forwarder
        self.browser = Watcher()
        self.viewer = Viewer(forwarder, self)
        self.told: list[str] = []
        self._news = asyncio.Event()

    async def join(self) -> None:
        await self.viewer.accept(await self.browser.answer(await self.viewer.offer()))
        await self.browser.connected()

    def connected(self) -> None:
        self.forwarder.add(self.viewer)
        self._note("connected")

    def lost(self) -> None:
        self._note("lost")

    def cut_off(self, sentence: str) -> None:
        self._note(sentence)

    def _note(self, what: str) -> None:
        self.told.append(what)
        self._news.set()

    async def hears(self, what: str) -> None:
        async with asyncio.timeout(WITHIN_S):
            while self.told[-1] != what:
                self._news.clear()
                await self._news.wait()

    async def go(self) -> None:
        await self.viewer.close()
        await self.browser.close()


class Stage:
    """A tone and a moving picture for a forwarder, and for a talker beside it."""

    def __init__(self, forwarder: Forwarder) -> None:
        self.forwarder = forwarder
        self.fan_out = FanOut()
        self.outlet = Outlet(WIDTH, HEIGHT, Several(self.fan_out, forwarder))
        self.index = 0

    async def play(self) -> None:
        start_s = time.monotonic()
        waves = (128 + 90 * np.sin(np.arange(WIDTH) * 2 * np.pi / WIDTH)).astype(np.uint8)
        still = np.tile(waves, (HEIGHT * 3 // 2, 1))
        while True:
            due_s = start_s + self.index * 0.04
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            at = np.arange(SAMPLES_PER_FRAME) + self.index * SAMPLES_PER_FRAME
            tone = (9000 * np.sin(2 * np.pi * 440 * at / SAMPLE_RATE_HZ)).astype(np.int16)
            picture = np.roll(still, self.index, axis=1)
            self.outlet.feed(Tick(self.index, due_s, 0.0, 0, True), picture, tone)
            self.index += 1


@asynccontextmanager
async def playing(server: Janus) -> AsyncIterator[Stage]:
    forwarder = Forwarder(server.server)
    stage = Stage(forwarder)
    work = asyncio.create_task(stage.play())
    try:
        yield stage
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        stage.outlet.close()
        await forwarder.shut()
        await forwarder.shut()


async def mountpoints(server: Janus) -> list[dict[str, Any]]:
    session = JanusSession(server.server, lambda: None)
    await session.open()
    request = {"request": "list", "admin_key": server.server.admin_key}
    answer = await session.ask(await session.attach(), request)
    await session.close()
    found: list[dict[str, Any]] = answer["plugindata"]["data"]["list"]
    return found


async def test_ten_viewers_see_hear_and_read(server: Janus) -> None:
    async with playing(server) as stage:
        viewers = [Seated(stage.forwarder) for _ in range(VIEWERS)]
        first, *others = viewers
        await first.join()
        await first.browser.until(lambda b: len(b.pictures) > 10 and len(b.sounds) > 20)
        await asyncio.gather(*(viewer.join() for viewer in others))
        for viewer in viewers:
            await viewer.browser.until(lambda b: len(b.pictures) > 25 and len(b.sounds) > 50)
            assert viewer.browser.loudness() > 0.1
            assert viewer.browser.pictures[-1].to_ndarray(format="gray").std() > 20
            assert viewer.told == ["connected"]
        assert len(await mountpoints(server)) == 1
        assert stage.forwarder.stats().receivers == VIEWERS

        # Words, also such as take several datagrams.
        long = {"type": "caption", "text": 'Ünïcode \\ "quotes" 日本語 😀 ' * 90}
        stage.forwarder.tell({"type": "state", "state": "speaking"})
        stage.forwarder.tell(long)
        for viewer in viewers:
            await viewer.browser.until(lambda b: b.events == [{"type": "state", "state": "speaking"}, long])

        # One who hangs up is noticed; one who is let go is gone.
        await first.browser.close()
        await first.hears("lost")
        for viewer in viewers:
            await viewer.go()
        assert stage.forwarder.stats().receivers == 0
    assert await mountpoints(server) == []


async def test_packets_reach_a_server_that_is_not_on_the_loopback(server: Janus) -> None:
    server.server = replace(server.server, rtp_host=address_of_this_machine())
    async with playing(server) as stage:
        seated = Seated(stage.forwarder)
        await seated.join()
        await seated.browser.until(lambda b: len(b.pictures) > 5 and len(b.sounds) > 5)
        stage.forwarder.tell({"type": "state", "state": "speaking"})
        await seated.browser.until(lambda b: b.events)
        await seated.go()


async def test_lost_pictures_ask_for_a_key_frame(server: Janus) -> None:
    async with playing(server) as stage:
        seated = Seated(stage.forwarder)
        await seated.join()
        await seated.browser.until(lambda b: len(b.pictures) > 30)
        keys = 0

        def count(joining: bool) -> None:
            nonlocal keys
            keys += 1

        stage.forwarder.open(count)
        receiver = next(t.receiver for t in seated.browser.connection.getTransceivers() if t.kind == "video")
        (ssrc,) = receiver._RTCRtpReceiver__remote_streams
        async with asyncio.timeout(WITHIN_S):
            while not keys:
                await receiver._send_rtcp_pli(ssrc)
                await asyncio.sleep(0.2)
        await seated.go()


async def test_a_server_that_dies_takes_its_viewers_along_and_leaves_talkers_alone(server: Janus) -> None:
    async with playing(server) as stage:
        talker, seen = Feed(), []
        talker.face.send_to(lambda packet, late_s: seen.append(packet))
        talker.voice.send_to(lambda packet, late_s: None)
        stage.fan_out.add(talker)
        seated = Seated(stage.forwarder)
        await seated.join()
        await seated.browser.until(lambda b: len(b.pictures) > 5)
        server.stop()
        await seated.hears(GONE)
        assert seated.told.count(GONE) == 1
        assert stage.forwarder.stats().receivers == 0
        await seated.go()
        late = Seated(stage.forwarder)
        with pytest.raises(ForwarderGone, match="does not answer"):
            await late.join()
        await late.go()
        # The talker's pictures go on.
        before = len(seen)
        await asyncio.sleep(0.5)
        assert len(seen) > before
        # It is back: who comes next is served.
        server.start()
        again = Seated(stage.forwarder)
        await again.join()
        await again.browser.until(lambda b: len(b.pictures) > 5 and len(b.sounds) > 5)
        await again.go()
        talker.close()
