"""JPEG, PNG and WebP as bytes: sizes read from the header before anything is decoded, and exact coding."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
PLATE_QUALITY: Final = 92
POSTER_QUALITY: Final = 88

# JPEG markers that open a frame and so carry the size: SOF0..SOF15 without the tables DHT, JPG and DAC.
_FRAME_MARKERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE_MARKERS: Final = frozenset({0x01, *range(0xD0, 0xD9)})


class PictureType(StrEnum):
    """The picture formats Parlo reads."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WebP"


@dataclass(frozen=True, slots=True)
class Header:
    """What the first bytes of a picture say. Width and height are as stored, before any EXIF turn."""

    type: PictureType
    width: int
    height: int
    animated: bool = False


class PictureError(ValueError):
    """Bytes that are no picture Parlo reads, or a damaged one."""


def read_header(data: bytes) -> Header:
    """Read type and size of a picture without decoding it. Raises `PictureError`."""
    header = None
    if data.startswith(PNG_SIGNATURE):
        header = _png(data)
    elif data.startswith(b"\xff\xd8\xff"):
        header = _jpeg(data)
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        header = _webp(data)
    if header is None or header.width < 1 or header.height < 1:
        raise PictureError("no picture header")
    return header


def _png(data: bytes) -> Header | None:
    if len(data) < 33 or data[12:16] != b"IHDR":
        return None
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    return Header(PictureType.PNG, width, height, animated=b"acTL" in data[33:128])


def _jpeg(data: bytes) -> Header | None:
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _BARE_MARKERS:
            at += 2
        elif marker in _FRAME_MARKERS:
            height, width = int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
            return Header(PictureType.JPEG, width, height)
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _webp(data: bytes) -> Header | None:
    chunk, body = data[12:16], data[20:30]
    if len(body) < 10:
        return None
    if chunk == b"VP8X":
        width, height = (1 + int.from_bytes(body[at : at + 3], "little") for at in (4, 7))
        return Header(PictureType.WEBP, width, height, animated=bool(body[0] & 0x02))
    if chunk == b"VP8L" and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return Header(PictureType.WEBP, 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if chunk == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width, height = (int.from_bytes(body[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        return Header(PictureType.WEBP, width, height)
    return None


def decode_exact(data: bytes, width: int, height: int, flags: int) -> NDArray[np.uint8]:
    """Decode a picture whose size is known; anything else is refused before it is decoded. Raises `PictureError`."""
    header = read_header(data)
    if (header.width, header.height) != (width, height):
        raise PictureError(f"a picture of {header.width}x{header.height} where {width}x{height} was declared")
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if picture is None or picture.shape[:2] != (height, width):
        raise PictureError("a damaged picture")
    return np.asarray(picture, np.uint8)


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """Return a grey or BGR picture as PNG, without loss."""
    return _encoded(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 6])


def encode_jpeg(picture: NDArray[np.uint8], quality: int) -> bytes:
    """Return a BGR picture as JPEG with full colour resolution."""
    full_colour = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return _encoded(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality, *full_colour])


def _encoded(extension: str, picture: NDArray[np.uint8], options: list[int]) -> bytes:
    done, data = cv2.imencode(extension, picture, options)
    if not done:
        raise PictureError(f"could not be written as {extension}")
    return data.tobytes()
