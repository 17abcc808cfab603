"""A connection that only echoes: what it answers, what it refuses, how it ends."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from realtime.rtc import Network, OfferRefused, Probe
from realtime.rtc.probe import LONGEST_ECHO, MOST_ECHOES
from tests.rtc.browser import Browser


@asynccontextmanager
async def probing() -> AsyncIterator[tuple[Probe, RTCPeerConnection]]:
    probe, page = Probe(Network()), RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        yield probe, page
    finally:
        await page.close()
        await probe.close()


async def test_what_is_sent_comes_back_within_limits_and_the_end_is_noticed() -> None:
    async with probing() as (probe, page), asyncio.timeout(20):
        channel = page.createDataChannel("check")
        opened, heard = asyncio.Event(), asyncio.Queue[str]()
        channel.on("open", opened.set)
        channel.on("message", heard.put_nowait)
        await page.setLocalDescription(await page.createOffer())
        sdp = await probe.answer(page.localDescription.sdp)
        await page.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="answer"))
        await opened.wait()
        channel.send("x" * (LONGEST_ECHO + 1))
        for number in range(MOST_ECHOES + 5):
            channel.send(str(number))
        assert [await heard.get() for _ in range(MOST_ECHOES - 1)] == [str(number) for number in range(MOST_ECHOES - 1)]
        assert not probe.ended.is_set()
        await page.close()
        await probe.ended.wait()
        assert heard.empty()


async def test_a_browser_without_an_address_of_its_own_is_still_answered_with_ours() -> None:
    async with probing() as (probe, page):
        page.createDataChannel("check")
        await page.setLocalDescription(await page.createOffer())
        without = re.sub(r"a=candidate:.*\r\n", "", page.localDescription.sdp)
        assert "a=end-of-candidates" in without
        assert "typ host" in await probe.answer(without)


@pytest.mark.parametrize("sdp", ["", "garbage", "v=0\r\n"])
async def test_nonsense_is_refused(sdp: str) -> None:
    async with probing() as (probe, _):
        with pytest.raises(OfferRefused, match=r"^The browser's offer .*\.$"):
            await probe.answer(sdp)


async def test_nobody_gets_sound_and_picture_this_way() -> None:
    browser = Browser()
    async with probing() as (probe, _):
        with pytest.raises(OfferRefused, match="a data channel alone"):
            await probe.answer(await browser.offer())
    await browser.close()
