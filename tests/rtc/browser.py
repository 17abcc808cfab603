"""A browser, as far as a media worker can tell: aiortc on the other end, in the same process."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import numpy as np
from aiortc import RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, MediaStreamTrack
from aiortc.rtcsctptransport import Chunk, InitChunk, RTCSctpTransport, serialize_packet

from realtime.rtc.network import Network, new_connection

WITHIN_S = 20.0


def begin_without_tag(association: RTCSctpTransport) -> None:
    """Send every INIT as RFC 9260 8.5.1 has it, and as browsers do.

    The library's second INIT carries the tag of the other end once that has sent one, and is thrown away there: where both
    answers to the first were lost the channel never opened.
    """
    send = association._send_chunk

    async def send_chunk(chunk: Chunk) -> None:
        if isinstance(chunk, InitChunk):
            ports = association._local_port, association._remote_port
            await association.transport._send_data(serialize_packet(*ports, 0, chunk))
        else:
            await send(chunk)

    association._send_chunk = send_chunk  # type: ignore[method-assign]


class Watcher:
    """Answers the offer of a server that forwards, and keeps what comes."""

    # What Janus calls the channel on which it tells everybody.
    label = "JanusDataChannel"

    def __init__(self, network: Network | None = None) -> None:
        self.connection = new_connection(network or Network())
        self.events: list[dict[str, Any]] = []
        self.pictures: list[Any] = []
        self.sounds: list[Any] = []
        self.changed = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self._parts: list[str] = []
        self.connection.on("track", self._on_track)
        self.connection.on("connectionstatechange", self._note)
        self.channel = self.connection.createDataChannel(self.label)
        assert self.connection.sctp is not None
        begin_without_tag(self.connection.sctp)
        self.channel.on("message", self._on_message)
        self.channel.on("open", self._note)

    async def answer(self, offer: str) -> str:
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        return str(self.connection.localDescription.sdp)

    async def until(self, condition: Any) -> None:
        """Wait until it holds of this browser."""
        async with asyncio.timeout(WITHIN_S), self.changed:
            await self.changed.wait_for(lambda: condition(self))

    async def connected(self) -> None:
        await self.until(lambda b: b.connection.connectionState == "connected" and b.channel.readyState == "open")

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    async def close(self) -> None:
        await self.connection.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def loudness(self) -> float:
        """The loudest 20 ms that were heard, 0..1."""
        return max((float(np.abs(sound.to_ndarray()).max()) / 32768 for sound in self.sounds), default=0.0)

    def _on_track(self, track: MediaStreamTrack) -> None:
        kept = self.pictures if track.kind == "video" else self.sounds
        self._tasks.append(asyncio.create_task(self._keep(track, kept)))

    async def _keep(self, track: MediaStreamTrack, kept: list[Any]) -> None:
        with suppress(MediaStreamError):
            while True:
                kept.append(await track.recv())
                await self._note()

    async def _on_message(self, text: str) -> None:
        event = json.loads(text)
        if event["type"] == "piece":
            self._parts.append(event["text"])
            if len(self._parts) < event["of"]:
                return
            event, self._parts = json.loads("".join(self._parts)), []
        self.events.append(event)
        await self._note()

    async def _note(self) -> None:
        async with self.changed:
            self.changed.notify_all()


class Browser(Watcher):
    """Offers a microphone and a data channel, asks for a picture, and keeps what comes."""

    label = "parlo"

    def __init__(self, network: Network | None = None) -> None:
        super().__init__(network)
        self.connection.addTrack(AudioStreamTrack())
        self.connection.addTransceiver("video", direction="recvonly")

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def take(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))

    def say(self, **message: Any) -> None:
        self.channel.send(json.dumps(message))
