"""A visitor without a browser: speaks the page's protocol, plays a microphone, and counts what arrives without decoding it."""

import asyncio
import json
import queue
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from typing import Any
from urllib.parse import urlsplit

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from autobahn.asyncio.websocket import WebSocketClientFactory, WebSocketClientProtocol
from numpy.typing import NDArray

from realtime.rtc import offer_loopback

MICROPHONE_RATE_HZ = 48_000
MICROPHONE_FRAME = MICROPHONE_RATE_HZ // 50
FAINT = 3e-4
ANSWER_WITHIN_S = 15.0
PING_S = 1.0


class Microphone(MediaStreamTrack):
    """A quiet room, in which somebody says now and then what is put into `say`."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.finished_s = 0.0
        self._saying: deque[NDArray[np.float32]] = deque()
        self._noise = np.random.default_rng(5)
        self._position = 0
        self._start_s = 0.0

    def say(self, samples: NDArray[np.float32]) -> None:
        """Say (n,) float32 samples at `MICROPHONE_RATE_HZ`; `finished_s` is when the last one of them was handed over."""
        for start in range(0, len(samples), MICROPHONE_FRAME):
            part = samples[start : start + MICROPHONE_FRAME]
            self._saying.append(np.pad(part, (0, MICROPHONE_FRAME - len(part))))

    async def recv(self) -> av.AudioFrame:
        """The next 20 ms, in real time."""
        self._start_s = self._start_s or time.monotonic()
        await asyncio.sleep(max(0.0, self._start_s + self._position / MICROPHONE_RATE_HZ - time.monotonic()))
        heard = self._noise.normal(0, FAINT, MICROPHONE_FRAME)
        if self._saying:
            heard += self._saying.popleft()
            self.finished_s = time.monotonic()
        frame = av.AudioFrame.from_ndarray(
            (np.clip(heard, -1, 1) * 32767).astype(np.int16).reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts = MICROPHONE_RATE_HZ, self._position
        frame.time_base = Fraction(1, MICROPHONE_RATE_HZ)
        self._position += MICROPHONE_FRAME
        return frame


class _Socket(WebSocketClientProtocol):
    def __init__(self, messages: asyncio.Queue[dict[str, Any]]) -> None:
        super().__init__()
        self.opened = asyncio.Event()
        self._messages = messages

    def onOpen(self) -> None:
        self.opened.set()

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if not isBinary:
            self._messages.put_nowait(json.loads(payload))

    def say(self, message: dict[str, Any]) -> None:
        self.sendMessage(json.dumps(message).encode())  # type: ignore[no-untyped-call]


class _Undecoded(queue.Queue):  # type: ignore[type-arg]
    """Stands where frames wait to be decoded, and forgets them; only the word to end is passed on."""

    def put(self, item: object, block: bool = True, timeout: float | None = None) -> None:
        if item is None:
            super().put(item, block, timeout)


class TurnedAway(SystemExit):
    """The visitor was not let in."""


class Visitor:
    """One conversation with one avatar. `join`, then `say` or `microphone.say`, then `leave`.

    room: the code is that of a room, and the visitor only watches there.
    """

    def __init__(
        self,
        url: str,
        code: str,
        on_event: Callable[[dict[str, Any]], None] = lambda event: None,
        *,
        room: bool = False,
    ) -> None:
        self.events: list[dict[str, Any]] = []
        self.microphone = Microphone()
        self.received: Counter[str] = Counter()
        self.state = ""
        self.speaking_s = 0.0
        self.on_voice: Callable[[bytes], None] | None = None
        self._url = f"ws://{urlsplit(url).netloc}/ws/{'room' if room else 'talk'}/{code}/"
        self._watching = room
        self._origin = url
        self.on_event = on_event
        self._state_since_s = 0.0
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._socket: _Socket | None = None
        self._pinging: asyncio.Task[None] | None = None
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._channel: RTCDataChannel | None = None
        self._ready, self._changed = asyncio.Event(), asyncio.Event()
        offer_loopback(always=True)

    async def join(self) -> None:
        """From nothing to a connection over which media flow, and say hello."""
        await self._dial()
        self._say_to_server({"type": "join", "token": None, "watch": self._watching})
        if (await self._told("ready"))["forwarded"]:
            await self._watch()
        else:
            await self._call()
        self._pinging = asyncio.create_task(self._ping())

    async def _call(self) -> None:
        """Offer the media worker a connection."""
        self._open_channel("parlo")
        for kind in ("audio", "video"):
            heard = kind == "audio" and not self._watching
            direction = "sendrecv" if heard else "recvonly"
            transceiver = self._connection.addTransceiver(self.microphone if heard else kind, direction)
            self._count(transceiver.receiver, kind)
        await self._connection.setLocalDescription(await self._connection.createOffer())
        self._say_to_server({"type": "offer", "sdp": self._connection.localDescription.sdp})
        answer = await self._told("answer")
        await self._connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await self._ready.wait()
        self._tell({"type": "hello"})

    async def _watch(self) -> None:
        """Answer the offer of the server that forwards."""
        self._open_channel("JanusDataChannel")
        self._say_to_server({"type": "watch"})
        offer = await self._told("offer")
        await self._connection.setRemoteDescription(RTCSessionDescription(offer["sdp"], "offer"))
        for transceiver in self._connection.getTransceivers():
            self._count(transceiver.receiver, transceiver.kind)
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        self._say_to_server({"type": "answer", "sdp": self._connection.localDescription.sdp})
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await self._ready.wait()
        self._say_to_server({"type": "hello"})

    def _open_channel(self, label: str) -> None:
        self._channel = self._connection.createDataChannel(label, ordered=True)
        self._channel.on("open", self._ready.set)
        self._channel.on("message", self._hear)

    def say(self, text: str) -> None:
        """Type something."""
        self._tell({"type": "text", "text": text})

    async def greeted(self) -> None:
        """Wait until the avatar has said its greeting."""
        await self.until("speaking")
        await self.until("listening")

    async def until(self, state: str, within_s: float = 60.0) -> None:
        """Wait until the avatar is in this state."""
        async with asyncio.timeout(within_s):
            while self.state != state:
                self._changed.clear()
                await self._changed.wait()

    def spoken_s(self) -> float:
        """Seconds for which the avatar was in the state of speaking, up to now."""
        now_s = time.monotonic()
        return self.speaking_s + (now_s - self._state_since_s if self.state == "speaking" else 0.0)

    def last(self, kind: str) -> dict[str, Any]:
        """The last event of a kind."""
        return next(event for event in reversed(self.events) if event["type"] == kind)

    async def leave(self) -> None:
        """Hang up."""
        if self._pinging is not None:
            self._pinging.cancel()
        self._tell({"type": "bye"})
        if self._socket is not None:
            self._say_to_server({"type": "leave"})
            self._socket.sendClose()
        await asyncio.sleep(0.1)
        await self._connection.close()

    async def _dial(self) -> None:
        factory: Any = WebSocketClientFactory(self._url, origin=self._origin)  # type: ignore[no-untyped-call]
        factory.protocol = lambda: _Socket(self._messages)
        loop = asyncio.get_running_loop()
        _, socket = await loop.create_connection(factory, "127.0.0.1", urlsplit(self._url).port or 80)
        assert isinstance(socket, _Socket)
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await socket.opened.wait()
        self._socket = socket

    def _say_to_server(self, message: dict[str, Any]) -> None:
        assert self._socket is not None
        self._socket.say(message)

    async def _told(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            while (message := await self._messages.get())["type"] != kind:
                if message["type"] in {"error", "ended"}:
                    raise TurnedAway(f"The visitor was turned away: {message['message']}")
        return message

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_S)
            self._say_to_server({"type": "ping"})

    def _tell(self, message: dict[str, Any]) -> None:
        if self._channel is not None and self._channel.readyState == "open":
            self._channel.send(json.dumps(message))

    def _hear(self, text: str | bytes) -> None:
        event = json.loads(text)
        self.events.append({**event, "received_s": time.monotonic()})
        if event["type"] == "state":
            now_s = time.monotonic()
            self.speaking_s = self.spoken_s()
            self.state, self._state_since_s = event["state"], now_s
            self._changed.set()
        elif event["type"] in {"notice", "error"}:
            raise SystemExit(f"The conversation failed: {event['message']}")
        self.on_event(event)

    def _count(self, receiver: RTCRtpReceiver, kind: str) -> None:
        """Count packets, and pictures by the mark on their last packet; acknowledge them as a browser would."""
        # The library has no receiver that does not decode.
        receiver._RTCRtpReceiver__decoder_queue = _Undecoded()  # type: ignore[attr-defined]
        handle = receiver._handle_rtp_packet

        async def counted(packet: Any, arrival_time_ms: int) -> None:
            self.received[f"{kind}_packets"] += 1
            self.received[f"{kind}_bytes"] += len(packet.payload)
            if kind == "video" and packet.marker:
                self.received["pictures"] += 1
            if kind == "audio" and self.on_voice is not None:
                self.on_voice(packet.payload)
            await handle(packet, arrival_time_ms)

        receiver._handle_rtp_packet = counted  # type: ignore[method-assign]
        with suppress(AttributeError):
            receiver.track.stop()


class Ear:
    """Decodes the voice as it arrives and notes when it first was loud."""

    LOUD = 0.01

    def __init__(self) -> None:
        self.loud_s: float | None = None
        self._decoder: Any = av.CodecContext.create("opus", "r")
        self._decoder.sample_rate, self._decoder.layout = MICROPHONE_RATE_HZ, "mono"

    def __call__(self, payload: bytes) -> None:
        for frame in self._decoder.decode(av.Packet(payload)):
            samples = frame.to_ndarray()
            if self.loud_s is None and float(np.sqrt(np.square(samples, dtype=np.float64).mean())) > self.LOUD:
                self.loud_s = time.monotonic()
