"""A file of a stranger becomes a picture: recognised by content, measured before it is decoded."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.build.orientation import exif_orientation, turned
from avatars.build.points import FacePoints
from avatars.build.refusal import BuildRefused
from avatars.imx.pictures import Header, PictureError, PictureType, read_header

FILE_BYTES_MAX: Final = 10 * 1024**2
PIXELS_MAX: Final = 40_000_000
SIDE_MIN_PX: Final = 128
SIDE_MAX_PX: Final = 16_384
# A larger picture gains nothing at the sizes avatars have, and costs time in every step.
WORKING_SIDE_PX: Final = 2600
NEUTRAL_BGR: Final = (224, 218, 212)
OPAQUE_MIN: Final = 250

_END: Final = {PictureType.JPEG: b"\xff\xd9", PictureType.PNG: b"IEND"}
_END_BYTES: Final = 65_536
_HEIC_BRANDS: Final = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif")


@dataclass(frozen=True, slots=True)
class Source:
    """A decoded picture.

    picture: (height, width, 3) uint8 BGR, upright, transparent parts on a neutral background.
    alpha: (height, width) uint8 where the file has transparent parts, else None.
    scale: working pixels per pixel of the file; below 1 for very large pictures.
    """

    picture: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None
    scale: float
    header: Header


def decode(path: Path) -> Source:
    """Open a picture file. Raises `BuildRefused`."""
    data = _bytes(path)
    try:
        header = read_header(data)
    except PictureError as error:
        raise _unknown(data) from error
    _check_size(header)
    _check_end(data, header)
    try:
        picture, alpha = _pixels(data, header)
    except (cv2.error, PictureError) as error:
        raise BuildRefused("damaged", "This picture is damaged. Save it again and upload the new file.") from error
    scale = min(1.0, WORKING_SIDE_PX / max(picture.shape[:2]))
    if scale < 1:
        picture = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        if alpha is not None:
            alpha = np.asarray(cv2.resize(alpha, picture.shape[1::-1], interpolation=cv2.INTER_AREA), np.uint8)
    return Source(picture, alpha, scale, header)


def upright(opened: Source, points: FacePoints) -> tuple[Source, FacePoints, bool]:
    """Turn a picture whose marked face lies on its side or head by quarters until it is upright; tell if that was so."""
    height, width = opened.picture.shape[:2]
    quarters = points.quarter_turns()
    if quarters == 0:
        return opened, points, False
    picture = np.ascontiguousarray(np.rot90(opened.picture, quarters))
    alpha = None if opened.alpha is None else np.ascontiguousarray(np.rot90(opened.alpha, quarters))
    return replace(opened, picture=picture, alpha=alpha), points.turned(quarters, width, height), True


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise BuildRefused("not_found", f"There is no file {path.name}. Check the path.") from error
    except OSError as error:
        raise BuildRefused("not_found", f"The file {path.name} cannot be read. Check its permissions.") from error
    if not data:
        raise BuildRefused("empty", "This file is empty. Choose another picture.")
    if len(data) > FILE_BYTES_MAX:
        raise BuildRefused(
            "too_large", f"Pictures may have up to {FILE_BYTES_MAX // 1024**2} MB. Save this one smaller, as JPEG."
        )
    return data


def _unknown(data: bytes) -> BuildRefused:
    if data[4:8] == b"ftyp":
        if data[8:12] in _HEIC_BRANDS:
            return BuildRefused("not_an_image", "HEIC and AVIF pictures cannot be read. Save it as JPEG and try again.")
        return BuildRefused("not_an_image", "This is a video. Build an avatar from it first, or choose a picture.")
    if data.startswith((b"GIF8", b"BM", b"II*\x00", b"MM\x00*")):
        return BuildRefused("not_an_image", "GIF, BMP and TIFF cannot be read. Save the picture as JPEG or PNG.")
    return BuildRefused("not_an_image", "This file is not a JPEG, PNG or WebP picture. Choose another file.")


def _check_size(header: Header) -> None:
    width, height = header.width, header.height
    if width * height > PIXELS_MAX or max(width, height) > SIDE_MAX_PX:
        raise BuildRefused(
            "too_large",
            f"This picture has {width}x{height} pixels, more than {PIXELS_MAX // 1_000_000} million. Save it smaller.",
        )
    if min(width, height) < SIDE_MIN_PX:
        raise BuildRefused(
            "too_small",
            f"This picture has only {width}x{height} pixels. Use one with at least {SIDE_MIN_PX} on each side.",
        )


def _check_end(data: bytes, header: Header) -> None:
    """Refuse a file that was cut off: decoders would hand back a picture with a grey lower part."""
    if header.type is PictureType.WEBP:
        whole = int.from_bytes(data[4:8], "little") + 8 <= len(data)
    else:
        whole = _END[header.type] in data[-_END_BYTES:]
    if not whole:
        raise BuildRefused("damaged", "The end of this picture is missing. Copy or download it again.")


def _pixels(data: bytes, header: Header) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    packed = np.frombuffer(data, np.uint8)
    if header.type is not PictureType.JPEG:
        full, kinds, blobs = cv2.imdecodeWithMetadata(packed, flags=cv2.IMREAD_UNCHANGED)
        if full is not None and full.ndim == 3 and full.shape[2] == 4:
            exif = next((bytes(blob) for kind, blob in zip(kinds, blobs, strict=True) if kind == _EXIF), b"")
            return _composited(turned(_eight_bit(np.asarray(full)), exif_orientation(exif)))
    picture = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    # EXIF may turn the picture, so either order of the sides is right.
    if picture is None or sorted(picture.shape[:2]) != sorted((header.width, header.height)):
        raise PictureError("not decoded")
    return np.asarray(picture, np.uint8), None


_EXIF: Final = int(cv2.IMAGE_METADATA_EXIF)


def _eight_bit(picture: NDArray[np.generic]) -> NDArray[np.uint8]:
    if picture.dtype == np.uint16:
        return (picture.astype(np.uint32) // 257).astype(np.uint8)
    return picture.astype(np.uint8, copy=False)


def _composited(picture: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    colour, alpha = picture[:, :, :3], picture[:, :, 3]
    if int(alpha.min()) >= OPAQUE_MIN:
        return np.ascontiguousarray(colour), None
    share = alpha[:, :, None].astype(np.float32) / 255
    mixed = colour * share + np.array(NEUTRAL_BGR, np.float32) * (1 - share)
    return mixed.round().astype(np.uint8), np.ascontiguousarray(alpha)
