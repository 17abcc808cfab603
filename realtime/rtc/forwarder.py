"""A `Transport` to a Janus server, which passes one stream on to many viewers.

The packets that everybody gets are sent to it once, as plain RTP to a mountpoint of its streaming plugin; what is told to
everybody goes the same way, as datagrams that become messages of a data channel. Viewers connect to the server: it makes
their offers, and this process only relays them. With the server all viewers are lost, and the next one looks for it again.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import json
import logging
import re
import secrets
import socket
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import av

from realtime.rtc import h264
from realtime.rtc.encoder import Packet, silence_packet
from realtime.rtc.janus import CLOSE_WITHIN_S, JanusGone, JanusRefused, JanusServer, JanusSession
from realtime.rtc.peer import MOST_CANDIDATES, OfferRefused
from realtime.rtc.rtcp import asks_for_key_frame, empty_report
from realtime.rtc.stream import RtpStream
from realtime.rtc.tracks import PACKETS_PER_FRAME
from realtime.rtc.transport import KeyFrameWanted, TransportStats
from realtime.taskset import TaskSet

log = logging.getLogger(__name__)

OPUS_TYPE, H264_TYPE = 111, 96
RTP_VIDEO_HZ: Final = 90_000
NO_EXTENSIONS: Final = (0, b"")
# What browsers call constrained baseline, which is what the encoder makes.
H264_FORMAT: Final = "profile-level-id=42e01f;packetization-mode=1"
DESCRIPTION: Final = "parlo"
# A mountpoint that lives is told something every two seconds; one of a process that died is told nothing any more.
ABANDONED_AFTER_MS: Final = 60_000
LARGEST_ID: Final = 2**53
# The server reads datagrams of 1500 bytes; so many letters are never more, with what is around them.
PIECE_LETTERS: Final = 280

GONE: Final = (
    "The server that passes picture and sound on to those who watch does not answer. "
    "Try again in a little while, or tell whoever runs this Parlo."
)
NO_H264: Final = "This room is shown with H.264, which this browser does not play. Another browser may."

Address = tuple[str, int]


class ForwarderGone(Exception):
    """There is no server to watch through; the message is a sentence for the visitor."""


class ViewerListener(Protocol):
    """What a viewer's connection tells its seat; always on the event loop."""

    def connected(self) -> None:
        """Media can flow."""

    def lost(self) -> None:
        """The connection failed or the browser closed it. Comes once, and not after `close`."""

    def cut_off(self, sentence: str) -> None:
        """The server has gone, and the connection with it. Comes once, and not after `close`."""


@dataclass(frozen=True, slots=True)
class _Mountpoint:
    """What the server takes packets with, and where."""

    id: int
    pin: str
    sound: Address
    picture: Address
    feedback: Address
    words: Address


@dataclass(frozen=True, slots=True)
class _Link:
    """Everything that is gone when the server is. handle: to make and end the mountpoint with."""

    session: JanusSession
    handle: int
    mountpoint: _Mountpoint
    datagrams: asyncio.DatagramTransport


