"""A whole conversation between two who reach nothing but a TURN server, with credentials made for this session."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from avatars.models import Avatar
from realtime.ice import ice_servers, worker_network
from realtime.rtc import Network, TurnServer
from realtime.rtc.network import NO_RELAY
from tests.realtime.test_worker import Page, imx, mona, working  # noqa: F401
from tests.rtc.browser import Browser
from tests.rtc.coturn import SECRET, Coturn, coturn, needs_coturn
from webapp.ice import read_url

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def turn(tmp_path: Path) -> Iterator[Coturn]:
    with coturn(tmp_path) as server:
        yield server


def browser_network(session: str) -> Network:
    """What a browser makes of the servers it is told, when it may use nothing but the relay."""
    (server,) = ice_servers(UUID(hex=session))
    url = read_url(server["urls"])
    return Network(
        turn=TurnServer(url.host, url.port, url.transport, False, server["username"], server["credential"]),
        relay_only=True,
    )


@needs_coturn
async def test_a_conversation_over_the_relay_alone(mona: Avatar, turn: Coturn, settings: Any) -> None:  # noqa: F811
    settings.ICE_SERVERS = [{"urls": f"turn:{turn.host}:{turn.port}"}]
    settings.TURN_SECRET, settings.MEDIA_ICE_POLICY = SECRET, "relay"
    async with working() as worker:
        page = Page(worker, mona.code)
        await page.open()
        browser = await page.call(Browser(browser_network(page.session)))
        for side in (browser.connection.localDescription.sdp, browser.connection.remoteDescription.sdp):
            assert "typ relay" in side
            assert "typ host" not in side
        browser.say(type="hello")
        await browser.until(lambda b: len(b.pictures) > 25 and [e for e in b.of_type("caption") if e["final"]])
        await browser.until(lambda b: b.loudness() > 0.2)
        await browser.close()
        await page.say("leave")
        assert (await page.ended()).reason == "left"


async def test_a_relay_that_is_gone_is_said_and_the_place_is_free_again(
    mona: Avatar,  # noqa: F811
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("realtime.rtc.network.ANSWER_WITHIN_S", 0.2)
    settings.ICE_SERVERS = [{"urls": "turn:127.0.0.1:9"}]
    settings.TURN_SECRET, settings.MEDIA_ICE_POLICY = SECRET, "relay"
    async with working() as worker:
        page, browser = Page(worker, mona.code), Browser()
        await page.open()
        await page.say("offer", sdp=await browser.offer())
        refused = await page.hear("refused")
        assert (refused["code"], refused["message"]) == ("unreachable", NO_RELAY)
        assert (await page.ended()).reason == "failed"
        assert worker.sessions == {}
        await browser.close()


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("direct", lambda n: (n.stun, n.turn, n.relay_only) == (None, None, False)),
        ("all", lambda n: (n.stun, n.turn.port, n.relay_only) == (("s.example", 3478), 3479, False)),
        ("relay", lambda n: (n.stun, n.turn.port, n.relay_only) == (None, 3479, True)),
    ],
)
def test_the_worker_uses_the_servers_that_its_policy_lets_it(
    settings: Any, policy: str, expected: Callable[[Network], bool]
) -> None:
    settings.ICE_SERVERS = [
        {"urls": ["turns:t.example?transport=udp", "stuns:s.example"]},
        {"urls": ["stun:s.example", "turn:t.example:3479?transport=tcp", "turn:t.example"]},
    ]
    settings.TURN_SECRET, settings.TURN_CREDENTIAL_S, settings.MEDIA_ICE_POLICY = SECRET, 600, policy
    settings.MEDIA_PORTS, settings.MEDIA_ADDRESSES = "50000-50099", ["203.0.113.7"]
    session = uuid4()
    network = worker_network(session)
    assert expected(network)
    assert (network.ports, network.announced) == (range(50_000, 50_100), ("203.0.113.7",))
    if network.turn:
        assert network.turn.transport == "tcp"
        until, name = network.turn.username.split(":")
        assert name == session.hex
        assert 590 <= int(until) - time.time() <= 600
