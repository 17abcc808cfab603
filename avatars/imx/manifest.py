"""The manifest: what an `.imx` file says about itself."""

import json
import math
import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from avatars.engine.controls import FRAME_RATE_HZ
from avatars.engine.footage import FRAMES_MAX
from avatars.engine.portrait import Kind
from avatars.engine.recorded import FRAMES_MAX as GESTURE_FRAMES_MAX
from avatars.engine.recorded import FRAMES_MIN as GESTURE_FRAMES_MIN
from avatars.engine.recorded import LIMIT as GESTURES_MAX
from avatars.engine.recorded import NAME_PATTERN
from avatars.imx.errors import CorruptImx, NotImx, TooNewImx

FORMAT: Final = "parlo-imx"
VERSION: Final = 2
"""The latest; a file that an older reader can play is written as what that reader knows."""
STILL_VERSION: Final = 1
ENGINE: Final = "essence"
SIDE_MIN_PX: Final = 64
SIDE_MAX_PX: Final = 4096
TEXT_MAX: Final = 2000
BLUR_MAX_PX: Final = 16.0
INSIDE_COUNT: Final = 4
INSIDE_MAX: Final = 255.0
GAIN: Final = (1.0, 1.5)
FREE_CELL_PX: Final = 8
LABEL_MAX: Final = 60
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class SourceKind(StrEnum):
    """What an avatar was made from."""

    PHOTO = "photo"
    DRAWING = "drawing"
    POINTS = "points"
    """A picture whose face was marked by hand."""
    VIDEO = "video"


class MemberName(StrEnum):
    """The members of a file besides the two that open it and the pictures of gestures; from the footage on they came with
    version 2."""

    PICTURE = "picture.png"
    MATTE = "matte.png"
    PLATE = "plate.jpg"
    LANDMARKS = "landmarks.npy"
    POSTER = "poster.jpg"
    PREVIEW = "preview.mp4"
    FOOTAGE = "footage.h264"
    POSES = "poses.npy"
    TEETH = "teeth.png"
    MOUTH = "mouth.onnx"
    GESTURES = "gestures.npy"
    JOINS = "joins.npy"
    FREE = "free.png"


def gesture_member(number: int) -> str:
    """Name the member with the pictures of a gesture; they are numbered from 1."""
    return f"gesture_{number}.h264"


