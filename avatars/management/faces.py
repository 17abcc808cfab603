"""The faces a command is given: a picture, an avatar file, or a folder of both."""

from pathlib import Path
from typing import Final

from avatars.build import BuildRefused, picture_portrait
from avatars.build.points import FacePoints
from avatars.engine.portrait import Portrait
from avatars.imx import ImxError, open_imx
from avatars.management.commands.build_avatar import read_points

SUFFIXES: Final = frozenset({".imx", ".jpg", ".jpeg", ".png", ".webp"})
POINTS_SUFFIX: Final = ".points.json"
REFUSALS: Final = (BuildRefused, ImxError)


def faces_at(source: Path) -> list[Path]:
    """The faces of a folder, by name; of anything else itself. Raises `BuildRefused`."""
    if not source.is_dir():
        return [source]
    found = sorted(path for path in source.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise BuildRefused("not_found", f"There are no pictures and no avatar files in {source}.")
    return found


def points_of(source: Path, given: Path | None) -> FacePoints | None:
    """The six points of a face: of the file that is given, or of NAME.points.json beside it. Raises `BuildRefused`."""
    beside = source.with_name(source.stem + POINTS_SUFFIX)
    path = given or (beside if beside.is_file() else None)
    return None if path is None else read_points(path)


def read_portrait(source: Path, points: FacePoints | None) -> Portrait:
    """The portrait of an .imx file or of a picture. Raises `ImxError` or `BuildRefused`."""
    if source.suffix.lower() != ".imx":
        return picture_portrait(source, points)
    try:
        return open_imx(source).portrait()
    except OSError as error:
        raise BuildRefused("not_found", f"The file {source.name} cannot be read: {error.strerror}.") from error
