"""Reaching a browser on the same machine when there is no network.

The ICE library leaves 127.0.0.1 out of the addresses it offers. That is right on any machine with a network, and leaves
nothing to offer on one without.
"""

import aioice.ice

LOOPBACK = "127.0.0.1"
_network_addresses = aioice.ice.get_host_addresses


def offer_loopback(always: bool) -> None:
    """Offer 127.0.0.1 too: always, or only where there is no other address. Affects every later connection."""

    def addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        found = _network_addresses(use_ipv4, use_ipv6)
        return [*found, LOOPBACK] if use_ipv4 and (always or not found) else found

    aioice.ice.get_host_addresses = addresses
