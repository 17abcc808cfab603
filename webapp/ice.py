"""How browsers and media workers find each other: STUN and TURN servers, addresses, ports. Pure functions of settings."""

import base64
import hmac
import ipaddress
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

# RFC 7064 and RFC 7065.
_URL: Final = re.compile(
    r"(?P<scheme>stuns?|turns?):(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?"
    r"(?:\?transport=(?P<transport>udp|tcp))?"
)
_PORTS: Final = re.compile(r"(\d+)\s*-\s*(\d+)")
LOWEST_PORT: Final = 1024
HIGHEST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class IceUrl:
    """A stun: or turn: address taken apart. transport: udp or tcp, between client and server."""

    scheme: str
    host: str
    port: int
    transport: str

    @property
    def relays(self) -> bool:
        """Whether it is a TURN server, which passes on what it is sent."""
        return self.scheme.startswith("turn")

    @property
    def encrypted(self) -> bool:
        """Whether it is spoken to over TLS (or DTLS)."""
        return self.scheme.endswith("s")

    @property
    def for_media_worker(self) -> bool:
        """Whether the media worker's ICE library can use it; browsers can use all of them."""
        if self.host.startswith("["):
            return False
        return self.scheme == "stun" or (self.relays and (self.transport == "tcp" or not self.encrypted))


def read_url(url: str) -> IceUrl:
    """Take an address apart. Raises `ValueError` where it is none."""
    match = _URL.fullmatch(url)
    if not match or not 1 <= int(match["port"] or 1) <= HIGHEST_PORT:
        raise ValueError(f"{url!r} is no stun: or turn: address.")
    encrypted = match["scheme"].endswith("s")
    return IceUrl(
        match["scheme"],
        match["host"],
        int(match["port"] or (5349 if encrypted else 3478)),
        match["transport"] or ("tcp" if encrypted else "udp"),
    )


def urls_of(servers: Iterable[Mapping[str, Any]]) -> list[str]:
    """Every address in a list of servers."""
    return [url for server in servers for url in _urls(server)]


def _urls(server: Mapping[str, Any]) -> list[str]:
    urls = server["urls"]
    return list(urls) if isinstance(urls, list) else [urls]


def parse_ice_servers(text: str, *, shared_secret: bool = False) -> list[dict[str, Any]]:
    """Read the `ICE_SERVERS` setting: addresses separated by commas, or a JSON list as browsers take it.

    shared_secret: TURN servers may stand without a username and credential, because each session is given its own.
    Raises `ValueError` with a sentence that says what is wrong with it.
    """
    if text.strip() and not text.lstrip().startswith(("[", "{")):
        servers: Any = [{"urls": url.strip()} for url in text.split(",") if url.strip()]
    else:
        try:
            servers = json.loads(text.strip() or "[]")
        except json.JSONDecodeError as error:
            raise ValueError(f"ICE_SERVERS is not JSON ({error}).") from error
    if not isinstance(servers, list):
        raise ValueError("ICE_SERVERS must be a JSON list of servers.")
    for server in servers:
        if not isinstance(server, dict) or "urls" not in server:
            raise ValueError('Each entry of ICE_SERVERS must be an object with "urls".')
        for url in _urls(server):
            try:
                relays = read_url(url).relays if isinstance(url, str) else False
            except ValueError as error:
                raise ValueError(f"ICE_SERVERS holds {url!r}, which is no stun: or turn: address.") from error
            if not isinstance(url, str):
                raise ValueError(f"ICE_SERVERS holds {url!r}, which is no stun: or turn: address.")
            if relays and not shared_secret and not ("username" in server and "credential" in server):
                raise ValueError(f"ICE_SERVERS gives no username and credential for {url}.")
    return servers


def turn_credentials(secret: str, name: str, until_s: int) -> tuple[str, str]:
    """Username and password that a TURN server with this shared secret takes until `until_s` (Unix time).

    The scheme is coturn's `use-auth-secret` (draft-uberti-behave-turn-rest-00): the username is "expiry:name", the password
    its HMAC-SHA1 with the secret, in base64.
    """
    username = f"{until_s}:{name}"
    digest = hmac.digest(secret.encode(), username.encode(), "sha1")
    return username, base64.b64encode(digest).decode()


def servers_for(servers: Sequence[Mapping[str, Any]], *, secret: str, name: str, until_s: int) -> list[dict[str, Any]]:
    """The servers with credentials of this name's own wherever TURN stands without any."""
    told = []
    for server in servers:
        entry = dict(server)
        if secret and "credential" not in entry and any(read_url(url).relays for url in _urls(entry)):
            entry["username"], entry["credential"] = turn_credentials(secret, name, until_s)
        told.append(entry)
    return told


def parse_ports(text: str) -> range | None:
    """Read `MEDIA_PORTS`: "50000-50199", or nothing for whichever the system chooses. Raises `ValueError` with a sentence."""
    if not text.strip():
        return None
    match = _PORTS.fullmatch(text.strip())
    if not match:
        raise ValueError(f"MEDIA_PORTS is {text!r}, which is no range of ports.")
    first, last = int(match[1]), int(match[2])
    if not LOWEST_PORT <= first <= last <= HIGHEST_PORT:
        raise ValueError(f"MEDIA_PORTS is {text!r}: the range has to lie between {LOWEST_PORT} and {HIGHEST_PORT}.")
    return range(first, last + 1)


def parse_addresses(texts: Iterable[str]) -> tuple[str, ...]:
    """Read `MEDIA_ADDRESSES`: IP addresses under which others reach the media worker. Raises `ValueError` with a sentence."""
    found = []
    for text in filter(None, (text.strip() for text in texts)):
        try:
            address = ipaddress.ip_address(text)
        except ValueError as error:
            raise ValueError(f"MEDIA_ADDRESSES holds {text!r}, which is no IP address.") from error
        if address.is_unspecified or address.is_multicast or address.is_loopback:
            raise ValueError(f"MEDIA_ADDRESSES holds {text}, which nobody else can reach.")
        found.append(str(address))
    return tuple(found)
