"""The encoders of a live session: H.264 for the face, Opus for the voice.

WebRTC libraries follow every estimate of the bandwidth with a new encoder, and so with a burst of a key frame. Here a face has a
constant quality with a cap, and the cap a few fixed rungs (`ladder.py`) that are seldom changed.
"""

import math
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.packet import Packet as AvPacket
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.plane import VideoPlane
from numpy.typing import NDArray

from avatars.engine.controls import FRAME_RATE_HZ
from avatars.engine.face.i420 import planes
from avatars.engine.speech.spoken import SAMPLE_RATE_HZ
from realtime.rtc.h264 import Still
from realtime.rtc.ladder import RUNGS

# Generic in its type stubs alone.
if TYPE_CHECKING:
    Packet: TypeAlias = AvPacket[Any]
else:
    Packet = AvPacket

QUALITY_CRF: Final = 27
MAX_RATE_KBIT_S: Final = 900
"""The cap at 512x512; larger pictures have more, by the root of their area, as more of them stands still."""
# Of a second: so much may a key frame take. Where the network is narrow, the voice must not wait for it.
BUFFER_S: Final = 0.5
NARROW_BUFFER_S: Final = 0.25
CAPPED_AREA_PX: Final = 512 * 512
FRAME_TIME_BASE: Final = Fraction(1, FRAME_RATE_HZ)

OPUS_BIT_RATE: Final = 40_000
# Each packet repeats, coarsely, what was in the one before, so that one lost alone is hardly heard, for a fifth of the bits.
OPUS_EXPECTED_LOSS_PERCENT: Final = 10
# More takes nearly twice as long, and the sound comes no nearer to what it was.
OPUS_COMPLEXITY: Final = 1
OPUS_PACKET_MS: Final = 20
SAMPLES_PER_PACKET: Final = SAMPLE_RATE_HZ * OPUS_PACKET_MS // 1000
# After so many packets of silence an encoder has settled: what follows sounds the same.
SETTLING_PACKETS: Final = 10
# RTP counts Opus at 48 kHz whatever rate it is made from.
RTP_AUDIO_HZ: Final = 48_000
RTP_AUDIO_TIME_BASE: Final = Fraction(1, RTP_AUDIO_HZ)


def max_rate_kbit_s(width: int, height: int, rung: int = 0) -> int:
    """Return the cap on the bits of a picture of this size: at the top 900 at 512x512, 1688 at 720x1280."""
    return round(RUNGS[rung] * MAX_RATE_KBIT_S * math.sqrt(max(1.0, width * height / CAPPED_AREA_PX)))


def h264_context(width: int, height: int, rung: int = 0) -> VideoCodecContext:
    """Make the live encoder: constrained baseline, no frame waits for another, key frames only when asked for.

    Width and height in pixels, both even. rung: of `RUNGS`. Raises `ValueError` when they are not.
    """
    if width % 2 or height % 2 or width <= 0 or height <= 0:
        raise ValueError(f"a picture of {width}x{height} cannot be encoded: both sides must be even")
    rate_kbit_s = max_rate_kbit_s(width, height, rung)
    buffer_kbit = round((NARROW_BUFFER_S if rung else BUFFER_S) * rate_kbit_s)
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.framerate, context.time_base = Fraction(FRAME_RATE_HZ), FRAME_TIME_BASE
    context.thread_count = 1
    context.profile = "Constrained Baseline"
    context.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "crf": str(QUALITY_CRF),
        "forced-idr": "1",
        "x264-params": (
            f"vbv-maxrate={rate_kbit_s}:vbv-bufsize={buffer_kbit}:keyint=infinite:scenecut=0:deblock=0,0:threads=1:"
            # A head that moves by fractions of a pixel would else be coded anew all the time.
            "subme=1"
        ),
    }
    return context


