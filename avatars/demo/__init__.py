"""The demo avatars: four characters that every installation can talk to at once."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

DEMO_FILE: Final = Path(__file__).parent / "demo.json"
KINDS: Final = ("photo", "drawing", "animal")
MOODS: Final = ("neutral", "warm", "serious", "cheerful")
POINTS: Final = ("left_eye", "right_eye", "mouth_left", "mouth_right", "mouth_middle", "chin")
TEXTS: Final = ("key", "name", "tagline", "kind", "licence", "persona", "voice", "greeting", "visibility")


@dataclass(frozen=True)
class DemoPair:
    """What visitors ask, one way of asking a line, and the answer that fits the character."""

    questions: str
    answer: str


@dataclass(frozen=True)
class DemoAvatar:
    """One demo avatar. `key` stays the same for ever; `picture` and `points_file` exist; `voice` is a style key."""

    key: str
    name: str
    tagline: str
    kind: str
    licence: str
    persona: str
    voice: str
    greeting: str
    visibility: str
    mood: str
    picture: Path
    points_file: Path | None
    pairs: tuple[DemoPair, ...]

    @cached_property
    def points(self) -> dict[str, list[float]] | None:
        """The six points of a face that no network finds, pixels of the picture; None where it is found."""
        if self.points_file is None:
            return None
        content = json.loads(self.points_file.read_text(encoding="utf-8"))
        return {name: [float(value) for value in content[name]] for name in POINTS}


def demo_avatars(path: Path = DEMO_FILE) -> list[DemoAvatar]:
    """Read the demo avatars in the order in which the gallery shows them.

    Raises `ValueError` with a sentence that names the avatar and what is wrong with it.
    """
    entries = json.loads(path.read_text(encoding="utf-8"))["avatars"]
    avatars = [_read(entry, path.parent) for entry in entries]
    keys = [avatar.key for avatar in avatars]
    if len(set(keys)) != len(keys):
        raise ValueError(f"Two demo avatars of {path.name} share a key: {', '.join(keys)}.")
    return avatars


def _read(entry: dict[str, Any], folder: Path) -> DemoAvatar:
    missing = [name for name in (*TEXTS, "picture") if not str(entry.get(name) or "").strip()]
    if missing:
        raise ValueError(f"The demo avatar {entry.get('key', '?')} lacks {', '.join(missing)}.")
    key = str(entry["key"])
    if entry["kind"] not in KINDS:
        raise ValueError(f"The demo avatar {key} is of an unknown kind, {entry['kind']}.")
    mood = str(entry.get("mood", "neutral"))
    if mood not in MOODS:
        raise ValueError(f"The demo avatar {key} is in an unknown mood, {mood}.")
    pairs = tuple(_pair(pair) for pair in entry.get("pairs", ()))
    avatar = DemoAvatar(
        **{name: str(entry[name]) for name in TEXTS},
        mood=mood,
        picture=_file(folder, str(entry["picture"]), key),
        points_file=_file(folder, str(entry["points"]), key) if entry.get("points") else None,
        pairs=pairs,
    )
    try:
        points = avatar.points
        if points is not None and any(len(point) != 2 for point in points.values()):
            raise ValueError("two numbers each")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"The points of the demo avatar {key} have to be {', '.join(POINTS)}, as [x, y].") from error
    return avatar


def _pair(pair: dict[str, Any]) -> DemoPair:
    asked = pair["q"] if isinstance(pair["q"], list) else [pair["q"]]
    return DemoPair("\n".join(str(question) for question in asked), str(pair["a"]))


def _file(folder: Path, name: str, key: str) -> Path:
    path = (folder / name).resolve()
    if path.parent != folder.resolve() or not path.is_file():
        raise ValueError(f"The demo avatar {key} names the file {name}, which is not beside its description.")
    return path
