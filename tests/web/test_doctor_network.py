"""What the doctor says of STUN, TURN and the media worker's ports."""

import asyncio
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from realtime.rtc import network, reach
from tests.rtc.coturn import SECRET, Coturn, coturn, free_port, needs_coturn
from tests.rtc.fake_janus import fake_janus
from webapp import doctor
from webapp.doctor import Finding


@pytest.fixture(scope="module")
def turn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    folder = tmp_path_factory.mktemp("coturn")
    (folder / "turnserver.conf").write_text("denied-peer-ip=0.0.0.0-255.255.255.255\nallowed-peer-ip=10.9.8.7\n")
    with coturn(folder, options=("--no-tls", "-c", str(folder / "turnserver.conf"))) as server:
        yield server


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "PATIENCE_S", (0.3, 0.3, 0.6))


def found(
    settings: Any, *urls: str, own: tuple[str, ...] = ("10.9.8.7",), monkeypatch: pytest.MonkeyPatch
) -> list[Finding]:
    monkeypatch.setattr(network, "own_addresses", lambda: list(own))
    settings.ICE_SERVERS = [{"urls": list(urls)}] if urls else []
    return list(doctor.ice_servers())


def test_without_servers_it_says_for_whom_that_is_enough(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = found(settings, monkeypatch=monkeypatch)
    assert finding.ok
    assert "not for visitors whose network lets no UDP through" in finding.message


@needs_coturn
def test_servers_that_work(settings: Any, turn: Coturn, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.TURN_SECRET = SECRET
    at = f"{turn.host}:{turn.port}"
    findings = found(settings, f"stun:{at}", f"turn:{at}", f"turn:{at}?transport=tcp", monkeypatch=monkeypatch)
    assert [finding.ok for finding in findings] == [True, True, True]
    assert "sees this machine as 127.0.0.1" in findings[0].message
    assert f"turn:{at}?transport=tcp gives a relay at 127.0.0.1 and passes packets on" in findings[2].message


@pytest.mark.parametrize(
    ("outside", "words"),
    [
        ("10.9.8.7", "which is its own address."),
        ("203.0.113.7", "which is announced."),
        ("203.0.113.8", "write MEDIA_ADDRESSES=203.0.113.8"),
        ("127.0.0.1", "it runs on this machine"),
    ],
)
def test_what_stun_tells_is_compared(settings: Any, monkeypatch: pytest.MonkeyPatch, outside: str, words: str) -> None:
    settings.MEDIA_ADDRESSES = ["203.0.113.7"]
    monkeypatch.setattr(reach, "ask_stun", lambda host, port: (outside, 9))
    (finding,) = found(settings, "stun:s.example", monkeypatch=monkeypatch)
    assert finding.ok
    assert words in finding.message


@needs_coturn
def test_servers_that_do_not(settings: Any, turn: Coturn, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"turn:{turn.host}:{turn.port}"
    settings.TURN_SECRET = "another secret, just as long"
    (refused,) = found(settings, url, monkeypatch=monkeypatch)
    assert not refused.ok
    assert "refuses the credentials" in refused.message
    assert "clocks" in refused.remedy
    settings.TURN_SECRET = SECRET
    (closed,) = found(settings, url, own=("10.9.8.1",), monkeypatch=monkeypatch)
    assert not closed.ok
    assert "passes nothing on to this machine (10.9.8.1)" in closed.message
    assert "allowed-peer-ip=10.9.8.1" in closed.remedy
    port = free_port()
    (dead,) = found(settings, f"turn:127.0.0.1:{port}", monkeypatch=monkeypatch)
    assert not dead.ok
    assert f"open port {port} for UDP" in dead.remedy
    assert SECRET not in "".join(f"{one.message}{one.remedy}" for one in (refused, closed, dead))


def test_what_only_browsers_can_ask_is_left_to_them(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.TURN_SECRET = SECRET
    findings = found(settings, "stuns:s.example", "turns:t.example?transport=udp", monkeypatch=monkeypatch)
    assert [finding.ok for finding in findings] == [True, True]
    assert all("/check/" in finding.message for finding in findings)


def test_ports_that_others_hold(settings: Any) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("", 0))
        port = holder.getsockname()[1]
        settings.MEDIA_PORTS, settings.MEDIA_ADDRESSES = f"{port}-{port}", ["203.0.113.7"]
        ports, addresses = doctor.media_network()
        assert (ports.ok, ports.message) == (False, f"0 of 1 UDP ports from {port} to {port} are free.")
        assert "203.0.113.7" in addresses.message
    assert next(iter(doctor.media_network())).ok


async def test_a_janus_is_tried_out(settings: Any) -> None:
    look = partial(asyncio.to_thread, lambda: list(doctor.janus()))
    assert await look() == []
    async with fake_janus() as server:
        settings.JANUS_URL, settings.JANUS_API_SECRET = server.server.url, server.server.api_secret
        settings.JANUS_ADMIN_KEY = server.server.admin_key
        (finding,) = await look()
        assert finding.ok
        assert server.asked("destroy")
        assert server.mountpoints == {}
        settings.JANUS_ADMIN_KEY = "wrong"
        (finding,) = await look()
        assert not finding.ok
        assert "wrong admin_key" in finding.message
    (finding,) = await look()
    assert not finding.ok
    assert "no connection to ws://127.0.0.1" in finding.message
