"""The two tracks of one connection: queues of finished packets, each sent at its time."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av.packet import Packet as AvPacket

from avatars.engine.speech.spoken import SAMPLES_PER_FRAME
from realtime.rtc.encoder import SAMPLES_PER_PACKET, Packet, silence_packet
from realtime.rtc.ladder import Ladder

PACKETS_PER_FRAME: Final = SAMPLES_PER_FRAME // SAMPLES_PER_PACKET
WORTH_SLEEPING_S: Final = 0.002
# About: a packet's content, and what stands before it.
PAYLOAD_BYTES, HEADERS_BYTES = 1200, 70

Unit = TypeVar("Unit", bound=Packet | av.VideoFrame)


@dataclass(frozen=True, slots=True)
class _Due(Generic[Unit]):
    unit: Unit
    due_s: float


class _QueueTrack(MediaStreamTrack, Generic[Unit]):
    """A track of what was put into it, each unit at its time: for whoever waits for it, or for a `send_to`."""

    def __init__(self) -> None:
        super().__init__()
        self._units: deque[_Due[Unit]] = deque()
        self._changed = asyncio.Event()
        self._send: Callable[[Unit, float], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.taken = 0

    def put(self, unit: Unit, due_s: float) -> None:
        """Append; on the event loop only."""
        if self.readyState != "live":
            return
        self._units.append(_Due(unit, due_s))
        if self._send is None:
            self._changed.set()
        elif self._timer is None:
            self._set_timer()

    def send_to(self, send: Callable[[Unit, float], None]) -> None:
        """From now on call `send` with each unit at its time, and how many seconds later that is; nobody else gets any."""
        self._send = send
        if self._units:
            self._set_timer()

    def stop(self) -> None:
        """End the track; whoever waits for it is told."""
        if self._timer is not None:
            self._timer.cancel()
        super().stop()
        self._changed.set()

    async def ended(self) -> None:
        """Wait for the end of the track."""
        while self.readyState == "live":
            self._changed.clear()
            await self._changed.wait()

    async def recv(self) -> Unit:
        """Wait for the next unit and for its time. Raises `MediaStreamError` when the track has ended."""
        while self.readyState == "live" and not self._units:
            self._changed.clear()
            await self._changed.wait()
        if self.readyState != "live":
            raise MediaStreamError
        due_s = self._units[0].due_s
        unit = self._take()
        early_s = due_s - time.monotonic()
        if early_s > WORTH_SLEEPING_S:
            await asyncio.sleep(early_s)
        return self._shaped(unit)

    def _set_timer(self) -> None:
        early_s = self._units[0].due_s - time.monotonic()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, early_s), self._send_due)

    def _send_due(self) -> None:
        self._timer = None
        now_s = time.monotonic()
        while self._send is not None and self._units and self._units[0].due_s <= now_s + WORTH_SLEEPING_S:
            late_s = now_s - self._units[0].due_s
            self._send(self._shaped(self._take()), late_s)
        if self._units:
            self._set_timer()

    def _take(self) -> Unit:
        self.taken += 1
        return self._units.popleft().unit

    def _shaped(self, unit: Unit) -> Unit:
        """A unit as it is sent."""
        return unit


class FaceTrack(_QueueTrack[Packet | av.VideoFrame]):
    """The picture: packets of H.264, or frames where the browser only takes VP8."""

    kind = "video"


class VoiceTrack(_QueueTrack[Packet]):
    """The voice: packets of Opus, 20 ms each."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._silence = silence_packet()
        self._hushed_until = 0

    def hush(self, until: int) -> None:
        """Send silence in place of every packet whose time (its pts) lies before `until`."""
        self._hushed_until = until

    def _shaped(self, packet: Packet) -> Packet:
        if packet.pts is None or packet.pts >= self._hushed_until:
            return packet
        silent = AvPacket(self._silence)
        silent.pts, silent.dts, silent.time_base = packet.pts, packet.dts, packet.time_base
        return silent


class Feed:
    """Both tracks of one connection. Everything on the event loop.

    raw: the browser takes VP8 alone, so the connection encodes the picture itself.
    """

    def __init__(self) -> None:
        self.face, self.voice = FaceTrack(), VoiceTrack()
        self.raw = False
        self.ladder = Ladder()
        self._key_frame_wanted: Callable[[], None] | None = None
        self._in_step = self._left_out = False
        self._said = 0

    def attach(self, key_frame_wanted: Callable[[], None] | None) -> None:
        """Belong to whoever makes the packets from now on; None to nobody. Its first picture is a key frame."""
        self._key_frame_wanted, self._in_step = key_frame_wanted, False

    def request_key_frame(self) -> None:
        """The browser has lost a picture."""
        if self._key_frame_wanted is not None:
            self._key_frame_wanted()

    @property
    def backlog_frames(self) -> int:
        """How many frames' sound waits to be sent."""
        return self._said // PACKETS_PER_FRAME - self.voice.taken // PACKETS_PER_FRAME

    def show(self, unit: Packet | av.VideoFrame, due_s: float) -> None:
        """Append a picture, unless it is of no use here: of the other kind, or no key frame where one is missing."""
        if isinstance(unit, av.VideoFrame) is not self.raw:
            return
        if self._left_out:
            self._left_out = False
            self.request_key_frame()
        if isinstance(unit, AvPacket) and not self._in_step:
            if not unit.is_keyframe:
                return
            self._in_step = True
        if isinstance(unit, AvPacket):
            self.ladder.sent(unit.size + HEADERS_BYTES * (1 + unit.size // PAYLOAD_BYTES), due_s)
        self.face.put(unit, due_s)

    def leave_out(self) -> None:
        """A picture was not shown; what comes after it can only be read from a key frame on."""
        self._in_step, self._left_out = False, True

    def say(self, packet: Packet, due_s: float) -> None:
        """Append 20 ms of sound."""
        self._said += 1
        self.voice.put(packet, due_s)

    def close(self) -> None:
        """End both tracks."""
        self.face.stop()
        self.voice.stop()
