"""STUN, TURN, addresses and ports: what is read, what is refused in words, and the credentials that are made."""

import base64
import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.ice import (
    IceUrl,
    parse_addresses,
    parse_ice_servers,
    parse_ports,
    read_url,
    servers_for,
    turn_credentials,
    urls_of,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", "not JSON"),
        ("{}", "JSON list"),
        ("[1]", 'with "urls"'),
        ('[{"urls":"http://x"}]', "no stun: or turn: address"),
        ('[{"urls":[7]}]', "no stun: or turn: address"),
        ('[{"urls":"turn:x"}]', "username and credential"),
        ("turn:x", "username and credential"),
        ("example.org", "no stun: or turn: address"),
        ("stun:", "no stun: or turn: address"),
        ("stun:x:0", "no stun: or turn: address"),
        ("stun:x:70000", "no stun: or turn: address"),
        ("turn:x?transport=sctp", "no stun: or turn: address"),
    ],
)
def test_bad_ice_servers_are_told(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_ice_servers(text)


def test_good_ice_servers_are_read() -> None:
    assert parse_ice_servers("") == []
    servers = [{"urls": ["stun:a", "turns:b"], "username": "u", "credential": "c"}]
    assert parse_ice_servers('[{"urls":["stun:a","turns:b"],"username":"u","credential":"c"}]') == servers
    short = parse_ice_servers("stun:a:3478, turn:a?transport=tcp,", shared_secret=True)
    assert short == [{"urls": "stun:a:3478"}, {"urls": "turn:a?transport=tcp"}]
    assert urls_of([*servers, *short]) == ["stun:a", "turns:b", "stun:a:3478", "turn:a?transport=tcp"]


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("stun:a.example", IceUrl("stun", "a.example", 3478, "udp")),
        ("turn:a.example:99?transport=tcp", IceUrl("turn", "a.example", 99, "tcp")),
        ("turns:a.example", IceUrl("turns", "a.example", 5349, "tcp")),
        ("turns:a.example:443?transport=udp", IceUrl("turns", "a.example", 443, "udp")),
        ("turn:[2001:db8::7]:3479", IceUrl("turn", "[2001:db8::7]", 3479, "udp")),
    ],
)
def test_an_address_is_taken_apart(url: str, parts: IceUrl) -> None:
    assert read_url(url) == parts


def test_credentials_are_what_a_turn_server_with_the_secret_computes() -> None:
    username, password = turn_credentials("north", "a1b2", 1_700_000_000)
    assert username == "1700000000:a1b2"
    assert base64.b64decode(password) == hmac.new(b"north", username.encode(), hashlib.sha1).digest()


def test_each_session_has_credentials_of_its_own() -> None:
    servers = parse_ice_servers(
        '[{"urls":"stun:a"},{"urls":["turn:a"]},{"urls":"turn:b","username":"u","credential":"c"}]', shared_secret=True
    )

    def told(name: str, secret: str = "north") -> list[dict[str, Any]]:
        return servers_for(servers, secret=secret, name=name, until_s=1_700_000_000)

    stun, made, given_by_hand = told("one")
    assert stun == {"urls": "stun:a"}
    assert (made["username"], made["credential"]) == turn_credentials("north", "one", 1_700_000_000)
    assert given_by_hand == servers[2]
    assert told("two")[1]["credential"] != made["credential"]
    assert told("one", secret="south")[1]["credential"] != made["credential"]
    assert "credential" not in servers[1]


@pytest.mark.parametrize(
    "text", ["50000", "a-b", "50000-", "40000-30000", "80-90", "60000-70000", "-1-5", "1024-1030-1040"]
)
def test_bad_ports_are_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"^MEDIA_PORTS is .*\.$"):
        parse_ports(text)


@given(st.integers(1024, 65535), st.integers(0, 500))
def test_ports_are_read_with_both_ends(first: int, more: int) -> None:
    last = min(65535, first + more)
    ports = parse_ports(f" {first} - {last} ")
    assert ports is not None
    assert (ports[0], ports[-1]) == (first, last)
    assert parse_ports("") is None


@pytest.mark.parametrize(
    "text", ["talk.example.org", "300.1.1.1", "0.0.0.0", "127.0.0.1", "::", "224.0.0.1", "10.0.0.0/8"]
)
def test_bad_addresses_are_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"^MEDIA_ADDRESSES holds .*\.$"):
        parse_addresses([text])


def test_good_addresses_are_read() -> None:
    assert parse_addresses([" 203.0.113.7", "", "2001:DB8::7 "]) == ("203.0.113.7", "2001:db8::7")
