"""Which way up a picture is, from its EXIF block."""

from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

_ORIENTATION_TAG: Final = 0x0112
_ENTRY_BYTES: Final = 12

Scalar = TypeVar("Scalar", bound=np.generic)


def exif_orientation(exif: bytes) -> int:
    """Return the EXIF orientation 1..8; 1, upright, where there is none to be read."""
    block = exif.removeprefix(b"Exif\x00\x00")
    order = {b"II*\x00": "little", b"MM\x00*": "big"}.get(block[:4])
    if order is None:
        return 1

    def number(at: int, size: int) -> int:
        return int.from_bytes(block[at : at + size], "little" if order == "little" else "big")

    start = number(4, 4)
    for index in range(number(start, 2)):
        at = start + 2 + index * _ENTRY_BYTES
        if at + _ENTRY_BYTES > len(block):
            break
        if number(at, 2) == _ORIENTATION_TAG:
            value = number(at + 8, 2)
            return value if 1 <= value <= 8 else 1
    return 1


def turned(picture: NDArray[Scalar], orientation: int) -> NDArray[Scalar]:
    """Return the picture upright, given its EXIF orientation."""
    if orientation in {5, 6, 7, 8}:
        picture = np.swapaxes(picture, 0, 1)
    if orientation in {2, 3, 6, 7}:
        picture = picture[:, ::-1]
    if orientation in {3, 4, 7, 8}:
        picture = picture[::-1]
    return np.ascontiguousarray(picture)
