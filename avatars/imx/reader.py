"""Reading an `.imx` file: the table of contents at once, each member when asked for, nothing believed unchecked."""

import hashlib
import io
import zipfile
import zlib
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.footage import Footage, FootageDamaged, OwnMouth, Reel, split
from avatars.engine.portrait import LANDMARK_COUNT, Portrait
from avatars.engine.recorded import RecordedGesture
from avatars.imx.container import (
    MANIFEST_BYTES_MAX,
    MANIFEST_NAME,
    MIMETYPE,
    MIMETYPE_NAME,
    check_outside,
    table_of_contents,
)
from avatars.imx.errors import CorruptImx, NotImx, OversizedImx
from avatars.imx.manifest import Manifest, MemberName, MovingPicture, free_cells, gesture_member
from avatars.imx.pictures import PictureError, decode_exact

# All that `zipfile` and `zlib` are known to raise on damaged archives; OSError comes from seeking to wrong offsets.
_DAMAGE: Final = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    UnicodeDecodeError,
    ValueError,
)
_DAMAGED: Final = "This avatar file is damaged. Copy or download it again, or build the avatar again."
# Landmarks may lie outside the picture, but not by more than its own size.
_OUTSIDE_MAX: Final = 1.0
# A face in footage is at most so much smaller or larger than in its portrait.
_SCALE_MIN: Final = 0.25
MOUTH_BYTES_MAX: Final = 400_000


