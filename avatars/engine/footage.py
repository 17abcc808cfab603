"""Footage: a person's own idle motion, as a loop of coded pictures and where the face is in each."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Final

import av
import numpy as np
from av.codec.context import Flags
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from avatars.engine.controls import FRAME_RATE_HZ

CODEC: Final = "h264"
# So nearly without loss that the first picture, coded alone, is not seen to differ from the last; ten seconds stay below
# 10 MB whatever they show.
QUALITY: Final = 8
# What does not move is not touched again: without these every picture improves a little on the one before, and a still
# wall shimmers. All pictures are as good as the first, so that nothing is seen where it follows the last.
STILLNESS: Final = "trellis=0:deadzone-inter=28:psy=0:aq-mode=0:mbtree=0"
RATE_MAX_KBIT_S: Final = 6500
FRAMES_MAX: Final = 400

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class OwnMouth:
    """What was learnt of how a person's own mouth looks.

    network: ONNX, from the box of a drawn mouth to what has to be changed in it. gain: how much wider lips have to be
    drawn to be seen, after that, as far open as they were asked to be.
    """

    network: bytes
    gain: float


@dataclass(frozen=True, slots=True, eq=False)
class Footage:
    """The moving picture behind a portrait.

    packets: H.264, one coded picture each, without B-frames; the first can be decoded alone, with its headers. The last
    is followed by the first without a seam. poses: (frames, 2, 3) float32, the similarity from the portrait's pixels to
    those of each picture as far as the mouth is concerned; the first is the portrait's own. blur_px: how soft its
    pictures are, as the sigma of a Gaussian; what is drawn into them is made as soft. inside: (4,) float32, a scale and
    an offset of B, G and R that bring a drawn inside of the mouth to the person's own colours, or None. mouth: what
    paints the person's own mouth over the drawn one, or None.
    """

    packets: tuple[bytes, ...]
    poses: NDArray[np.float32]
    blur_px: float = 0.0
    inside: NDArray[np.float32] | None = None
    mouth: OwnMouth | None = None

    def __len__(self) -> int:
        return len(self.packets)


class FootageDamaged(ValueError):
    """Coded pictures that cannot be decoded."""


def encode(
    pictures: Iterator[Picture],
    width: int,
    height: int,
    *,
    quality: int = QUALITY,
    rate_max_kbit_s: int = RATE_MAX_KBIT_S,
) -> Iterator[bytes]:
    """Code I420 pictures (height * 3 // 2, width), one packet each: quick to decode, headers with the first.

    quality: x264's constant rate factor, smaller is better.
    """
    coder = av.CodecContext.create("libx264", "w")
    assert isinstance(coder, VideoCodecContext)
    coder.width, coder.height, coder.pix_fmt = width, height, "yuv420p"
    coder.framerate, coder.time_base = Fraction(FRAME_RATE_HZ), Fraction(1, FRAME_RATE_HZ)
    coder.thread_count = 1
    rate = f"vbv-maxrate={rate_max_kbit_s}:vbv-bufsize={2 * rate_max_kbit_s}"
    coder.options = {
        "preset": "medium",
        "tune": "fastdecode",
        "crf": str(quality),
        "x264-params": f"bframes=0:keyint=infinite:scenecut=0:rc-lookahead=10:repeat-headers=1:{STILLNESS}:{rate}",
    }
    for index, picture in enumerate(pictures):
        frame = VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = index
        yield from (bytes(packet) for packet in coder.encode(frame))
    yield from (bytes(packet) for packet in coder.encode(None))


def split(stream: bytes) -> tuple[bytes, ...]:
    """The packets of pictures that `encode` made, from their joined bytes. Raises `FootageDamaged`."""
    try:
        decoder = _decoder()
        return tuple(bytes(packet) for packet in (*decoder.parse(stream), *decoder.parse(None)))
    except FFmpegError as error:
        raise FootageDamaged("the coded pictures cannot be told apart") from error


def _decoder() -> VideoCodecContext:
    decoder = av.CodecContext.create(CODEC, "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    decoder.flags |= Flags.low_delay
    return decoder


@cache
def decoding() -> ThreadPoolExecutor:
    """The one thread that decodes ahead for all sessions of this process."""
    return ThreadPoolExecutor(1, "footage")


class Reel:
    """Footage wound on picture by picture, round and round."""

    def __init__(self, footage: Footage, width: int, height: int) -> None:
        self._footage, self._size = footage, (width, height)
        self._decoder = _decoder()
        self.at = 0
        """The number of the picture that comes next."""

    def next(self) -> tuple[int, Picture]:
        """The next picture's number and I420 (height * 3 // 2, width) uint8. Raises `FootageDamaged`."""
        number = self.at
        return number, np.asarray(self._wound().to_ndarray(), np.uint8)

    def skip(self) -> None:
        """Pass the next picture over, which takes less than to have it. Raises `FootageDamaged`."""
        self._wound()

    def _wound(self) -> VideoFrame:
        try:
            frames = self._decoder.decode(av.Packet(self._footage.packets[self.at]))
        except FFmpegError as error:
            raise FootageDamaged("a picture of the footage cannot be decoded") from error
        if len(frames) != 1 or (frames[0].width, frames[0].height) != self._size or frames[0].format.name != "yuv420p":
            raise FootageDamaged("a picture of the footage is not what it should be")
        self.at = (self.at + 1) % len(self._footage)
        return frames[0]
