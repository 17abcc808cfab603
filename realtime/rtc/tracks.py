"""The two tracks of one connection: queues of finished packets, each sent at its time."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av.packet import Packet as AvPacket

from avatars.engine.speech.spoken import SAMPLES_PER_FRAME
from realtime.rtc.encoder import SAMPLES_PER_PACKET, Packet, silence_packet

PACKETS_PER_FRAME: Final = SAMPLES_PER_FRAME // SAMPLES_PER_PACKET
WORTH_SLEEPING_S: Final = 0.002

Unit = TypeVar("Unit", bound=Packet | av.VideoFrame)


@dataclass(frozen=True, slots=True)
class _Due(Generic[Unit]):
    unit: Unit
    due_s: float


class _QueueTrack(MediaStreamTrack, Generic[Unit]):
    """A track of what was put into it, each unit at its time."""

    def __init__(self) -> None:
        super().__init__()
        self._queue: asyncio.Queue[_Due[Unit] | None] = asyncio.Queue()
        self.taken = 0

    def put(self, unit: Unit, due_s: float) -> None:
        """Append; on the event loop only."""
        if self.readyState == "live":
            self._queue.put_nowait(_Due(unit, due_s))

    def stop(self) -> None:
        """End the track; whoever waits for it is told."""
        if self.readyState == "live":
            self._queue.put_nowait(None)
        super().stop()

    async def recv(self) -> Unit:
        """Wait for the next unit and for its time. Raises `MediaStreamError` when the track has ended."""
        if self.readyState != "live":
            raise MediaStreamError
        item = await self._queue.get()
        if item is None:
            raise MediaStreamError
        self.taken += 1
        early_s = item.due_s - time.monotonic()
        if early_s > WORTH_SLEEPING_S:
            await asyncio.sleep(early_s)
        return item.unit


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

    async def recv(self) -> Packet:
        """Wait for the next packet and for its time. Raises `MediaStreamError` when the track has ended."""
        packet = await super().recv()
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
