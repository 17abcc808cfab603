"""A stranger's video becomes pictures: recognised by content, limited in size, length, resolution and frame count."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from avatars.build.refusal import BuildRefused

FILE_BYTES_MAX: Final = 100 * 1024**2
SECONDS_MIN: Final = 3.0
SECONDS_MAX: Final = 60.0
# A camera's last frame, or its clock, may reach a little beyond.
SECONDS_SLACK: Final = 0.5
SIDE_MIN_PX: Final = 128
PIXELS_MAX: Final = 3840 * 2160
FRAMES_MAX: Final = 7200
CODECS: Final = frozenset({"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg", "prores"})
# A face shows nothing new above this rate; of faster clips every second, third or fourth picture is looked at.
RATE_ENOUGH_HZ: Final = 24.0
RATE_MIN_HZ: Final = 8.0
HEAD_BYTES: Final = 16

_PICTURE_BRANDS: Final = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif")
_DAMAGED: Final = "This video is damaged. Save it again, as MP4 with H.264, and upload the new file."

Picture = NDArray[np.uint8]


def clip_format(head: bytes) -> str | None:
    """Tell from a file's first `HEAD_BYTES` which video container it is: "mov", "matroska", or None."""
    if head[4:8] == b"ftyp":
        return None if head[8:12] in _PICTURE_BRANDS else "mov"
    if head[4:8] in {b"moov", b"mdat", b"wide"}:
        return "mov"
    return "matroska" if head.startswith(b"\x1a\x45\xdf\xa3") else None


def is_clip(path: Path) -> bool:
    """Tell whether a file is a video; False for one that cannot be read."""
    try:
        with path.open("rb") as file:
            return clip_format(file.read(HEAD_BYTES)) is not None
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Clip:
    """A video whose header was found to be within the limits.

    width, height: of its pictures, upright, with square pixels. seconds: its length, 0 where the file does not say.
    rate_hz: of the pictures that `pictures` yields: every `every`th of the file. least_s, most_s: how long it may last.
    sounds: whether there is sound in it, which is not opened here.
    """

    path: Path
    format: str
    codec: str
    width: int
    height: int
    seconds: float
    rate_hz: float
    every: int
    least_s: float = SECONDS_MIN
    most_s: float = SECONDS_MAX
    sounds: bool = False

    def pictures(self, first: int = 0, last: int | None = None, *, side_px: int = 0) -> Iterator[tuple[float, Picture]]:
        """Yield time in seconds and (height, width, 3) uint8 BGR of the pictures `first` to `last`, both included.

        side_px: pictures larger than this are drawn smaller, 0 leaves them as they are. Raises `BuildRefused`.
        """
        scale = min(1.0, side_px / max(self.width, self.height)) if side_px else 1.0
        size = max(2, round(self.width * scale)), max(2, round(self.height * scale))
        with _opened(self.path, self.format) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            shape = (stream.codec_context.width, stream.codec_context.height)
            began: float | None = None
            for index, frame in enumerate(container.decode(stream)):
                if index >= FRAMES_MAX:
                    raise BuildRefused("too_large", f"This video has more than {FRAMES_MAX} pictures. Save fewer.")
                if (frame.width, frame.height) != shape:
                    raise BuildRefused("damaged", "The size of this video changes on the way. Save it again as MP4.")
                time_s = frame.time if frame.time is not None else index / (self.rate_hz * self.every)
                began = time_s if began is None else began
                if time_s - began > self.most_s + SECONDS_SLACK:
                    raise _too_long(None, self.most_s)
                number, skipped = divmod(index, self.every)
                if skipped or number < first:
                    continue
                if last is not None and number > last:
                    return
                yield time_s - began, _upright(frame, size)


