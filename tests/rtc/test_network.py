"""Where a media worker can be reached: its ports, its announced addresses, its relay; and in words when it cannot."""

import asyncio
import inspect
import re
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import aioice.ice
import aioice.stun
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from realtime.rtc import Feed, Network, Peer, TurnServer, Unreachable
from realtime.rtc import network as network_module
from realtime.rtc.network import CONSENT_REPEATS, NO_PORT, NO_RELAY
from realtime.rtc.reach import ServerFault, ask_turn
from tests.rtc.browser import Browser
from tests.rtc.coturn import SECRET, Coturn, coturn, needs_coturn
from tests.rtc.test_peer import Listener
from webapp.certificate import CertificateFiles, ensure_certificate
from webapp.ice import turn_credentials

NOWHERE = TurnServer("127.0.0.1", 9, "udp", False, "nobody", "nothing")


@pytest.fixture(autouse=True)
def _one_address(_loopback: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


@asynccontextmanager
async def answered(
    network: Network, browser: Browser | None = None
) -> AsyncIterator[tuple[list[dict[str, Any]], Browser]]:
    """The candidates that a peer in this network offers, and the browser they are offered to."""
    peer, browser = Peer(Feed(), Listener(), network), browser or Browser()
    try:
        answer = await peer.answer(await browser.offer())
        await browser.take(answer)
        # Each section of a description repeats them.
        lines = dict.fromkeys(re.findall(r"a=candidate:(.*)\r\n", answer))
        yield [read(line) for line in lines], browser
    finally:
        await peer.close()
        await browser.close()


def read(line: str) -> dict[str, Any]:
    """One candidate line, taken apart."""
    words = line.split()
    named = dict(zip(words[6::2], words[7::2], strict=True))
    return {
        "host": words[4],
        "port": int(words[5]),
        "type": named["typ"],
        "base": (named.get("raddr"), named.get("rport")),
    }


def free_range(size: int) -> range:
    """Ports that nobody has at the moment, in a row."""
    for first in range(42_000, 48_000, 10):
        with suppress(OSError):
            for port in range(first, first + size):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                    probe.bind(("127.0.0.1", port))
            return range(first, first + size)
    raise RuntimeError("this machine has no free ports")


# What is relied on


async def test_the_library_still_has_what_is_replaced() -> None:
    untouched = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    ice: Any = untouched.addTransceiver("audio").sender.transport.transport.iceGatherer._connection
    asked = inspect.signature(ice.get_component_candidates)
    assert list(asked.parameters) == ["component", "addresses", "timeout"]
    assert ice._protocols == []
    # Called as it is called here, it opens nothing of its own.
    assert await ice.get_component_candidates(1, [], 1) == []
    assert ice._protocols == []
    await untouched.close()


# Ports and addresses


async def test_ports_are_taken_from_the_range_and_given_back() -> None:
    ports = free_range(3)
    for _ in range(3):
        async with answered(Network(ports=ports)) as (candidates, browser):
            assert {candidate["type"] for candidate in candidates} == {"host"}
            assert all(candidate["port"] in ports for candidate in candidates)
            await browser.connected()


async def test_where_a_port_is_taken_the_next_one_serves() -> None:
    ports = free_range(3)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last,
    ):
        first.bind(("127.0.0.1", ports[0]))
        last.bind(("127.0.0.1", ports[2]))
        for _ in range(4):
            async with answered(Network(ports=ports)) as (candidates, _):
                assert [candidate["port"] for candidate in candidates] == [ports[1]]


async def test_no_port_left_is_said_in_words() -> None:
    ports = free_range(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", ports[0]))
        with pytest.raises(Unreachable, match=re.escape(NO_PORT)):
            async with answered(Network(ports=ports)):
                pass


async def test_announced_addresses_are_offered_with_the_same_port() -> None:
    announced = ("203.0.113.7", "2001:db8::7", "127.0.0.1")
    async with answered(Network(announced=announced)) as (candidates, browser):
        (own,) = [candidate for candidate in candidates if candidate["type"] == "host"]
        (outside,) = [candidate for candidate in candidates if candidate["type"] == "srflx"]
        assert (outside["host"], outside["port"]) == ("203.0.113.7", own["port"])
        assert outside["base"] == (own["host"], str(own["port"]))
        await browser.connected()


# Servers that do not answer


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_module, "ANSWER_WITHIN_S", 0.2)


