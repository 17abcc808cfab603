"""One connection to one browser: microphone in, face and voice out, one data channel."""

import asyncio
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

import numpy as np
from aiortc import RTCDataChannel, RTCRtpSender, RTCSessionDescription
from aiortc.sdp import SessionDescription, candidate_from_sdp
from numpy.typing import NDArray

from realtime.rtc.feedback import follow_reports
from realtime.rtc.microphone import hear_with
from realtime.rtc.network import Network, Unreachable, apply_network, new_connection
from realtime.rtc.sender import send_packets
from realtime.rtc.tracks import Feed
from realtime.taskset import TaskSet

log = logging.getLogger(__name__)

CHANNEL_LABEL: Final = "parlo"
LONGEST_MESSAGE: Final = 16_384
LONGEST_BUFFER_BYTES: Final = 262_144
MOST_CANDIDATES: Final = 64
CLOSE_WITHIN_S: Final = 5.0
VIDEO_ORDER: Final = ("video/H264", "video/VP8", "video/rtx")


class OfferRefused(Exception):
    """The browser's offer cannot be answered."""


class PeerListener(Protocol):
    """What a peer tells its session; always on the event loop."""

    def heard(self, samples: NDArray[np.float32]) -> None:
        """The microphone gave these (n,) float32 samples, mono, at `microphone.HEARING_RATE_HZ`."""

    def received(self, message: dict[str, Any]) -> None:
        """A message came over the data channel."""

    def connected(self) -> None:
        """Media can flow."""

    def channel_opened(self) -> None:
        """Messages can be sent."""

    def lost(self) -> None:
        """The connection failed or the browser closed it. Comes once, and not after `close`."""


