"""The outside of an `.imx` file: the bytes that name it, its table of contents, and the limits both must keep."""

import re
import stat
import zipfile
from typing import BinaryIO, Final

from avatars.imx.errors import CorruptImx, ForeignImx, NotImx, OversizedImx, TruncatedImx, UnsafeImx

MIMETYPE_NAME: Final = "mimetype"
MIMETYPE: Final = b"application/vnd.parlo.imx"
MANIFEST_NAME: Final = "manifest.json"

FILE_BYTES_MAX: Final = 64 * 1024**2
MEMBER_BYTES_MAX: Final = 32 * 1024**2
MANIFEST_BYTES_MAX: Final = 256 * 1024
MEMBERS_MAX: Final = 32
INFLATION_MAX: Final = 100
"""How much larger than its packed form a member may become; text reaches 20, a bomb 1000."""

_LOCAL_HEADER: Final = b"PK\x03\x04"
_END_RECORD: Final = b"PK\x05\x06"
_END_RECORD_BYTES: Final = 22
_NAME_AT: Final = 30
_SAFE_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,40}(\.[a-z0-9]{1,8})?")
_TAR_AT: Final = 257
_HEAD_BYTES: Final = 512

_MAGIC: Final = MIMETYPE_NAME.encode() + MIMETYPE
_TRUNCATED: Final = "The end of this avatar file is missing. Copy or download it again."


def check_outside(file: BinaryIO) -> None:
    """Tell from its first and last bytes whether `file` is a whole avatar file of ours.

    Raises `ForeignImx`, `NotImx`, `TruncatedImx` or `OversizedImx`, each with a sentence.
    """
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    if head.startswith((b"IMX\x00", b"BIMX")):
        raise ForeignImx(
            "This is a bitHuman .imx file. Parlo cannot play it; build an avatar from the picture or video instead."
        )
    if head[_TAR_AT : _TAR_AT + 5] == b"ustar":
        raise ForeignImx(
            "This is a tar archive, such as older bitHuman .imx exports. Parlo cannot play it; "
            "build an avatar from the picture or video instead."
        )
    expected = _LOCAL_HEADER + b"\x00" * (_NAME_AT - len(_LOCAL_HEADER)) + _MAGIC
    known = [at for at in range(len(expected)) if at < len(_LOCAL_HEADER) or at >= _NAME_AT]
    if any(head[at] != expected[at] for at in known if at < len(head)):
        raise NotImx("This file is not an avatar made by Parlo. Choose another file.")
    if size > FILE_BYTES_MAX:
        raise OversizedImx(f"This avatar file is larger than {FILE_BYTES_MAX // 1024**2} MB. Build the avatar again.")
    if size < len(expected) + _END_RECORD_BYTES:
        raise TruncatedImx(_TRUNCATED)
    file.seek(size - _END_RECORD_BYTES)
    tail = file.read(_END_RECORD_BYTES)
    if not tail.startswith(_END_RECORD) or tail[-2:] != b"\x00\x00":
        raise TruncatedImx(_TRUNCATED)
    file.seek(0)


def table_of_contents(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the members by name, every declared size and name checked.

    Raises `UnsafeImx`, `OversizedImx` or `CorruptImx`.
    """
    infos = archive.infolist()
    if len(infos) > MEMBERS_MAX:
        raise OversizedImx("This avatar file has more parts than an avatar can have. Build the avatar again.")
    if len({info.filename for info in infos}) != len(infos):
        raise CorruptImx("This avatar file names a part twice. Build the avatar again.")
    total = 0
    for info in infos:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if not _SAFE_NAME.fullmatch(info.filename) or kind not in {0, stat.S_IFREG}:
            raise UnsafeImx("This avatar file has a part with an unsafe name. Do not use it; build the avatar again.")
        if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED} or info.flag_bits & 0x1:
            raise CorruptImx("This avatar file is packed in a way Parlo does not use. Build the avatar again.")
        total += info.file_size
        inflated = info.file_size > INFLATION_MAX * max(info.compress_size, 1)
        if info.file_size > MEMBER_BYTES_MAX or total > FILE_BYTES_MAX or inflated:
            raise OversizedImx("This avatar file would unpack to more than an avatar can need. Build the avatar again.")
    if not infos or infos[0].filename != MIMETYPE_NAME:
        raise NotImx("This file is not an avatar made by Parlo. Choose another file.")
    return {info.filename: info for info in infos}