def free_cells(height: int, width: int) -> tuple[int, int]:
    """How many rows and columns of cells `free.png` has for each picture of so many pixels."""
    return -(-height // FREE_CELL_PX), -(-width // FREE_CELL_PX)


REQUIRED: Final = frozenset(
    {MemberName.PICTURE, MemberName.MATTE, MemberName.PLATE, MemberName.LANDMARKS, MemberName.POSTER}
)
REQUIRED_MOVING: Final = REQUIRED | {MemberName.FOOTAGE, MemberName.POSES}


@dataclass(frozen=True, slots=True)
class Member:
    """Size in bytes and SHA-256 (hexadecimal) of one member."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class MovingPicture:
    """The footage of a face from a video: how many pictures it has, their softness, the colours inside the mouth: a
    scale, and an offset of B, G and R; how much wider lips are drawn for the network that paints them, where there is
    one; see `Footage`."""

    frames: int
    blur_px: float
    inside: tuple[float, ...] | None = None
    gain: float | None = None


@dataclass(frozen=True, slots=True)
class GestureEntry:
    """One recorded gesture: its name on the wire, what people read, and how many pictures it has."""

    name: str
    label: str
    frames: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an avatar file is: its picture's size and kind, where it came from, on whose word.

    recipe: the build's choices (crop, points, versions), enough to repeat it.
    measures: what the build measured (see `BuildReport.measures`).
    moving: for a face from a video. gestures: recorded ones. members: filled in by the writer.
    """

    width: int
    height: int
    kind: Kind
    source_kind: SourceKind
    fps: int = FRAME_RATE_HZ
    engine: str = ENGINE
    blink_limit: float = 1.0
    licence: str = ""
    consent: str = ""
    created: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    recipe: dict[str, Any] = field(default_factory=dict)
    measures: dict[str, Any] = field(default_factory=dict)
    moving: MovingPicture | None = None
    gestures: tuple[GestureEntry, ...] = ()
    members: dict[str, Member] = field(default_factory=dict)

    @property
    def required(self) -> frozenset[str]:
        """The members without which such an avatar cannot be played."""
        if self.moving is None:
            return frozenset(REQUIRED)
        if not self.gestures:
            return frozenset(REQUIRED_MOVING)
        pictures = (gesture_member(number) for number in range(1, len(self.gestures) + 1))
        return frozenset({*REQUIRED_MOVING, MemberName.GESTURES, MemberName.JOINS, *pictures})

    @property
    def version(self) -> int:
        """The first version whose readers can play such an avatar."""
        return STILL_VERSION if self.moving is None and MemberName.TEETH not in self.members else VERSION

    def to_json(self) -> bytes:
        """Return the manifest as UTF-8 JSON."""
        content = {
            "format": FORMAT,
            "version": self.version,
            "engine": self.engine,
            "width": self.width,
            "height": self.height,
            "fps": self.fps,
            "kind": self.kind,
            "source_kind": self.source_kind,
            "blink_limit": self.blink_limit,
            "licence": self.licence,
            "consent": self.consent,
            "created": self.created.astimezone(UTC).isoformat(),
            "recipe": self.recipe,
            "measures": self.measures,
            "members": {name: {"size": one.size, "sha256": one.sha256} for name, one in self.members.items()},
        }
        if self.moving is not None:
            content["moving"] = asdict(self.moving)
        if self.gestures:
            content["gestures"] = [asdict(gesture) for gesture in self.gestures]
        return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Manifest":
        """Read a manifest.

        Raises `NotImx` for some other JSON, `TooNewImx` for a later version, `CorruptImx` for a damaged one.
        """
        try:
            content = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise CorruptImx("The avatar's manifest cannot be read. Build the avatar again.") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise NotImx("This file is not an avatar made by Parlo. Choose another file.")
        version = content.get("version")
        if isinstance(version, int) and not isinstance(version, bool) and version > VERSION:
            raise TooNewImx(
                f"This avatar has file version {version} and this Parlo reads up to {VERSION}. Update Parlo."
            )
        try:
            return cls._checked(content)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise CorruptImx("The avatar's manifest is damaged. Build the avatar again.") from error

    @classmethod
    def _checked(cls, content: dict[str, Any]) -> "Manifest":
        version = _whole(content["version"], STILL_VERSION, VERSION)
        if content["engine"] != ENGINE:
            raise ValueError("engine")
        blink_limit = float(content["blink_limit"])
        if not (math.isfinite(blink_limit) and 0 <= blink_limit <= 1):
            raise ValueError("blink_limit")
        if not isinstance(content["recipe"], dict) or not isinstance(content["measures"], dict):
            raise TypeError("recipe")
        moving = content.get("moving") if version == VERSION else None
        manifest = cls(
            width=_whole(content["width"], SIDE_MIN_PX, SIDE_MAX_PX, even=True),
            height=_whole(content["height"], SIDE_MIN_PX, SIDE_MAX_PX, even=True),
            fps=_whole(content["fps"], 1, 120),
            kind=Kind(content["kind"]),
            source_kind=SourceKind(content["source_kind"]),
            blink_limit=blink_limit,
            licence=_text(content["licence"]),
            consent=_text(content["consent"]),
            created=datetime.fromisoformat(content["created"]),
            recipe=content["recipe"],
            measures=content["measures"],
            moving=None if moving is None else _moving(moving),
            gestures=() if moving is None else _gestures(content.get("gestures", [])),
            members={name: _member(one) for name, one in content["members"].items()},
        )
        gain = None if manifest.moving is None else manifest.moving.gain
        if (MemberName.MOUTH in manifest.members) is not (gain is not None):
            raise ValueError("gain")
        if manifest.version != version or (MemberName.FOOTAGE in manifest.members) is not (moving is not None):
            raise ValueError("version")
        return manifest


def _whole(value: object, low: int, high: int, *, even: bool = False) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high or (even and value % 2):
        raise ValueError(value)
    return value


def _moving(value: dict[str, Any]) -> MovingPicture:
    blur_px = float(value["blur_px"])
    if not 0 <= blur_px <= BLUR_MAX_PX:
        raise ValueError(blur_px)
    inside = value.get("inside")
    if inside is not None:
        inside = tuple(float(one) for one in inside)
        if len(inside) != INSIDE_COUNT or not all(abs(one) <= INSIDE_MAX for one in inside):
            raise ValueError(inside)
    gain = value.get("gain")
    if gain is not None and not GAIN[0] <= (gain := float(gain)) <= GAIN[1]:
        raise ValueError(gain)
    return MovingPicture(_whole(value["frames"], 2, FRAMES_MAX), blur_px, inside, gain)


def _gestures(value: list[dict[str, Any]]) -> tuple[GestureEntry, ...]:
    if not isinstance(value, list) or len(value) > GESTURES_MAX:
        raise ValueError("gestures")
    found = []
    for one in value:
        name, label = one["name"], _text(one["label"])
        if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name) or len(label) > LABEL_MAX:
            raise ValueError(name)
        found.append(GestureEntry(name, label, _whole(one["frames"], GESTURE_FRAMES_MIN, GESTURE_FRAMES_MAX)))
    if len({one.name for one in found}) != len(found):
        raise ValueError("gestures")
    return tuple(found)


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > TEXT_MAX:
        raise ValueError(value)
    return value


def _member(value: dict[str, Any]) -> Member:
    if not isinstance(value["sha256"], str) or not _SHA256.fullmatch(value["sha256"]):
        raise ValueError(value)
    return Member(_whole(value["size"], 0, 2**31), value["sha256"])
