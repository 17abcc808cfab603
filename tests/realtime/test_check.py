"""The connection check: what its page is told, and how its offers get to a media worker."""

import asyncio
from typing import Any

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client

from realtime import probes
from realtime.check_consumer import CHECKS_A_MINUTE
from realtime.consumers import CLOSE_TOO_MANY, LONGEST_SDP, NO_WORKER
from realtime.probes import BUSY
from realtime.routing import websocket_urlpatterns
from tests.realtime.signalling import WITHIN_S, FakeWorker
from tests.realtime.test_worker import working

pytestmark = pytest.mark.django_db(transaction=True)


class CheckSocket:
    """The WebSocket of one check."""

    def __init__(self) -> None:
        self._socket = WebsocketCommunicator(URLRouter(websocket_urlpatterns), "/ws/check/")

    async def connect(self) -> None:
        accepted, _ = await self._socket.connect(WITHIN_S)
        assert accepted

    async def hear(self) -> Any:
        return await self._socket.receive_json_from(WITHIN_S)

    async def say(self, **message: Any) -> None:
        await self._socket.send_json_to(message)

    async def go(self) -> None:
        await self._socket.disconnect(timeout=WITHIN_S)


async def offer() -> tuple[RTCPeerConnection, str]:
    page = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    page.createDataChannel("check")
    await page.setLocalDescription(await page.createOffer())
    return page, page.localDescription.sdp


def test_the_page_is_for_everybody_and_tells_no_secret(client: Client, settings: Any) -> None:
    settings.TURN_SECRET, settings.MEDIA_PORTS = "a secret that nobody guesses", "50000-50199"
    page = client.get("/check/")
    assert page.status_code == 200
    assert "50000-50199" in page.content.decode()
    assert settings.TURN_SECRET not in page.content.decode()


async def test_the_page_is_told_the_servers_and_its_offers_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ICE_SERVERS", [{"urls": "stun:s.example"}, {"urls": "turn:t.example"}])
    monkeypatch.setattr(settings, "TURN_SECRET", "a secret that nobody guesses")
    worker, page = FakeWorker(capacity=0), CheckSocket()
    await page.connect()
    told = await page.hear()
    assert told["type"] == "servers"
    assert told["ice_policy"] == "all"
    assert told["ice_servers"][0] == {"urls": "stun:s.example"}
    assert told["ice_servers"][1].keys() == {"urls", "username", "credential"}
    await page.say(type="probe", name="direct", sdp="v=0 the offer")
    asked = await worker.told("probe")
    assert asked["sdp"] == "v=0 the offer"
    await worker.say(asked, "answer", sdp="v=0 the answer")
    assert await page.hear() == {"type": "answer", "name": "direct", "sdp": "v=0 the answer"}
    await page.say(type="probe", name="relay", sdp="v=0")
    await worker.say(await worker.told("probe"), "refused", code="offer", message=BUSY)
    assert await page.hear() == {"type": "error", "name": "relay", "code": "offer", "message": BUSY}
    await page.go()


async def test_what_is_no_probe_is_ignored() -> None:
    worker, page = FakeWorker(), CheckSocket()
    await page.connect()
    await page.hear()
    for junk in ({}, {"type": "probe"}, {"type": "probe", "name": 1, "sdp": "x"}, {"type": "open"}):
        await page.say(**junk)
    await page.say(type="probe", name="x", sdp="x" * (LONGEST_SDP + 1))
    await page.say(type="probe", name="x" * 200, sdp="x")
    await page.say(type="probe", name="good", sdp="x")
    assert (await worker.told("probe"))["sdp"] == "x"
    assert worker.untold
    await page.go()


async def test_without_a_media_worker_it_says_so() -> None:
    page = CheckSocket()
    await page.connect()
    await page.hear()
    await page.say(type="probe", name="direct", sdp="x")
    assert await page.hear() == {"type": "error", "name": "direct", "code": "no_worker", "message": NO_WORKER}
    await page.go()


async def test_nobody_checks_all_the_time() -> None:
    for _ in range(CHECKS_A_MINUTE):
        page = CheckSocket()
        await page.connect()
        await page.hear()
        await page.go()
    page = CheckSocket()
    await page.connect()
    assert (await page._socket.receive_output(WITHIN_S)) == {"type": "websocket.close", "code": CLOSE_TOO_MANY}


async def test_a_worker_answers_a_few_at_a_time_and_ends_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "MOST_PROBES", 1)
    pages = []
    async with working() as worker:

        async def ask(probe: str) -> Any:
            page, sdp = await offer()
            pages.append(page)
            message = {"type": "probe", "session": probe * 32, "reply": "page.check", "sdp": sdp}
            await get_channel_layer().send(worker.channel, message)
            async with asyncio.timeout(WITHIN_S):
                return await get_channel_layer().receive("page.check")

        answered = await ask("a")
        assert (answered["type"], answered["session"]) == ("media.answer", "a" * 32)
        assert "m=application" in answered["sdp"]
        refused = await ask("b")
        assert (refused["type"], refused["message"]) == ("media.refused", BUSY)
        for page in pages:
            await page.close()
