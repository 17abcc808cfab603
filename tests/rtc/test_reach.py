"""Asking STUN and TURN servers what they do, with every way in which they do not."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aioice.stun import Class, Message, Method

from realtime.rtc import reach
from realtime.rtc.network import TurnServer
from realtime.rtc.reach import ServerFault, ask_stun, ask_turn
from tests.rtc.coturn import SECRET, Coturn, coturn, free_port, needs_coturn
from webapp.ice import turn_credentials


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "PATIENCE_S", (0.3, 0.3, 0.6))


@pytest.fixture(scope="module")
def turn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with coturn(tmp_path_factory.mktemp("coturn")) as server:
        yield server


def signed(turn: Coturn, transport: str = "udp") -> TurnServer:
    return turn.server(*turn_credentials(SECRET, "doctor", int(time.time()) + 60), transport)


@needs_coturn
def test_a_stun_server_says_where_we_are(turn: Coturn) -> None:
    host, port = ask_stun(turn.host, turn.port)
    assert host == "127.0.0.1"
    assert port > 0


@needs_coturn
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_turn_server_gives_a_relay_and_takes_it_back(turn: Coturn, transport: str) -> None:
    server = signed(turn, transport)
    for _ in range(3):
        relay = ask_turn(server, ("127.0.0.1",))
        assert relay.relayed[0] == "127.0.0.1"
        assert relay.refused == ()


@needs_coturn
def test_wrong_credentials_are_told_from_a_server_that_is_not_there(turn: Coturn) -> None:
    with pytest.raises(ServerFault, match="refuses the credentials") as fault:
        ask_turn(replace(signed(turn), password="guessed"))
    assert "TURN_SECRET" in fault.value.remedy
    expired = turn_credentials(SECRET, "doctor", int(time.time()) - 10)
    with pytest.raises(ServerFault, match="refuses the credentials"):
        ask_turn(turn.server(*expired))


@needs_coturn
def test_the_documented_server_relays_to_media_workers_and_to_nobody_else(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text(encoding="utf-8")
    (configuration,) = re.findall(r"```conf\n(.*?)```", text, re.DOTALL)
    for not_here in ("cert=", "pkey=", "listening-port=", "tls-listening-port="):
        configuration = re.sub(rf"(?m)^{not_here}.*\n", "", configuration)
    file = tmp_path / "turnserver.conf"
    file.write_text(configuration.replace("CHANGE-ME", SECRET))
    with coturn(tmp_path, options=("--no-tls", "-c", str(file))) as server:
        peers = ("203.0.113.7", "10.0.0.5", "10.0.0.6", "192.168.1.1", "8.8.8.8")
        assert ask_turn(signed(server), peers).refused == ("10.0.0.6", "192.168.1.1", "8.8.8.8")
    assert "Bad configuration format" not in (tmp_path / "coturn.log").read_text(errors="replace")


@needs_coturn
def test_an_open_relay_is_told(tmp_path: Path) -> None:
    options = ("-n", "--no-tls", "--no-auth")
    with coturn(tmp_path, options=options, secret=False) as server, pytest.raises(ServerFault, match="for anybody"):
        ask_turn(signed(server))


# Servers that are none


def nobody(transport: str, *, tls: bool = False) -> TurnServer:
    return TurnServer("127.0.0.1", free_port(), transport, tls, "u", "p")


def test_a_port_that_nobody_listens_at() -> None:
    for transport, tls, words in (
        ("udp", False, r"over UDP does not answer"),
        ("tcp", False, r"over TCP refuses the connection"),
        ("tcp", True, r"over TLS refuses the connection"),
    ):
        server = nobody(transport, tls=tls)
        with pytest.raises(ServerFault, match=words) as fault:
            ask_turn(server)
        assert f"open port {server.port} for {transport.upper()}" in fault.value.remedy
    with pytest.raises(ServerFault, match="does not answer"):
        ask_stun("127.0.0.1", free_port())


def test_a_name_without_an_address() -> None:
    with pytest.raises(ServerFault, match=r"no address for the name nowhere\.invalid"):
        ask_stun("nowhere.invalid", 3478)


@contextmanager
def saying(reply: bytes) -> Iterator[TurnServer]:
    """A server over TCP that says this to whatever it hears, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(2048)
                connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        yield TurnServer("127.0.0.1", listener.getsockname()[1], "tcp", False, "u", "p")
        thread.join()


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 19, b"\0" * 300])
def test_something_else_at_the_port(reply: bytes) -> None:
    with saying(reply) as server, pytest.raises(ServerFault, match="does not answer"):
        ask_turn(server)


@needs_coturn
def test_a_relay_outlives_the_credentials_it_was_taken_with(turn: Coturn) -> None:
    with reach._Line(turn.host, turn.port, "udp", tls=False) as line:
        allocate = {"LIFETIME": 600, "REQUESTED-TRANSPORT": reach._UDP}
        challenge = line.ask(Message(Method.ALLOCATE, Class.REQUEST, attributes=dict(allocate)))
        until_s = int(time.time()) + 1
        line.sign_in(*turn_credentials(SECRET, "session", until_s), challenge)
        assert (
            line.ask(Message(Method.ALLOCATE, Class.REQUEST, attributes=dict(allocate))).message_class == Class.RESPONSE
        )
        time.sleep(until_s + 1.1 - time.time())
        assert (
            line.ask(Message(Method.REFRESH, Class.REQUEST, attributes={"LIFETIME": 600})).message_class
            == Class.RESPONSE
        )
