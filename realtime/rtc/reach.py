"""Asking a STUN or TURN server step by step, so that what is wrong with it can be said in words. Blocks while it asks.

The ICE library gives up on a server without a reason: wrong credentials, a closed port and a bad certificate look alike there.
"""

import hashlib
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from aioice.stun import HEADER_LENGTH, Class, Message, Method, parse_message

from realtime.rtc.network import TurnServer

# Waits for an answer over UDP, each after sending once more (RFC 8489 section 6.2.1 doubles from 0.5 s).
PATIENCE_S: Final = (0.5, 1.0, 1.5)
CONNECT_WITHIN_S: Final = 3.0
_UDP: Final = 17 << 24
_LIFETIME_S: Final = 60
_UNAUTHORIZED, _FORBIDDEN = 401, 403
Address = tuple[str, int]


class ServerFault(Exception):
    """The server is of no use from here. The message is a sentence, `remedy` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def ask_stun(host: str, port: int) -> Address:
    """Return the address under which the server sees this machine. Raises `ServerFault`."""
    with _Line(host, port, "udp", tls=False) as line:
        answer = line.ask(Message(Method.BINDING, Class.REQUEST))
    mapped = answer.attributes.get("XOR-MAPPED-ADDRESS") or answer.attributes.get("MAPPED-ADDRESS")
    if mapped is None:
        raise ServerFault(f"{host}:{port} answers, but not as a STUN server.", "Check the address in ICE_SERVERS.")
    return str(mapped[0]), int(mapped[1])


@dataclass(frozen=True, slots=True)
class Relay:
    """What a TURN server gave. refused: those of the peers asked for to which it does not pass on packets."""

    relayed: Address
    refused: tuple[str, ...]


def ask_turn(server: TurnServer, peers: tuple[str, ...] = ()) -> Relay:
    """Take a relay address, ask whether it passes on packets to these IP addresses, and give it back. Raises `ServerFault`."""
    with _Line(server.host, server.port, server.transport, tls=server.tls) as line:
        request = Message(Method.ALLOCATE, Class.REQUEST, attributes={"REQUESTED-TRANSPORT": _UDP})
        answer = line.ask(request)
        if answer.message_class == Class.RESPONSE:
            raise ServerFault(
                f"{server.url} relays for anybody, without a password.",
                "Give it use-auth-secret and a static-auth-secret, as docs/deploy.md shows.",
            )
        if answer.error_code != _UNAUTHORIZED or "REALM" not in answer.attributes:
            raise _refused(server, answer)
        line.sign_in(server.username, server.password, answer)
        answer = line.ask(
            Message(Method.ALLOCATE, Class.REQUEST, attributes={"LIFETIME": _LIFETIME_S, "REQUESTED-TRANSPORT": _UDP})
        )
        if answer.message_class != Class.RESPONSE or "XOR-RELAYED-ADDRESS" not in answer.attributes:
            raise _refused(server, answer)
        host, port = answer.attributes["XOR-RELAYED-ADDRESS"]
        try:
            version = ipaddress.ip_address(host).version
            asked = [peer for peer in peers if ipaddress.ip_address(peer).version == version]
            refused = tuple(peer for peer in asked if not line.may_reach(peer))
        finally:
            line.ask(Message(Method.REFRESH, Class.REQUEST, attributes={"LIFETIME": 0}))
    return Relay((str(host), int(port)), refused)


def _refused(server: TurnServer, answer: Message) -> ServerFault:
    match answer.error_code:
        case 401:
            return ServerFault(
                f"{server.url} answers, and refuses the credentials.",
                "TURN_SECRET must be the server's static-auth-secret, and the clocks of both machines must agree; "
                "with fixed credentials, check username and credential in ICE_SERVERS.",
            )
        case 403:
            return ServerFault(f"{server.url} answers, and forbids this machine to use it.", "Check its own settings.")
        case 486 | 508:
            return ServerFault(
                f"{server.url} answers, and has no relay left to give.",
                "Give it more ports (min-port, max-port) or a higher user-quota and total-quota.",
            )
        case _:
            code, reason = answer.attributes.get("ERROR-CODE", (0, "no reason given"))
            words = str(reason).rstrip("\0")
            return ServerFault(f"{server.url} answers, and gives no relay ({code} {words}).", "Look into its log.")


class _Line:
    """A connection to a server, over which one question is asked at a time."""

    def __init__(self, host: str, port: int, transport: str, *, tls: bool) -> None:
        self._name = f"{host}:{port}"
        self._where = f"{self._name} over {'TLS' if tls else transport.upper()}"
        self._datagrams = transport == "udp"
        self._protocol = "UDP" if self._datagrams else "TCP"
        self._port = port
        self._credentials: dict[str, Any] = {}
        self._key = b""
        self._socket = self._open(host, port, tls=tls)

    def _open(self, host: str, port: int, *, tls: bool) -> socket.socket:
        try:
            kind = socket.SOCK_DGRAM if self._datagrams else socket.SOCK_STREAM
            family, _, _, _, address = socket.getaddrinfo(host, port, type=kind)[0]
        except OSError as error:
            raise ServerFault(
                f"There is no address for the name {host}.", "Check the name in ICE_SERVERS, and DNS."
            ) from error
        line = socket.socket(family, kind)
        try:
            line.settimeout(CONNECT_WITHIN_S)
            line.connect(address)
            return ssl.create_default_context().wrap_socket(line, server_hostname=host) if tls else line
        except ssl.SSLError as error:
            line.close()
            reason = getattr(error, "verify_message", "") or error.reason or str(error)
            raise ServerFault(
                f"The certificate of {self._name} is not accepted: {reason}.",
                "Give the TURN server a certificate for this name from an authority that browsers trust (cert, pkey).",
            ) from error
        except OSError as error:
            line.close()
            why = "refuses the connection" if isinstance(error, ConnectionRefusedError) else "does not answer"
            raise ServerFault(f"{self._where} {why}.", self._open_up()) from error

    def _open_up(self) -> str:
        return (
            f"Start the server there, and open port {self._port} for {self._protocol} in the firewall before it "
            "and in the one between."
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def sign_in(self, username: str, password: str, challenge: Message) -> None:
        """Ask under this name from now on (RFC 8489 section 9.2)."""
        realm = str(challenge.attributes["REALM"])
        self._credentials = {"USERNAME": username, "REALM": realm, "NONCE": challenge.attributes["NONCE"]}
        self._key = hashlib.md5(f"{username}:{realm}:{password}".encode(), usedforsecurity=False).digest()

    def may_reach(self, peer: str) -> bool:
        """Whether the relay passes on packets to this IP address."""
        request = Message(Method.CREATE_PERMISSION, Class.REQUEST, attributes={"XOR-PEER-ADDRESS": (peer, 0)})
        return self.ask(request).error_code != _FORBIDDEN

    def ask(self, request: Message) -> Message:
        """Send a request and return its answer. Raises `ServerFault` where none comes."""
        if self._key:
            request.attributes.update(self._credentials)
            request.add_message_integrity(self._key)
        try:
            for patience_s in PATIENCE_S if self._datagrams else (CONNECT_WITHIN_S,):
                self._socket.settimeout(patience_s)
                self._socket.sendall(bytes(request))
                try:
                    while (answer := self._receive()) is None or answer.transaction_id != request.transaction_id:
                        pass
                except TimeoutError:
                    continue
                return answer
        except OSError as error:
            why = "nobody listens there" if isinstance(error, ConnectionRefusedError) else str(error)
            raise ServerFault(f"{self._where} does not answer: {why}.", self._open_up()) from error
        raise ServerFault(f"{self._where} does not answer.", self._open_up())

    def _receive(self) -> Message | None:
        """Return the next message; None for what is none."""
        if self._datagrams:
            data = self._socket.recv(2048)
        else:
            head = self._exactly(HEADER_LENGTH)
            data = head + self._exactly(int.from_bytes(head[2:4], "big"))
        try:
            return parse_message(data)
        except ValueError:
            return None

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            if not (more := self._socket.recv(size - len(data))):
                raise ConnectionResetError("it closes the connection")
            data += more
        return data
