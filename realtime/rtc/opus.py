"""Decoding Opus with what only its own library can do: recovering a lost packet from the next one, and guessing one that is gone.

The library is the one that PyAV brings along, or the system's.
"""

import ctypes
import ctypes.util
from functools import cache
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

# No Opus packet is longer.
LONGEST_PACKET_MS: Final = 120


@cache
def _library() -> ctypes.CDLL:
    packages = Path(av.__file__).parent
    bundled = [*packages.parent.glob("av.libs/libopus[-.]*"), *packages.glob(".dylibs/libopus[-.]*")]
    name = str(bundled[0]) if bundled else ctypes.util.find_library("opus")
    if name is None:
        raise OSError(
            "There is no Opus library: neither PyAV nor the system has one. On Debian: apt-get install libopus0"
        )
    library = ctypes.CDLL(name)
    library.opus_decoder_create.restype = ctypes.c_void_p
    library.opus_decoder_create.argtypes = [ctypes.c_int32, ctypes.c_int, ctypes.POINTER(ctypes.c_int)]
    library.opus_decoder_destroy.restype = None
    library.opus_decoder_destroy.argtypes = [ctypes.c_void_p]
    library.opus_decode_float.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_int32,
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.c_int,
    ]
    return library


class OpusDecoder:
    """One stream's decoder: mono, at 8, 12, 16, 24 or 48 kHz. Raises `OSError` where there is no library."""

    def __init__(self, rate_hz: int) -> None:
        error = ctypes.c_int()
        self._library = _library()
        self._decoder = self._library.opus_decoder_create(rate_hz, 1, ctypes.byref(error))
        if error.value:
            raise ValueError(f"Opus has no decoder at {rate_hz} Hz")
        self._sound = np.empty(rate_hz * LONGEST_PACKET_MS // 1000, np.float32)

    def __del__(self) -> None:
        if getattr(self, "_decoder", None):
            self._library.opus_decoder_destroy(self._decoder)

    def decode(self, payload: bytes) -> NDArray[np.float32]:
        """The sound of a packet, (n,) float32. Raises `ValueError` when it is none."""
        if not payload:
            raise ValueError("an Opus packet is not empty")
        return self._decoded(payload, len(self._sound), recover=False)

    def recover(self, following: bytes, count: int) -> NDArray[np.float32]:
        """`count` samples that were lost just before a packet: what it holds of them, and a guess where it holds nothing."""
        return self._decoded(following, count, recover=True)

    def conceal(self, count: int) -> NDArray[np.float32]:
        """`count` samples that are lost for good: the sound goes on as it was and fades."""
        return self._decoded(None, count, recover=False)

    def _decoded(self, payload: bytes | None, count: int, *, recover: bool) -> NDArray[np.float32]:
        # A whole number of 2.5 ms, and no more than there is room for, or the library refuses.
        made = self._library.opus_decode_float(
            self._decoder, payload, len(payload or b""), self._sound.ctypes.data, count, int(recover)
        )
        if made < 0:
            raise ValueError("this is no Opus packet")
        return self._sound[:made].copy()
