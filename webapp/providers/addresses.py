"""Which addresses a provider may have."""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

_EMBEDS_IPV4: Final = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the internet at large, whatever it is wrapped in."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo or (None, None))[1]
        if inner is None and ip in _EMBEDS_IPV4:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def origin(url: str) -> tuple[str, str, int | None]:
    """Return what a key belongs to: scheme, host and port of an address."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port


def wrong_with(url: str, *, public_only: bool, schemes: tuple[str, ...] = ("https", "http")) -> str:
    """Return what is wrong with an address in a sentence, "" where nothing is.

    What its name leads to is looked at when it is connected to, every time.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "This is no web address."
    if parts.scheme not in schemes or not host:
        return f"Write an address such as {schemes[0]}://api.example.org/v1."
    if parts.username or parts.password or parts.query or parts.fragment:
        return "Leave names, keys and anything after a question mark out of the address; the key has its own field."
    if any(letter.isspace() or ord(letter) < 32 for letter in url):
        return "An address holds no spaces."
    if not public_only:
        return ""
    if parts.scheme != schemes[0]:
        return f"The address must begin with {schemes[0]}://, so that the key stays secret on its way."
    try:
        inside = not is_public(host)
    except ValueError:
        inside = "." not in host or host.rstrip(".").endswith(
            (".localhost", ".local", ".internal", ".lan", ".home.arpa")
        )
    if inside:
        return (
            "This address lies inside the network of this server, which avatars may not reach."
            " Whoever runs this site can allow it with CREATOR_PROVIDERS=any."
        )
    return ""
