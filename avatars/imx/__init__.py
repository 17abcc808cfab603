"""The `.imx` file: one self-contained avatar. Described in docs/imx.md."""

from avatars.imx.errors import (
    CorruptImx,
    ForeignImx,
    ImxError,
    NotImx,
    OversizedImx,
    TooNewImx,
    TruncatedImx,
    UnsafeImx,
)
from avatars.imx.manifest import Manifest, SourceKind
from avatars.imx.reader import Imx, open_imx
from avatars.imx.writer import rewrite_gestures, write_imx

__all__ = [
    "CorruptImx",
    "ForeignImx",
    "Imx",
    "ImxError",
    "Manifest",
    "NotImx",
    "OversizedImx",
    "SourceKind",
    "TooNewImx",
    "TruncatedImx",
    "UnsafeImx",
    "open_imx",
    "rewrite_gestures",
    "write_imx",
]