class Imx:
    """An open avatar file. Holds no file handle; every read is checked against the manifest's hash."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest

    def portrait(self) -> Portrait:
        """Return the face, ready for the renderer. Raises `ImxError`."""
        manifest = self.manifest
        moving = manifest.moving
        return Portrait(
            picture=self._picture(MemberName.PICTURE, cv2.IMREAD_COLOR),
            landmarks=self._landmarks(),
            matte=self._picture(MemberName.MATTE, cv2.IMREAD_GRAYSCALE),
            plate=self._picture(MemberName.PLATE, cv2.IMREAD_COLOR),
            kind=manifest.kind,
            blink_limit=manifest.blink_limit,
            footage=None if moving is None else self._footage(moving),
            teeth=self._teeth() if MemberName.TEETH in manifest.members else None,
            recorded=() if moving is None else self._recorded(moving),
        )

    def poster(self) -> bytes:
        """Return the still picture that stands for the avatar, JPEG. Raises `ImxError`."""
        return self.read(MemberName.POSTER)

    def preview(self) -> bytes | None:
        """Return the short silent film, MP4, or None where there is none. Raises `ImxError`."""
        return self.read(MemberName.PREVIEW) if MemberName.PREVIEW in self.manifest.members else None

    def verify(self) -> None:
        """Read every member once. Raises `ImxError` at the first that is not what was written."""
        for name in self.manifest.members:
            self.read(name)
        portrait = self.portrait()
        for footage in filter(None, [portrait.footage, *(one.footage for one in portrait.recorded)]):
            reel = Reel(footage, self.manifest.width, self.manifest.height)
            try:
                for _ in footage.packets:
                    reel.skip()
            except FootageDamaged as error:
                raise CorruptImx(_DAMAGED) from error

    def read(self, name: str) -> bytes:
        """Return the bytes of a member. Raises `ImxError`."""
        expected = self.manifest.members.get(name)
        if expected is None:
            raise CorruptImx(_DAMAGED)
        try:
            with self.path.open("rb") as file, zipfile.ZipFile(file) as archive:
                info = table_of_contents(archive).get(name)
                if info is None or info.file_size != expected.size:
                    raise CorruptImx(_DAMAGED)
                data = _unpacked(archive, info, expected.size)
        except _DAMAGE as error:
            raise CorruptImx(_DAMAGED) from error
        if hashlib.sha256(data).hexdigest() != expected.sha256:
            raise CorruptImx(_DAMAGED)
        return data

    def _picture(self, name: MemberName, flags: int) -> NDArray[np.uint8]:
        try:
            return decode_exact(self.read(name), self.manifest.width, self.manifest.height, flags)
        except PictureError as error:
            raise CorruptImx(_DAMAGED) from error

    def _footage(self, moving: MovingPicture) -> Footage:
        poses = self._array(MemberName.POSES, (moving.frames, 2, 3))
        inside = None if moving.inside is None else np.array(moving.inside, np.float32)
        packets = self._packets(MemberName.FOOTAGE, _checked(poses))
        return Footage(packets, poses, moving.blur_px, inside, self._mouth(moving))

    def _packets(self, member: str, poses: NDArray[np.float32]) -> tuple[bytes, ...]:
        """The coded pictures of a member, one for each pose."""
        try:
            packets = split(self.read(member))
        except FootageDamaged as error:
            raise CorruptImx(_DAMAGED) from error
        if len(packets) != len(poses):
            raise CorruptImx(_DAMAGED)
        return packets

    def _mouth(self, moving: MovingPicture) -> OwnMouth | None:
        if moving.gain is None:
            return None
        if self.manifest.members[MemberName.MOUTH].size > MOUTH_BYTES_MAX:
            raise CorruptImx(_DAMAGED)
        return OwnMouth(self.read(MemberName.MOUTH), moving.gain)

    def _recorded(self, moving: MovingPicture) -> tuple[RecordedGesture, ...]:
        entries = self.manifest.gestures
        if not entries:
            return ()
        total = sum(entry.frames for entry in entries)
        rows = self._array(MemberName.GESTURES, (total, 7))
        joins = self._array(MemberName.JOINS, (len(entries), 2, moving.frames))
        if not (np.isfinite(rows).all() and np.isfinite(joins).all()):
            raise CorruptImx(_DAMAGED)
        free = self._free(total) if MemberName.FREE in self.manifest.members else None
        found, begin = [], 0
        for number, entry in enumerate(entries, 1):
            part = slice(begin, begin := begin + entry.frames)
            poses = _checked(np.ascontiguousarray(rows[part, :6].reshape(-1, 2, 3)))
            footage = Footage(self._packets(gesture_member(number), poses), poses)
            lips = np.clip(rows[part, 6], 0, 1)
            own = None if free is None or (free[part] == np.uint8(255)).all() else free[part]
            enter, leave = joins[number - 1]
            found.append(RecordedGesture(entry.name, entry.label, footage, lips, enter, leave, own))
        return tuple(found)

    def _free(self, total: int) -> NDArray[np.uint8]:
        rows, columns = free_cells(self.manifest.height, self.manifest.width)
        try:
            cells = decode_exact(self.read(MemberName.FREE), columns, rows * total, cv2.IMREAD_GRAYSCALE)
        except PictureError as error:
            raise CorruptImx(_DAMAGED) from error
        return np.ascontiguousarray(cells.reshape(total, rows, columns))

    def _teeth(self) -> NDArray[np.uint8]:
        teeth = self._picture(MemberName.TEETH, cv2.IMREAD_UNCHANGED)
        if teeth.ndim != 3 or teeth.shape[2] != 4 or teeth.dtype != np.uint8:
            raise CorruptImx(_DAMAGED)
        return teeth

    def _array(self, name: MemberName, expected: tuple[int, ...]) -> NDArray[np.float32]:
        file = io.BytesIO(self.read(name))
        try:
            if np.lib.format.read_magic(file) != (1, 0):
                raise CorruptImx(_DAMAGED)
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
            # Judged before the array is made: a header may declare any size.
            if shape != expected or fortran or dtype != np.dtype("<f4"):
                raise CorruptImx(_DAMAGED)
            return np.frombuffer(file.read(), "<f4").reshape(shape).astype(np.float32)
        except (ValueError, SyntaxError) as error:
            raise CorruptImx(_DAMAGED) from error

    def _landmarks(self) -> NDArray[np.float32]:
        values = self._array(MemberName.LANDMARKS, (LANDMARK_COUNT, 3))
        size = np.array([self.manifest.width, self.manifest.height])
        relative = values[:, :2] / size
        if not np.isfinite(values).all() or (np.abs(relative - 0.5) > 0.5 + _OUTSIDE_MAX).any():
            raise CorruptImx(_DAMAGED)
        return values


def _checked(poses: NDArray[np.float32]) -> NDArray[np.float32]:
    """Poses (n, 2, 3) that can be ones. Raises `CorruptImx`."""
    if not np.isfinite(poses).all():
        raise CorruptImx(_DAMAGED)
    scales = np.linalg.det(poses[:, :, :2])
    if (scales < _SCALE_MIN**2).any() or (scales > _SCALE_MIN**-2).any():
        raise CorruptImx(_DAMAGED)
    return poses


def open_imx(path: Path | str) -> Imx:
    """Open an avatar file: recognise it, check its table of contents, read its manifest.

    Raises `FileNotFoundError`, or an `ImxError` whose code says what is wrong: `not_imx`, `foreign`, `truncated`,
    `corrupt`, `too_new`, `bomb`, `unsafe`.
    """
    path = Path(path)
    with path.open("rb") as file:
        check_outside(file)
        try:
            with zipfile.ZipFile(file) as archive:
                contents = table_of_contents(archive)
                if _unpacked(archive, contents[MIMETYPE_NAME], len(MIMETYPE)) != MIMETYPE:
                    raise NotImx("This file is not an avatar made by Parlo. Choose another file.")
                if MANIFEST_NAME not in contents:
                    raise CorruptImx(_DAMAGED)
                manifest = Manifest.from_json(_unpacked(archive, contents[MANIFEST_NAME], MANIFEST_BYTES_MAX))
        except _DAMAGE as error:
            raise CorruptImx(_DAMAGED) from error
    declared = set(manifest.members)
    if not declared >= manifest.required or declared != set(contents) - {MIMETYPE_NAME, MANIFEST_NAME}:
        raise CorruptImx(_DAMAGED)
    return Imx(path, manifest)


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    """Return a member's bytes, reading no more than `limit` whatever its header claims."""
    with archive.open(info) as member:
        data = member.read(limit + 1)
        if len(data) > limit:
            raise OversizedImx("This avatar file would unpack to more than it declares. Build the avatar again.")
        # zipfile checks its own sum only when it meets the end.
        member.read(1)
    return data