def open_clip(path: Path, *, least_s: float = SECONDS_MIN, most_s: float = SECONDS_MAX) -> Clip:
    """Look at a video's header. Raises `BuildRefused` where it is none, or beyond the limits.

    least_s, most_s: how long it may last, seconds.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            form = clip_format(file.read(HEAD_BYTES))
    except FileNotFoundError as error:
        raise BuildRefused("not_found", f"There is no file {path.name}. Check the path.") from error
    except OSError as error:
        raise BuildRefused("not_found", f"The file {path.name} cannot be read. Check its permissions.") from error
    if form is None:
        raise BuildRefused("not_a_video", "This file is not an MP4, MOV or WebM video. Choose another file.")
    if size > FILE_BYTES_MAX:
        raise BuildRefused("too_large", f"Videos may have up to {FILE_BYTES_MAX // 1024**2} MB. Save a shorter one.")
    with _opened(path, form) as container:
        if not container.streams.video:
            raise BuildRefused("not_a_video", "This file has sound and no picture. Choose a video that shows a face.")
        stream = container.streams.video[0]
        context = stream.codec_context
        if context.name not in CODECS:
            raise BuildRefused("not_a_video", f"Videos in {context.name} cannot be read. Save it as MP4 with H.264.")
        if context.width * context.height > PIXELS_MAX:
            raise BuildRefused(
                "too_large", f"This video has {context.width}x{context.height} pixels. Save it smaller, as 1080p."
            )
        if min(context.width, context.height) < SIDE_MIN_PX:
            raise BuildRefused(
                "too_small",
                f"This video has only {context.width}x{context.height} pixels. "
                f"Use one with at least {SIDE_MIN_PX} on each side.",
            )
        seconds = 0.0 if container.duration is None else container.duration / av.time_base
        if seconds:
            _check_length(seconds, least_s, most_s)
        rate_hz = float(stream.average_rate or stream.guessed_rate or 25)
        first = next(container.decode(stream), None)
        if first is None:
            raise BuildRefused("damaged", _DAMAGED)
        sounds = bool(container.streams.audio)
        aspect = float(stream.sample_aspect_ratio or 1) or 1.0
    width, height = round(context.width * aspect) if 0.25 < aspect < 4 else context.width, context.height
    if first.rotation % 180:
        width, height = height, width
    every = max(1, int(rate_hz / RATE_ENOUGH_HZ + 0.02))
    if rate_hz < RATE_MIN_HZ:
        raise BuildRefused(
            "too_few_frames", f"This video has only {rate_hz:.0f} pictures a second. Use one with 24 or more."
        )
    return Clip(path, form, context.name, width, height, seconds, rate_hz / every, every, least_s, most_s, sounds)


def _check_length(seconds: float, least_s: float, most_s: float) -> None:
    if seconds > most_s + SECONDS_SLACK:
        raise _too_long(seconds, most_s)
    if seconds < least_s - 0.05:
        raise too_short(seconds, least_s)


def too_short(seconds: float, least_s: float) -> BuildRefused:
    """The refusal of a video that ends too soon."""
    return BuildRefused("too_short", f"This video lasts {seconds:.1f} seconds. Use one of {least_s:g} seconds or more.")


def _too_long(seconds: float | None, most_s: float) -> BuildRefused:
    lasts = f"lasts {seconds:.0f} seconds" if seconds else "is too long"
    return BuildRefused("too_long", f"This video {lasts}. Cut it to {most_s:.0f} seconds or less.")


@contextmanager
def _opened(path: Path, form: str) -> Iterator[InputContainer]:
    """The file open for one demuxer; what goes wrong inside becomes a refusal."""
    try:
        # The demuxer is named: none of the hundreds of others ever sees a stranger's bytes.
        with av.open(str(path), format=form, timeout=20) as container:
            yield container
    except (FFmpegError, OverflowError, MemoryError) as error:
        raise BuildRefused("damaged", _DAMAGED) from error


def _upright(frame: VideoFrame, size: tuple[int, int]) -> Picture:
    """One frame as BGR of `size` (width, height), turned as its camera was."""
    turns = round(frame.rotation / 90) % 4
    across, down = size[::-1] if turns % 2 else size
    same = (across, down) == (frame.width, frame.height)
    picture = frame.to_ndarray(format="bgr24") if same else _resized(frame, across, down)
    # The display matrix turns counterclockwise.
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else np.asarray(picture, np.uint8)


def _resized(frame: VideoFrame, width: int, height: int) -> Picture:
    small = frame.reformat(width, height, "bgr24", interpolation="AREA") if width < frame.width else None
    if small is not None:
        return np.asarray(small.to_ndarray(), np.uint8)
    picture = frame.to_ndarray(format="bgr24")
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