class Forwarder:
    """One session's way to its viewers. Made once, opened and closed with every outlet, `shut` at the end.

    Everything on the event loop but `stats`. Nothing is sent before somebody watches.
    """

    def __init__(self, server: JanusServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._link: _Link | None = None
        self._linking: asyncio.Task[_Link] | None = None
        # Replaced and never changed: the media thread looks at it as well.
        self._viewers: tuple[Viewer, ...] = ()
        self._known: set[Viewer] = set()
        self._key_frame_wanted: KeyFrameWanted = lambda joining: None
        self._sound = RtpStream(secrets.randbits(32), OPUS_TYPE, None)
        self._picture_ssrc = secrets.randbits(32)
        self._picture = RtpStream(self._picture_ssrc, H264_TYPE, None)
        self._silence = silence_packet()
        self._hushed_until = 0
        self._pictures: deque[Packet] = deque()
        self._sounds: deque[Packet] = deque()
        self._tasks = TaskSet("a forwarder")

    # Transport

    def open(self, key_frame_wanted: KeyFrameWanted) -> None:
        """Begin."""
        self._key_frame_wanted = key_frame_wanted
        self._hushed_until = 0

    def push_video(self, unit: Packet | av.VideoFrame, due_s: float) -> None:
        """Send a picture at `due_s` of the monotonic clock; raw ones are not for here."""
        if self._viewers and not isinstance(unit, av.VideoFrame):
            self._pictures.append(unit)
            self._loop.call_at(due_s, self._send_picture)

    def push_audio(self, packet: Packet, due_s: float) -> None:
        """Send 20 ms of Opus at `due_s`."""
        if self._viewers:
            self._sounds.append(packet)
            self._loop.call_at(due_s, self._send_sound)

    def interrupt(self, until: int) -> None:
        """Send silence in place of all sound whose time (its pts) lies before `until`."""
        self._hushed_until = until

    def close(self) -> None:
        """Ask for no more pictures; the viewers' seats let go of their connections."""
        self._key_frame_wanted = lambda joining: None

    def stats(self) -> TransportStats:
        """How it goes."""
        viewers = len(self._viewers)
        return TransportStats(viewers, len(self._sounds) // PACKETS_PER_FRAME, packets=viewers > 0, frames=False)

    def _send_picture(self) -> None:
        packet = self._pictures.popleft()
        if (link := self._link) is None or packet.pts is None:
            return
        if packet.is_keyframe:
            # The server answers whoever sent to this port last.
            link.datagrams.sendto(empty_report(self._picture_ssrc), link.mountpoint.feedback)
        position = packet.pts * RTP_VIDEO_HZ * packet.time_base.numerator // packet.time_base.denominator
        for part in self._picture.make(h264.payloads(bytes(packet)), position, NO_EXTENSIONS):
            link.datagrams.sendto(part, link.mountpoint.picture)

    def _send_sound(self) -> None:
        packet = self._sounds.popleft()
        if (link := self._link) is None or packet.pts is None:
            return
        payload = bytes(packet) if packet.pts >= self._hushed_until else self._silence
        for part in self._sound.make([payload], packet.pts, NO_EXTENSIONS):
            link.datagrams.sendto(part, link.mountpoint.sound)

    # Viewers

    def add(self, viewer: "Viewer") -> None:
        """One more who sees something from the next key frame on, which is asked for."""
        if viewer not in self._viewers:
            self._viewers = (*self._viewers, viewer)
            self._key_frame_wanted(True)

    def remove(self, viewer: "Viewer") -> None:
        """One less."""
        self._viewers = tuple(other for other in self._viewers if other is not viewer)

    def tell(self, event: Mapping[str, Any]) -> None:
        """Tell everybody who watches."""
        if (link := self._link) is not None:
            for piece in pieces(event):
                link.datagrams.sendto(piece.encode(), link.mountpoint.words)

    async def shut(self) -> None:
        """End the mountpoint, and with it every connection to it. Safe to call again."""
        self._known.clear()
        self._viewers = ()
        if (linking := self._linking) is not None:
            linking.cancel()
            await asyncio.gather(linking, return_exceptions=True)
        await self._tasks.finish()
        link, self._link = self._link, None
        if link is not None:
            await self._end(link)

    # The server

    async def link(self) -> _Link:
        """What viewers connect through, found or made; once for all who ask meanwhile. Raises `ForwarderGone`."""
        if self._link is not None:
            return self._link
        if self._linking is None:
            self._linking = asyncio.create_task(self._make())
        try:
            return await asyncio.shield(self._linking)
        except (JanusGone, JanusRefused, OSError, LookupError) as error:
            log.warning("nothing can be forwarded: %s", error)
            raise ForwarderGone(GONE) from error

    async def _make(self) -> _Link:
        session = JanusSession(self._server, lambda: self._lose(session))
        datagrams: asyncio.DatagramTransport | None = None
        try:
            await session.open()
            handle = await session.attach()
            await self._sweep(session, handle)
            host = await self._rtp_address()
            mountpoint = await self._mount(session, handle, host)
            feedback = _Feedback(mountpoint.feedback, lambda: self._key_frame_wanted(False))
            datagrams, _ = await self._loop.create_datagram_endpoint(
                lambda: feedback,
                local_addr=(host, 0) if _is_loopback(host) else None,
                family=socket.AF_INET6 if ":" in host else socket.AF_INET,
            )
            datagrams.sendto(empty_report(self._picture_ssrc), mountpoint.feedback)
            self._link = _Link(session, handle, mountpoint, datagrams)
        except BaseException:
            await session.close()
            raise
        finally:
            self._linking = None
        log.info("viewers are served by the Janus at %s", self._server.url)
        return self._link

    async def _rtp_address(self) -> str:
        host = self._server.rtp_host or urlsplit(self._server.url).hostname or "127.0.0.1"
        found = await self._loop.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)
        return str(sorted(found)[0][4][0])

    async def _mount(self, session: JanusSession, handle: int, host: str) -> _Mountpoint:
        number, pin = secrets.randbelow(LARGEST_ID), secrets.token_urlsafe(24)
        # Nobody but this machine is to put anything in between.
        near = {"iface": host} if _is_loopback(host) else {}
        answer = await session.ask(
            handle,
            {
                "request": "create",
                **self._admin,
                "type": "rtp",
                "id": number,
                "description": DESCRIPTION,
                "is_private": True,
                "secret": self._secret(number),
                "pin": pin,
                "media": [
                    {"type": "audio", "mid": "a", "port": 0, "pt": OPUS_TYPE, "codec": "opus", **near},
                    {
                        "type": "video",
                        "mid": "v",
                        "port": 0,
                        "rtcpport": 0,
                        "pt": H264_TYPE,
                        "codec": "h264",
                        "fmtp": H264_FORMAT,
                        **near,
                    },
                    {"type": "data", "mid": "d", "port": 0, **near},
                ],
            },
        )
        ports = {port["mid"]: port for port in answer["plugindata"]["data"]["stream"]["ports"]}
        return _Mountpoint(
            number,
            pin,
            sound=(host, ports["a"]["port"]),
            picture=(host, ports["v"]["port"]),
            feedback=(host, ports["v"]["rtcp_port"]),
            words=(host, ports["d"]["port"]),
        )

    async def _sweep(self, session: JanusSession, handle: int) -> None:
        """End what was left by processes of this installation that died."""
        answer = await session.ask(handle, {"request": "list", **self._admin})
        for found in answer["plugindata"]["data"].get("list", []):
            ages_ms = [media.get("age_ms", 0) for media in found.get("media", [])]
            if found.get("description") == DESCRIPTION and ages_ms and min(ages_ms) > ABANDONED_AFTER_MS:
                # Another installation's has another secret.
                with suppress(JanusRefused):
                    await session.ask(handle, self._destroy(found["id"]))

    @property
    def _admin(self) -> dict[str, str]:
        return {"admin_key": self._server.admin_key} if self._server.admin_key else {}

    def _secret(self, number: int) -> str:
        return hmac.new(self._server.key, f"mountpoint {number}".encode(), hashlib.sha256).hexdigest()

    def _destroy(self, number: int) -> dict[str, Any]:
        return {"request": "destroy", "id": number, "secret": self._secret(number)}

    async def _end(self, link: _Link) -> None:
        with suppress(JanusGone, JanusRefused, TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await link.session.ask(link.handle, self._destroy(link.mountpoint.id))
        link.datagrams.close()
        await link.session.close()

    def _lose(self, session: JanusSession) -> None:
        """The server is gone, or its mountpoint: whoever watched is told, and the next one looks for it again."""
        link = self._link
        if link is None or link.session is not session:
            return
        self._link = None
        self._tasks.spawn(self._end(link))
        known, self._known, self._viewers = self._known, set(), ()
        for viewer in known:
            viewer.cut_off()

    # What viewers' connections call

    async def enter(self, viewer: "Viewer", heard: Callable[[dict[str, Any]], None]) -> tuple[_Link, int, str]:
        """A handle of the viewer's own, and the server's offer. Raises `ForwarderGone`."""
        link = await self.link()
        self._known.add(viewer)
        try:
            handle = await link.session.attach(heard)
            watch = {"request": "watch", "id": link.mountpoint.id, "pin": link.mountpoint.pin}
            answer = await link.session.ask(handle, watch)
            return link, handle, str(answer["jsep"]["sdp"])
        except (JanusGone, JanusRefused) as error:
            log.warning("a viewer cannot be let in: %s", error)
            self._known.discard(viewer)
            # A mountpoint that is not there any more is of no use to the others either.
            self._lose(link.session)
            raise ForwarderGone(GONE) from error

    def forget(self, viewer: "Viewer") -> None:
        """It has closed."""
        self._known.discard(viewer)
        self.remove(viewer)


class Viewer:
    """The connection of one browser that only watches. `offer`, then `accept` its answer; `close` it in every case."""

    def __init__(self, forwarder: Forwarder, listener: ViewerListener) -> None:
        self._forwarder = forwarder
        self._listener = listener
        self._session: JanusSession | None = None
        self._handle = 0
        self._candidates = 0
        self._closed = False

    async def offer(self) -> str:
        """The server's offer. Raises `ForwarderGone` with a sentence."""
        link, self._handle, sdp = await self._forwarder.enter(self, self._hear)
        self._session = link.session
        if self._closed:
            await self._detach()
            raise ForwarderGone(GONE)
        return sdp

    async def accept(self, sdp: str) -> None:
        """Take the browser's answer. Raises `OfferRefused` and `ForwarderGone`, each with a sentence."""
        if self._session is None:
            return
        if re.search(r"^m=video 0 ", sdp, re.MULTILINE) or "h264" not in sdp.lower():
            raise OfferRefused(NO_H264)
        try:
            await self._session.ask(self._handle, {"request": "start"}, jsep={"type": "answer", "sdp": sdp})
        except JanusRefused as error:
            raise OfferRefused("The browser's answer could not be understood.") from error
        except JanusGone as error:
            raise ForwarderGone(GONE) from error

    async def add_candidate(self, candidate: Mapping[str, Any] | None) -> None:
        """Pass on an address of the browser's; None is the last one."""
        self._candidates += 1
        if self._session is None or self._closed or self._candidates > MOST_CANDIDATES:
            return
        known = {name: candidate.get(name) for name in ("candidate", "sdpMid", "sdpMLineIndex")} if candidate else {}
        with suppress(JanusGone, JanusRefused):
            await self._session.trickle(self._handle, known if known.get("candidate") else {"completed": True})

    async def close(self) -> None:
        """Hang up. Safe to call again."""
        if not self._closed:
            self._closed = True
            self._forwarder.forget(self)
            await self._detach()

    def cut_off(self) -> None:
        """The server has gone."""
        self._session = None
        if not self._closed:
            self._listener.cut_off(GONE)

    async def _detach(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with suppress(JanusGone, JanusRefused):
                await session.detach(self._handle)

    def _hear(self, event: dict[str, Any]) -> None:
        if self._closed:
            return
        if event["janus"] == "webrtcup":
            self._listener.connected()
        elif event["janus"] == "hangup":
            self._listener.lost()


class _Feedback(asyncio.DatagramProtocol):
    """Hears from the server that viewers have lost pictures."""

    def __init__(self, server: Address, key_frame_wanted: Callable[[], None]) -> None:
        self._server = server
        self._key_frame_wanted = key_frame_wanted

    def datagram_received(self, data: bytes, address: tuple[Any, ...]) -> None:
        if address[:2] == self._server and asks_for_key_frame(data):
            self._key_frame_wanted()


def pieces(event: Mapping[str, Any]) -> list[str]:
    """An event as texts that fit into a datagram each; what is longer than one is put together by the page."""
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    if len(text) <= PIECE_LETTERS:
        return [text]
    parts = [text[start : start + PIECE_LETTERS] for start in range(0, len(text), PIECE_LETTERS)]
    return [
        json.dumps(
            {"type": "piece", "number": number, "of": len(parts), "text": part},
            ensure_ascii=False,
            separators=(",", ":"),
        )
        for number, part in enumerate(parts)
    ]


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback
