"""The media worker's side of the network: its own ports and addresses, and a relay where nothing else gets through.

The ICE library binds any free port, offers only the addresses this machine has, and keeps to itself why a TURN server gave
nothing. Here it is told better, by taking the place of one method on each connection; everything that is relied on for that
stands in this module, and tests/rtc/test_network.py fails where a new version of the library hides it.
"""

import asyncio
import errno
import ipaddress
import logging
import random
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import aioice.ice
from aioice import Candidate, stun
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import StunProtocol, server_reflexive_candidate
from aioice.turn import UDP_SOCKET_BUFFER_SIZE
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection
from aiortc.rtcconfiguration import RTCIceTransportPolicy

log = logging.getLogger(__name__)

# A server that is going to answer has done so by then; the visitor waits meanwhile.
ANSWER_WITHIN_S: Final = 3

# Half a second for the first answer, a second for the next: more than any conversation bears.
CONSENT_REPEATS: Final = 1

NO_PORT: Final = "The media worker has no network port left for another connection. Try again in a little while."
NO_RELAY: Final = (
    "The media worker may only be reached through its TURN server, and that does not answer it. "
    "Whoever runs this Parlo can find out why with: manage.py doctor"
)


class Unreachable(Exception):
    """There is no address under which a browser could reach this media worker; the message is a sentence for the visitor."""


@dataclass(frozen=True, slots=True)
class TurnServer:
    """A relay. transport: udp or tcp, between here and the server; tls: encrypted, over tcp."""

    host: str
    port: int
    transport: str
    tls: bool
    username: str
    password: str

    @property
    def url(self) -> str:
        """Its address as RFC 7065 writes it."""
        return f"turn{'s' if self.tls else ''}:{self.host}:{self.port}?transport={self.transport}"


@dataclass(frozen=True, slots=True)
class Network:
    """How a media worker meets browsers.

    ports: the UDP ports it may bind; None leaves the choice to the system.
    announced: IP addresses under which its ports are reached from outside, each port under its own number (a public address
        in front of NAT, the host of a container).
    stun: host and port of a server that is asked for the outside address.
    turn: a relay for where nothing else gets through.
    relay_only: nothing but the relay is offered.
    """

    ports: range | None = None
    announced: tuple[str, ...] = ()
    stun: tuple[str, int] | None = None
    turn: TurnServer | None = None
    relay_only: bool = False


def own_addresses() -> list[str]:
    """The IPv4 addresses of this machine that are offered to browsers."""
    return list(aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=False))


def new_connection(network: Network) -> RTCPeerConnection:
    """Make a peer connection for this network. Call `apply_network` on it before its candidates are gathered."""
    # Given even where it is empty: by default the library asks a public server for its address.
    servers = []
    if network.stun:
        servers.append(RTCIceServer(urls=[f"stun:{network.stun[0]}:{network.stun[1]}"]))
    if turn := network.turn:
        servers.append(RTCIceServer(urls=[turn.url], username=turn.username, credential=turn.password))
    policy = RTCIceTransportPolicy.RELAY if network.relay_only else RTCIceTransportPolicy.ALL
    return RTCPeerConnection(RTCConfiguration(iceServers=servers, iceTransportPolicy=policy))


def apply_network(network: Network, connection: RTCPeerConnection) -> None:
    """Let the connection gather its candidates as the network wants it; after the offer is set, before the answer is."""
    transports = [transceiver.sender.transport for transceiver in connection.getTransceivers()]
    if connection.sctp is not None:
        transports.append(connection.sctp.transport)
    found: set[Any] = {transport.transport.iceGatherer._connection for transport in transports}
    for ice in found:
        ice.get_component_candidates = _Gathering(network, ice).candidates


class _MediaProtocol(StunProtocol):
    """A socket whose packets of media are not looked at as if they could be STUN."""

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        if isinstance(data, bytes) and data and 128 <= data[0] < 192:
            self.receiver.data_received(data, self.local_candidate.component)
        else:
            super().datagram_received(data, addr)


def _asked_again(request: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """A way to ask the other end that asks again, and waits longer, where the library would ask once and wait half a second.

    It asks so every five seconds whether the other end is still there, and a visitor who is farther away would be given up.
    """

    async def asked(*arguments: Any, retransmissions: int | None = None, **named: Any) -> Any:
        times = CONSENT_REPEATS if retransmissions == 0 else retransmissions
        return await request(*arguments, retransmissions=times, **named)

    return asked


class _Gathering:
    """Finds the candidates of one ICE connection, in place of its own `get_component_candidates`."""

    def __init__(self, network: Network, ice: Any) -> None:
        self._network = network
        self._ice = ice
        # Given no addresses, the library's own method asks the TURN server and does nothing else.
        self._relayed = ice.get_component_candidates

    async def candidates(self, component: int, addresses: list[str]) -> list[Candidate]:
        """Return the candidates to offer. Raises `Unreachable` where there can be none."""
        protocols = [await self._bind(component, address) for address in addresses]
        bound = [protocol for protocol in protocols if protocol is not None]
        self._ice._protocols += bound
        if addresses and not bound:
            raise Unreachable(NO_PORT)
        relayed, *reflexive = await asyncio.gather(
            self._relayed(component, [], ANSWER_WITHIN_S), *(self._reflexive(protocol) for protocol in bound)
        )
        if self._network.turn and not relayed:
            log.warning("no relay was given by %s", self._network.turn.url)
            if self._network.relay_only:
                raise Unreachable(NO_RELAY)
        for protocol in self._ice._protocols:
            protocol.request = _asked_again(protocol.request)
        hosts = [protocol.local_candidate for protocol in bound]
        announced = [candidate for host in hosts for candidate in self._announced(host)]
        return [*hosts, *announced, *filter(None, reflexive), *relayed]

    async def _bind(self, component: int, address: str) -> StunProtocol | None:
        """Open a socket of this address; None where it cannot be used or its ports are taken."""
        ports = self._network.ports
        start = random.randrange(len(ports)) if ports else 0
        for port in (*ports[start:], *ports[:start]) if ports else (0,):
            try:
                transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
                    lambda: _MediaProtocol(self._ice), local_addr=(address, port)
                )
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue
                log.info("%s cannot be used: %s", address, error)
                return None
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_SOCKET_BUFFER_SIZE)
            host, port = transport.get_extra_info("sockname")[:2]
            protocol.local_candidate = Candidate(
                foundation=candidate_foundation("host", "udp", host),
                component=component,
                transport="udp",
                priority=candidate_priority(component, "host"),
                host=host,
                port=port,
                type="host",
            )
            return protocol
        log.warning(
            "every port of %s from %d to %d is in use", address, ports[0] if ports else 0, ports[-1] if ports else 0
        )
        return None

    def _announced(self, host: Candidate) -> list[Candidate]:
        """What stands in front of one of our addresses, as a STUN server would have told it."""
        version = ipaddress.ip_address(host.host).version
        return [
            Candidate(
                foundation=candidate_foundation("srflx", "udp", host.host),
                component=host.component,
                transport="udp",
                priority=candidate_priority(host.component, "srflx"),
                host=address,
                port=host.port,
                type="srflx",
                related_address=host.host,
                related_port=host.port,
            )
            for address in self._network.announced
            if address != host.host and ipaddress.ip_address(address).version == version
        ]

    async def _reflexive(self, protocol: StunProtocol) -> Candidate | None:
        """Ask the STUN server how this socket looks from outside; None where it does not answer."""
        # The library asks over IPv4 alone.
        if self._network.stun is None or ipaddress.ip_address(protocol.local_candidate.host).version != 4:
            return None
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                candidate, _ = await server_reflexive_candidate(protocol, self._network.stun)
        except (TimeoutError, OSError, stun.TransactionError):
            log.info("no answer from the STUN server %s", self._network.stun[0])
            return None
        return candidate