@pytest.mark.usefixtures("impatient")
async def test_dead_servers_leave_the_own_addresses(caplog: pytest.LogCaptureFixture) -> None:
    async with answered(Network(stun=("127.0.0.1", 9), turn=NOWHERE)) as (candidates, browser):
        assert [candidate["type"] for candidate in candidates] == ["host"]
        await browser.connected()
    assert "no relay was given by turn:127.0.0.1:9?transport=udp" in caplog.text
    assert "nothing" not in caplog.text


@pytest.mark.usefixtures("impatient")
async def test_a_worker_that_may_only_be_relayed_says_that_it_cannot() -> None:
    with pytest.raises(Unreachable, match=re.escape(NO_RELAY)):
        async with answered(Network(turn=NOWHERE, relay_only=True)):
            pass


# A real TURN server


@pytest.fixture(scope="module")
def turn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with coturn(tmp_path_factory.mktemp("coturn")) as server:
        yield server


def credentials(in_s: int = 60) -> tuple[str, str]:
    """Credentials that end so many seconds from now."""
    return turn_credentials(SECRET, "session", int(time.time()) + in_s)


@needs_coturn
async def test_stun_tells_the_outside_address(turn: Coturn) -> None:
    async with answered(Network(stun=(turn.host, turn.port))) as (candidates, browser):
        assert sorted(candidate["type"] for candidate in candidates) == ["host", "srflx"]
        await browser.connected()


@needs_coturn
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_call_between_two_who_only_reach_the_relay(turn: Coturn, transport: str) -> None:
    relay = Network(turn=turn.server(*credentials(), transport), relay_only=True)
    async with answered(relay, Browser(relay)) as (candidates, browser):
        assert {candidate["type"] for candidate in candidates} == {"relay"}
        assert "typ host" not in browser.connection.localDescription.sdp
        await browser.connected()


@needs_coturn
async def test_a_relay_stands_beside_the_own_addresses(turn: Coturn) -> None:
    async with answered(Network(turn=turn.server(*credentials()))) as (candidates, browser):
        assert sorted(candidate["type"] for candidate in candidates) == ["host", "relay"]
        await browser.connected()


@needs_coturn
@pytest.mark.parametrize("fault", ["expired", "wrong"])
async def test_credentials_that_are_refused_give_no_relay(turn: Coturn, fault: str) -> None:
    server = turn.server(*credentials(in_s=-10 if fault == "expired" else 60))
    if fault == "wrong":
        server = replace(server, password="guessed")
    with pytest.raises(Unreachable, match=re.escape(NO_RELAY)):
        async with answered(Network(turn=server, relay_only=True)):
            pass


@needs_coturn
async def test_a_call_over_tls_where_the_certificate_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = CertificateFiles(tmp_path / "tls")
    ensure_certificate(files, ["127.0.0.1"])
    with coturn(tmp_path, options=("-n", f"--cert={files.certificate}", f"--pkey={files.key}")) as server:
        turn = server.server(*credentials(), "tcp", tls=True)
        with pytest.raises(ServerFault, match=r"certificate of 127\.0\.0\.1:\d+ is not accepted: .*issuer"):
            ask_turn(turn)
        monkeypatch.setenv("SSL_CERT_FILE", str(files.authority))
        assert ask_turn(turn).relayed[0] == "127.0.0.1"
        relay = Network(turn=turn, relay_only=True)
        async with answered(relay, Browser(relay)) as (candidates, browser):
            assert {candidate["type"] for candidate in candidates} == {"relay"}
            await browser.connected()


async def test_a_visitor_who_is_far_away_is_given_the_time_to_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: asyncio.Queue[int | None] = asyncio.Queue()

    class Noted(aioice.stun.Transaction):
        def __init__(self, *arguments: Any, retransmissions: int | None = None, **named: Any) -> None:
            asked.put_nowait(retransmissions)
            super().__init__(*arguments, retransmissions=retransmissions, **named)

    monkeypatch.setattr(aioice.stun, "Transaction", Noted)
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.01)
    peer, browser = Peer(Feed(), Listener(), Network()), Browser()
    try:
        await browser.take(await peer.answer(await browser.offer()))
        await browser.connected()
        # The browser's side is the library as it is: it asks once.
        theirs = browser.connection.sctp.transport.transport._connection
        theirs._query_consent_task.cancel()
        while not asked.empty():
            asked.get_nowait()
        async with asyncio.timeout(10):
            assert {await asked.get() for _ in range(3)} == {CONSENT_REPEATS}
    finally:
        await peer.close()
        await browser.close()
