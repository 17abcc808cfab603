"""The two tracks of a session, and the outlet that feeds them: a frame and its 40 ms of sound travel together.

The media thread encodes and hands finished packets to the event loop, which only sends them. Encoding in the library's
way would cost three trips through an executor for each frame.
"""

import asyncio
import threading
import time
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import av
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av.packet import Packet as AvPacket
from numpy.typing import NDArray

from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from realtime.rtc.clock import Tick
from realtime.rtc.encoder import (
    RTP_AUDIO_HZ,
    SAMPLES_PER_PACKET,
    FaceEncoder,
    Packet,
    VoiceEncoder,
    picture_frame,
    silence_packet,
)

# A request for a key frame within this many frames of the last one is met by that one.
KEY_INTERVAL_FRAMES: Final = 6
LONGEST_BACKLOG_FRAMES: Final = 5
WORTH_SLEEPING_S: Final = 0.002
# Frames are made so long before they are sent: making one takes longer now and then, and a browser answers uneven sound
# with a longer buffer for minutes.
SENT_AFTER_S: Final = 0.030
# Browsers show pictures a little before the sound that was sent with them; see docs/performance.md.
PICTURE_AFTER_SOUND_S: Final = 0.020

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


class Outlet:
    """Takes frames with their sound on the media thread and brings them to both tracks on the event loop.

    Made on the event loop. `feed` and `backlog_frames` belong to the media thread, the rest to the loop.
    """

    def __init__(self, width: int, height: int) -> None:
        self.face, self.voice = FaceTrack(), VoiceTrack()
        self.pictures_sent = 0
        self._loop = asyncio.get_running_loop()
        self._face_encoder: FaceEncoder | None = FaceEncoder(width, height)
        self._voice_encoder: VoiceEncoder | None = VoiceEncoder()
        self._fed = 0
        self._last_index = 0
        self._key_wanted = threading.Event()
        self._last_key = -KEY_INTERVAL_FRAMES
        self._closed = False

    def send_frames_raw(self) -> None:
        """Let the connection encode the picture itself, as VP8. Call before the first `feed`."""
        self._face_encoder = None

    def request_key_frame(self) -> None:
        """Make one of the next pictures a key frame."""
        self._key_wanted.set()

    def hush(self) -> None:
        """Say nothing more of what was made so far: an interrupted voice ends with the packet that is under way.

        Two frames beyond the last are meant, too: one may be in the making, and in the next the voice still fades.
        """
        self.voice.hush((self._last_index + 3) * SAMPLES_PER_FRAME * RTP_AUDIO_HZ // SAMPLE_RATE_HZ)

    @property
    def backlog_frames(self) -> int:
        """How many frames' sound waits to be sent."""
        return self._fed - self.voice.taken * SAMPLES_PER_PACKET // SAMPLES_PER_FRAME

    @property
    def congested(self) -> bool:
        """Whether the event loop or the network is so far behind that making more would only add to it."""
        return self.backlog_frames >= LONGEST_BACKLOG_FRAMES

    def feed(self, tick: Tick, picture: NDArray[np.uint8], samples: NDArray[np.int16]) -> None:
        """Encode one frame and its sound, and pass both on.

        picture: (height * 3 // 2, width) uint8 I420, read before this returns; samples: (960,) int16.
        """
        voice_encoder = self._voice_encoder
        if voice_encoder is None:
            return
        self._last_index = tick.index
        face = self._encode_face(tick, picture) if tick.picture else None
        position = tick.index * SAMPLES_PER_FRAME
        voice = [
            (
                voice_encoder.encode(samples[start : start + SAMPLES_PER_PACKET], position + start),
                tick.due_s + SENT_AFTER_S + start / SAMPLE_RATE_HZ,
            )
            for start in range(0, SAMPLES_PER_FRAME, SAMPLES_PER_PACKET)
        ]
        self._fed += 1
        # The loop is closed when a process ends in the middle of a frame.
        if not self._closed and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._put, face, tick.due_s + SENT_AFTER_S + PICTURE_AFTER_SOUND_S, voice)

    def _encode_face(self, tick: Tick, picture: NDArray[np.uint8]) -> Packet | av.VideoFrame:
        self.pictures_sent += 1
        encoder = self._face_encoder
        if encoder is None:
            return picture_frame(picture, tick.index)
        key = self._key_wanted.is_set() and tick.index - self._last_key >= KEY_INTERVAL_FRAMES
        if key or self.pictures_sent == 1:
            self._key_wanted.clear()
            self._last_key = tick.index
        return encoder.encode(picture, tick.index, key=key)

    def _put(self, face: Packet | av.VideoFrame | None, due_s: float, voice: list[tuple[Packet, float]]) -> None:
        if self._closed:
            return
        if face is not None:
            self.face.put(face, due_s)
        for packet, packet_due_s in voice:
            self.voice.put(packet, packet_due_s)

    def close(self) -> None:
        """End both tracks and let the encoders go; a closed connection is kept until the garbage collector comes by."""
        self._closed = True
        self._face_encoder = self._voice_encoder = None
        self.face.stop()
        self.voice.stop()
