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
from avatars.imx.container import MANIFEST_NAME, MIMETYPE, MIMETYPE_NAME
from avatars.imx.manifest import Manifest, Member, MemberName, MovingPicture
from avatars.imx.pictures import PLATE_QUALITY, encode_jpeg, encode_png

# A fixed date in the table of contents: the same avatar gives the same bytes, the manifest tells when it was made.
_DATE: Final = (1980, 1, 1, 0, 0, 0)


def write_imx(
    path: Path, portrait: Portrait, manifest: Manifest, *, poster: bytes, preview: bytes | None = None
) -> Manifest:
    """Write an avatar file in one step: readers see the old file or the new one, never a part.

    poster: JPEG. preview: MP4. Returns the manifest as written, with its members.
    Raises `ValueError` for a portrait that contradicts the manifest or itself, `OSError` when it cannot be written.
    """
    _check(portrait, manifest)
    members = {
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
    listed = {str(name): Member(len(data), hashlib.sha256(data).hexdigest()) for name, data in members.items()}
    moving = None
    if footage is not None:
        inside = None if footage.inside is None else tuple(float(value) for value in footage.inside)
        gain = None if footage.mouth is None else footage.mouth.gain
        moving = MovingPicture(len(footage), footage.blur_px, inside, gain)
    written = replace(manifest, moving=moving, members=listed)
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
