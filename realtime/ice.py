"""What one session is told of the network: its browser, and its media worker. TURN credentials are made for it alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings

from webapp.ice import parse_addresses, parse_ports, read_url, servers_for, urls_of

if TYPE_CHECKING:
    from realtime.rtc import Network


def ice_servers(session: UUID) -> list[dict[str, Any]]:
    """The STUN and TURN servers as browsers take them, with credentials that end `TURN_CREDENTIAL_S` from now."""
    return servers_for(
        settings.ICE_SERVERS,
        secret=settings.TURN_SECRET,
        name=session.hex,
        until_s=int(time.time()) + settings.TURN_CREDENTIAL_S,
    )


def worker_network(session: UUID) -> Network:
    """How the media worker meets this session's browser: by its own addresses, and as `MEDIA_ICE_POLICY` says."""
    # Only a media worker has use for it: the web process, which tells browsers of the servers, stays without WebRTC.
    from realtime.rtc import Network, TurnServer

    ports, announced = parse_ports(settings.MEDIA_PORTS), parse_addresses(settings.MEDIA_ADDRESSES)
    if settings.MEDIA_ICE_POLICY == "direct":
        return Network(ports, announced)
    stun, turn = None, None
    for server in ice_servers(session):
        for url in map(read_url, urls_of([server])):
            # The library takes one of each: the first.
            if url.for_media_worker and url.relays and turn is None:
                turn = TurnServer(
                    url.host, url.port, url.transport, url.encrypted, server["username"], server["credential"]
                )
            elif url.for_media_worker and not url.relays and stun is None:
                stun = url.host, url.port
    relay_only = settings.MEDIA_ICE_POLICY == "relay"
    return Network(ports, announced, None if relay_only else stun, turn, relay_only)
