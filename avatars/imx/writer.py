"""Writing an `.imx` file: whole or not at all."""

import hashlib
import io
import os
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from avatars.engine.portrait import LANDMARK_COUNT, Portrait
from avatars.engine.recorded import RecordedGesture
from avatars.imx.container import (
    FILE_BYTES_MAX,
    MANIFEST_BYTES_MAX,
    MANIFEST_NAME,
    MEMBER_BYTES_MAX,
    MIMETYPE,
    MIMETYPE_NAME,
)
from avatars.imx.errors import OversizedImx
from avatars.imx.manifest import (
    GestureEntry,
    Manifest,
    Member,
    MemberName,
    MovingPicture,
    free_cells,
    gesture_member,
)
from avatars.imx.pictures import PLATE_QUALITY, encode_jpeg, encode_png
from avatars.imx.reader import Imx

# A fixed date in the table of contents: the same avatar gives the same bytes, the manifest tells when it was made.
_DATE: Final = (1980, 1, 1, 0, 0, 0)


def write_imx(
    path: Path, portrait: Portrait, manifest: Manifest, *, poster: bytes, preview: bytes | None = None
) -> Manifest:
    """Write an avatar file in one step: readers see the old file or the new one, never a part.

    poster: JPEG. preview: MP4. Returns the manifest as written, with its members.
    Raises `ValueError` for a portrait that contradicts the manifest or itself, `OversizedImx` for one with too much
    recorded, `OSError` when it cannot be written.
    """
    _check(portrait, manifest)
    members: dict[str, bytes] = {
        MemberName.PICTURE: encode_png(portrait.picture),
        MemberName.MATTE: encode_png(portrait.matte),
        MemberName.PLATE: encode_jpeg(portrait.plate, PLATE_QUALITY),
        MemberName.LANDMARKS: _array(portrait.landmarks),
        MemberName.POSTER: poster,
    }
    if preview is not None:
        members[MemberName.PREVIEW] = preview
    footage = portrait.footage
    if footage is not None:
        members |= {MemberName.FOOTAGE: b"".join(footage.packets), MemberName.POSES: _array(footage.poses)}
        if footage.mouth is not None:
            members[MemberName.MOUTH] = footage.mouth.network
    if portrait.teeth is not None:
        members[MemberName.TEETH] = encode_png(portrait.teeth)
    if portrait.recorded:
        members |= _recorded(portrait.recorded, portrait.height, portrait.width)
    moving = None
    if footage is not None:
        inside = None if footage.inside is None else tuple(float(value) for value in footage.inside)
        gain = None if footage.mouth is None else footage.mouth.gain
        moving = MovingPicture(len(footage), footage.blur_px, inside, gain)
    return _store(path, replace(manifest, moving=moving, gestures=_entries(portrait.recorded)), members)


def rewrite_gestures(path: Path, imx: Imx, gestures: tuple[RecordedGesture, ...]) -> Manifest:
    """Write an avatar file that is `imx` with these recorded gestures in place of its own, in one step.

    Nothing else is coded anew. Raises as `write_imx`, and `ImxError` where `imx` cannot be read.
    """
    manifest = imx.manifest
    if manifest.moving is None:
        raise ValueError("only a portrait with footage has recorded gestures")
    own = {MemberName.GESTURES, MemberName.JOINS, MemberName.FREE}
    own_pictures = {gesture_member(number) for number in range(1, len(manifest.gestures) + 1)}
    members = {name: imx.read(name) for name in manifest.members if name not in own | own_pictures}
    if gestures:
        members |= _recorded(gestures, manifest.height, manifest.width)
    return _store(path, replace(manifest, gestures=_entries(gestures)), members)


def _entries(gestures: tuple[RecordedGesture, ...]) -> tuple[GestureEntry, ...]:
    return tuple(GestureEntry(one.name, one.label, one.frames) for one in gestures)


def _store(path: Path, manifest: Manifest, members: dict[str, bytes]) -> Manifest:
    """Write the members and the manifest that lists them, whole or not at all."""
    size = sum(len(data) for data in members.values())
    if size > FILE_BYTES_MAX - MANIFEST_BYTES_MAX or any(len(data) > MEMBER_BYTES_MAX for data in members.values()):
        raise OversizedImx(
            f"With this the avatar would have {size / 1024**2:.0f} MB; {FILE_BYTES_MAX // 1024**2} are the most. "
            "Use shorter clips, or fewer."
        )
    listed = {str(name): Member(len(data), hashlib.sha256(data).hexdigest()) for name, data in members.items()}
    written = replace(manifest, members=listed)
    # What is written must be readable: the reader's own checks are the judge.
    Manifest.from_json(written.to_json())

    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                _add(archive, MIMETYPE_NAME, MIMETYPE, zipfile.ZIP_STORED)
                _add(archive, MANIFEST_NAME, written.to_json(), zipfile.ZIP_DEFLATED)
                for name, data in members.items():
                    _add(archive, name, data, zipfile.ZIP_STORED)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)
    return written


def _add(archive: zipfile.ZipFile, name: str, data: bytes, packing: int) -> None:
    info = zipfile.ZipInfo(str(name), _DATE)
    info.external_attr = 0o100644 << 16
    info.compress_type = packing
    archive.writestr(info, data)


def _recorded(gestures: tuple[RecordedGesture, ...], height: int, width: int) -> dict[str, bytes]:
    """The members of recorded gestures: pictures of each, and of all of them poses, lips, joins and what is free."""
    rows = [np.column_stack([one.footage.poses.reshape(-1, 6), one.lips]) for one in gestures]
    members: dict[str, bytes] = {
        MemberName.GESTURES: _array(np.concatenate(rows)),
        MemberName.JOINS: _array(np.stack([np.stack([one.enter, one.leave]) for one in gestures])),
    }
    if any(one.free is not None for one in gestures):
        cells = free_cells(height, width)
        all_free = [np.full((one.frames, *cells), 255, np.uint8) if one.free is None else one.free for one in gestures]
        members[MemberName.FREE] = encode_png(np.concatenate(all_free).reshape(-1, cells[1]))
    for number, one in enumerate(gestures, 1):
        members[gesture_member(number)] = b"".join(one.footage.packets)
    return members


def _array(values: NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, values.astype("<f4"), version=(1, 0), allow_pickle=False)
    return file.getvalue()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check(portrait: Portrait, manifest: Manifest) -> None:
    size = (portrait.height, portrait.width)
    if (manifest.height, manifest.width) != size or portrait.matte.shape != size or portrait.plate.shape[:2] != size:
        raise ValueError("the pictures of a portrait must all have the size that the manifest gives")
    if portrait.landmarks.shape != (LANDMARK_COUNT, 3) or not np.isfinite(portrait.landmarks).all():
        raise ValueError("a portrait needs 478 finite landmarks")
    if (manifest.kind, manifest.blink_limit) != (portrait.kind, portrait.blink_limit):
        raise ValueError("manifest and portrait disagree about the kind of face")
    if portrait.teeth is not None and portrait.teeth.shape != (*size, 4):
        raise ValueError("the teeth of a portrait are as large as its picture")
    footage = portrait.footage
    if footage is not None and (footage.poses.shape != (len(footage), 2, 3) or not np.isfinite(footage.poses).all()):
        raise ValueError("the footage of a portrait has a pose for each picture")
    if portrait.recorded and footage is None:
        raise ValueError("only a portrait with footage has recorded gestures")