class Peer:
    """An answered connection. Make it, `answer` the offer, add candidates as they come, `close` it in every case."""

    def __init__(self, feed: Feed, listener: PeerListener, network: Network) -> None:
        self._feed = feed
        self._listener = listener
        self._network = network
        self._connection = new_connection(network)
        self._channel: RTCDataChannel | None = None
        self._tasks = TaskSet("a connection")
        self._answered = asyncio.Event()
        self._candidates = 0
        self._closed = False
        self._connection.on("datachannel", self._on_channel)
        self._connection.on("connectionstatechange", self._on_state)

    @property
    def state(self) -> str:
        """The connection's state: new, connecting, connected, failed or closed."""
        return str(self._connection.connectionState)

    async def answer(self, offer_sdp: str) -> str:
        """Take the browser's offer and return the answer's SDP.

        Raises `OfferRefused` with a sentence, and `Unreachable` with one where no browser could get here.
        """
        connection = self._connection
        for track, order in ((self._feed.face, VIDEO_ORDER), (self._feed.voice, ("audio/opus",))):
            connection.addTrack(track)
            # Only preferences set before the offer is taken count in the answer.
            codecs = RTCRtpSender.getCapabilities(track.kind).codecs
            ordered = sorted(
                (codec for codec in codecs if codec.mimeType in order), key=lambda c: order.index(c.mimeType)
            )
            transceiver = next(t for t in connection.getTransceivers() if t.kind == track.kind)
            transceiver.setCodecPreferences(ordered)
            send_packets(transceiver, track)
            if track.kind == "audio":
                hear_with(transceiver, self._heard)
        try:
            _check(SessionDescription.parse(offer_sdp))
            await connection.setRemoteDescription(RTCSessionDescription(sdp=offer_sdp, type="offer"))
            self._ask_for_repeats()
            answer = await connection.createAnswer()
            self._follow_codec()
            apply_network(self._network, connection)
            await connection.setLocalDescription(answer)
        except (OfferRefused, Unreachable):
            raise
        except Exception as error:
            log.info("offer refused: %s: %s", type(error).__name__, error)
            raise OfferRefused(
                "The browser's offer could not be understood: it needs sound with Opus and a picture with H.264 or VP8."
            ) from error
        self._answered.set()
        return str(connection.localDescription.sdp)

    def _follow_codec(self) -> None:
        video = next(t for t in self._connection.getTransceivers() if t.kind == "video")
        if video._codecs[0].mimeType.lower() == "video/h264":
            # The sender passes packets on as they come, so whoever makes them must hear of lost pictures.
            video.sender._send_keyframe = self._feed.request_key_frame  # type: ignore[method-assign]
            follow_reports(video.sender, self._feed.ladder)
        else:
            self._feed.raw = True

    def _ask_for_repeats(self) -> None:
        """Have the browser send along, in each packet of the microphone, what was in the one before."""
        for transceiver in self._connection.getTransceivers():
            if transceiver.kind == "audio":
                for codec in transceiver._codecs:
                    codec.parameters = {**codec.parameters, "minptime": 10, "useinbandfec": 1}

    def _heard(self, sound: NDArray[np.float32]) -> None:
        if not self._closed:
            self._listener.heard(sound)

    async def add_candidate(self, candidate: Mapping[str, Any] | None) -> None:
        """Add a trickled candidate as browsers write it. Ones that cannot be used are ignored.

        The end of candidates is not passed on: with it the library gives up at once when no candidate could be resolved,
        though the browser's own checks may still arrive and show its address.
        """
        text = str(candidate.get("candidate") or "") if candidate else ""
        self._candidates += 1
        if not candidate or not text or self._closed or self._candidates > MOST_CANDIDATES:
            return
        try:
            parsed = candidate_from_sdp(text.removeprefix("candidate:"))
            parsed.sdpMid = candidate.get("sdpMid")
            parsed.sdpMLineIndex = candidate.get("sdpMLineIndex")
        except (ValueError, IndexError, AssertionError):
            return
        self._tasks.spawn(self._add(parsed))

    async def _add(self, candidate: Any) -> None:
        await self._answered.wait()
        # Names that hide an address may not resolve, and what is not UDP is not understood.
        with suppress(ValueError, OSError, ConnectionError):
            await self._connection.addIceCandidate(candidate)

    def send(self, event: Mapping[str, Any]) -> bool:
        """Send an event over the data channel; false when it is not open or the browser does not keep up."""
        channel = self._channel
        if channel is None or channel.readyState != "open" or channel.bufferedAmount > LONGEST_BUFFER_BYTES:
            return False
        channel.send(json.dumps(event, ensure_ascii=False, separators=(",", ":")))
        return True

    async def close(self) -> None:
        """Release everything: tasks, tracks, sockets. Safe to call again."""
        if self._closed:
            return
        self._closed = True
        self._feed.close()
        await self._tasks.cancel()
        try:
            await asyncio.wait_for(self._connection.close(), CLOSE_WITHIN_S)
        except TimeoutError:
            log.warning("a connection did not close within %g s", CLOSE_WITHIN_S)
        except Exception:
            # Whoever closes has more to release.
            log.exception("a connection could not be closed")

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label != CHANNEL_LABEL or self._channel is not None:
            channel.close()
            return
        self._channel = channel
        channel.on("message", self._on_message)
        self._listener.channel_opened()

    def _on_message(self, text: str | bytes) -> None:
        if self._closed or not isinstance(text, str) or len(text) > LONGEST_MESSAGE:
            return
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return
        if isinstance(message, dict):
            self._listener.received(message)

    def _on_state(self) -> None:
        if self._closed:
            return
        if self.state == "connected":
            self._listener.connected()
        elif self.state in {"failed", "closed"}:
            self._listener.lost()


def _check(offer: SessionDescription) -> None:
    """Raise `OfferRefused` for what the library would take and then neither answer nor close."""
    if [kind for kind in sorted(media.kind for media in offer.media) if kind != "application"] != ["audio", "video"]:
        raise OfferRefused("The browser's offer has to ask for one picture and one sound.")
    names = sorted(media.rtp.muxId for media in offer.media)
    bundles = [sorted(map(str, group.items)) for group in offer.group if group.semantic == "BUNDLE"]
    if len(set(names)) < len(names) or any(bundle != names for bundle in bundles):
        raise OfferRefused("The browser's offer has to bundle everything it asks for.")
