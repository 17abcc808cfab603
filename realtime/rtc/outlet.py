"""The outlet of a session: frames go in with their sound, are encoded once, and leave by a transport.

The media thread encodes and hands finished packets to the event loop, which only sends them. Encoding in the library's
way would cost three trips through an executor for each frame.
"""

import asyncio
import threading
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from realtime.rtc.clock import Tick
from realtime.rtc.encoder import (
    RTP_AUDIO_HZ,
    SAMPLES_PER_PACKET,
    FaceEncoder,
    Packet,
    VoiceEncoder,
    max_rate_kbit_s,
    picture_frame,
)
from realtime.rtc.ladder import FIRST_RUNG
from realtime.rtc.transport import LONGEST_BACKLOG_FRAMES, Transport, TransportStats

# A request for a key frame within this many frames of the last one is met by that one.
KEY_INTERVAL_FRAMES: Final = 6
# Asking, being heard and seeing the answer takes a while on a long way, and browsers ask again meanwhile.
LOST_KEY_INTERVAL_FRAMES: Final = 15
# One who loses pictures all the time must not spoil them for everybody.
SHARED_KEY_INTERVAL_FRAMES: Final = 25
# Frames are made so long before they are sent: making one takes longer now and then, and a browser answers uneven sound
# with a longer buffer for minutes.
SENT_AFTER_S: Final = 0.030
# Browsers show pictures a little before the sound that was sent with them; see docs/performance.md.
PICTURE_AFTER_SOUND_S: Final = 0.005


class Outlet:
    """Takes frames with their sound on the media thread and pushes them on the event loop.

    Made on the event loop. `feed` and `congested` belong to the media thread, the rest to the loop.
    """

    def __init__(self, width: int, height: int, transport: Transport) -> None:
        self.pictures_sent = 0
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._size = (width, height)
        self._rung = FIRST_RUNG
        self._face_encoder: FaceEncoder | None = FaceEncoder(width, height, FIRST_RUNG)
        self._voice_encoder: VoiceEncoder | None = VoiceEncoder()
        self._fed = self._pushed = 0
        self._last_index = 0
        self._key_wanted = threading.Event()
        self._somebody_came = threading.Event()
        self._last_key = -KEY_INTERVAL_FRAMES
        self._closed = False
        transport.open(self._want_key_frame)

    def _want_key_frame(self, joining: bool) -> None:
        if joining:
            self._somebody_came.set()
        self._key_wanted.set()

    def hush(self) -> None:
        """Say nothing more of what was made so far: an interrupted voice ends with the packet that is under way.

        Two frames beyond the last are meant, too: one may be in the making, and in the next the voice still fades.
        """
        self._transport.interrupt((self._last_index + 3) * SAMPLES_PER_FRAME * RTP_AUDIO_HZ // SAMPLE_RATE_HZ)

    @property
    def backlog_frames(self) -> int:
        """How many frames wait to be sent, on the event loop and beyond."""
        return self._fed - self._pushed + self._transport.stats().backlog_frames

    @property
    def rate_kbit_s(self) -> int:
        """The cap on the picture's bits at present."""
        return max_rate_kbit_s(*self._size, self._rung)

    @property
    def congested(self) -> bool:
        """Whether the event loop or the network is so far behind that making more would only add to it."""
        return self.backlog_frames >= LONGEST_BACKLOG_FRAMES

    def feed(
        self, tick: Tick, picture: NDArray[np.uint8], samples: NDArray[np.int16], *, unchanged: bool = False
    ) -> None:
        """Encode one frame and its sound, and pass both on.

        picture: (height * 3 // 2, width) uint8 I420, read before this returns; samples: (960,) int16. unchanged: the picture
        is that of the frame before.
        """
        face_encoder, voice_encoder = self._face_encoder, self._voice_encoder
        if face_encoder is None or voice_encoder is None:
            return
        self._last_index = tick.index
        face = self._encode_face(tick, picture, unchanged=unchanged) if tick.picture else []
        position = tick.index * SAMPLES_PER_FRAME
        voice = [
            (
                voice_encoder.encode(samples[start : start + SAMPLES_PER_PACKET], position + start),
                self.leaves_s(tick) + start / SAMPLE_RATE_HZ,
            )
            for start in range(0, SAMPLES_PER_FRAME, SAMPLES_PER_PACKET)
        ]
        self._fed += 1
        # The loop is closed when a process ends in the middle of a frame.
        if not self._closed and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._push, face, self.leaves_s(tick) + PICTURE_AFTER_SOUND_S, voice)

    def leaves_s(self, tick: Tick) -> float:
        """When the sound of a frame begins to be sent; its picture is a moment later."""
        return tick.due_s + SENT_AFTER_S

    def _encode_face(self, tick: Tick, picture: NDArray[np.uint8], *, unchanged: bool) -> list[Packet | av.VideoFrame]:
        self.pictures_sent += 1
        stats = self._transport.stats()
        units: list[Packet | av.VideoFrame] = []
        if stats.packets:
            key = self._is_key(tick.index, stats)
            if encoder := self._face_encoder:
                units.append(encoder.encode(picture, tick.index, key=key, unchanged=unchanged))
        if stats.frames:
            units.append(picture_frame(picture, tick.index))
        return units

    def _is_key(self, index: int, stats: TransportStats) -> bool:
        """Whether this picture has to be a key frame: somebody came, somebody lost pictures, or the rung is another."""
        alone = stats.receivers <= 1
        distance = LOST_KEY_INTERVAL_FRAMES if alone else SHARED_KEY_INTERVAL_FRAMES
        if self._somebody_came.is_set():
            distance = KEY_INTERVAL_FRAMES
        changed = stats.rung != self._rung and index - self._last_key >= KEY_INTERVAL_FRAMES
        if changed and self._face_encoder is not None:
            self._rung = stats.rung
            self._face_encoder = FaceEncoder(*self._size, self._rung)
        key = changed or (self._key_wanted.is_set() and index - self._last_key >= distance)
        if key:
            self._somebody_came.clear()
            self._key_wanted.clear()
            self._last_key = index
        return key

    def _push(self, face: list[Packet | av.VideoFrame], due_s: float, voice: list[tuple[Packet, float]]) -> None:
        self._pushed += 1
        if self._closed:
            return
        for unit in face:
            self._transport.push_video(unit, due_s)
        for packet, packet_due_s in voice:
            self._transport.push_audio(packet, packet_due_s)

    def close(self) -> None:
        """Send nothing more and let the encoders go."""
        self._closed = True
        self._face_encoder = self._voice_encoder = None
        self._transport.close()