class FaceEncoder:
    """One session's picture encoder, at one rung. The first picture is a key frame."""

    def __init__(self, width: int, height: int, rung: int = 0) -> None:
        self._context = h264_context(width, height, rung)
        # One frame for all pictures: x264 has read it when `encode` returns, and a new one costs more than the copy.
        self._frame = av.VideoFrame(width, height, "yuv420p")
        self._planes = [_view(plane) for plane in self._frame.planes]
        self._shape = (height * 3 // 2, width)
        self._still = Still(width, height)

    def encode(self, picture: NDArray[np.uint8], index: int, *, key: bool = False, unchanged: bool = False) -> Packet:
        """Encode frame number `index` of the session.

        picture: (height * 3 // 2, width) uint8 I420, read before this returns. unchanged: it is that of the call before,
        and is then told in a few bytes where that is possible. Raises `ValueError` for another shape and `av.FFmpegError`
        when the encoder fails.
        """
        if picture.shape != self._shape:
            raise ValueError(f"the encoder takes pictures of {self._shape}, not of {picture.shape}")
        if unchanged and not key and (again := self._still.again()) is not None:
            packet = AvPacket(again)
            packet.pts, packet.dts, packet.time_base = index, index, FRAME_TIME_BASE
            return packet
        frame = self._frame
        luma, chroma = planes(picture, frame.height, frame.width)
        for plane, drawn in zip(self._planes, (luma, *chroma), strict=True):
            np.copyto(plane, drawn)
        frame.pts, frame.time_base = index, FRAME_TIME_BASE
        frame.pict_type = PictureType.I if key else PictureType.NONE
        packets = self._context.encode(frame)
        if len(packets) != 1:
            raise ValueError(f"the encoder made {len(packets)} packets of one picture")
        self._still.note(bytes(packets[0]))
        return packets[0]


class VoiceEncoder:
    """One session's voice encoder: mono, 24 kHz, a packet for each 20 ms. Lasting silence costs nothing."""

    def __init__(self) -> None:
        self._silent_packets = 0
        context = av.CodecContext.create("libopus", "w")
        assert isinstance(context, AudioCodecContext)
        context.sample_rate, context.layout, context.format = SAMPLE_RATE_HZ, "mono", "s16"
        context.time_base = Fraction(1, SAMPLE_RATE_HZ)
        context.bit_rate = OPUS_BIT_RATE
        context.options = {
            "application": "voip",
            "compression_level": str(OPUS_COMPLEXITY),
            "frame_duration": str(OPUS_PACKET_MS),
            "fec": "1",
            "packet_loss": str(OPUS_EXPECTED_LOSS_PERCENT),
        }
        self._context = context

    def encode(self, samples: NDArray[np.int16], position: int) -> Packet:
        """Encode the 20 ms, (480,) int16, that start at sample `position` of the session.

        The packet's pts is the RTP time, in 1/48000 s. Raises `ValueError` for another length.
        """
        if samples.shape != (SAMPLES_PER_PACKET,):
            raise ValueError(f"an Opus packet takes {SAMPLES_PER_PACKET} samples, not {samples.shape}")
        self._silent_packets = 0 if samples.any() else self._silent_packets + 1
        packet = self._silence() if self._silent_packets > SETTLING_PACKETS else self._encoded(samples, position)
        # The encoder counts its own delay into the time; both tracks count from the samples alone.
        packet.time_base = RTP_AUDIO_TIME_BASE
        packet.pts = packet.dts = position * RTP_AUDIO_HZ // SAMPLE_RATE_HZ
        return packet

    def _encoded(self, samples: NDArray[np.int16], position: int) -> Packet:
        packets = self._context.encode(voice_frame(samples, position))
        if len(packets) != 1:
            raise ValueError(f"the encoder made {len(packets)} packets of one piece of sound")
        return packets[0]

    @staticmethod
    def _silence() -> Packet:
        return AvPacket(silence_packet())


@cache
def silence_packet() -> bytes:
    """20 ms of silence in Opus, as an encoder makes it that has been silent for a while."""
    encoder = VoiceEncoder()
    silence = np.zeros(SAMPLES_PER_PACKET, np.int16)
    packets = [encoder.encode(silence, number * SAMPLES_PER_PACKET) for number in range(SETTLING_PACKETS)]
    return bytes(packets[-1])


def _view(plane: VideoPlane) -> NDArray[np.uint8]:
    """The pixels of a plane, (height, width), without what its lines are padded with."""
    buffer: Any = plane
    lines: NDArray[np.uint8] = np.frombuffer(buffer, np.uint8).reshape(-1, plane.line_size)
    return lines[: plane.height, : plane.width]


def picture_frame(picture: NDArray[np.uint8], index: int) -> av.VideoFrame:
    """Copy an I420 picture into a frame with the time of frame number `index`."""
    frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
    frame.pts, frame.time_base = index, FRAME_TIME_BASE
    return frame


def voice_frame(samples: NDArray[np.int16], position: int) -> av.AudioFrame:
    """Copy mono samples into a frame with the time of sample `position`."""
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE_HZ, position, Fraction(1, SAMPLE_RATE_HZ)
    return frame
