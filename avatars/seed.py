"""The demo avatars: described in `demo/demo.json`, built on the first start, owned by nobody, public."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.core.files import File
from django.db import transaction

from avatars.models import Avatar, Build

DEMO_FILE: Final = Path(__file__).parent / "demo" / "demo.json"
TEXTS: Final = ("name", "tagline", "persona", "greeting", "voice", "licence")


@dataclass(frozen=True, slots=True)
class Demo:
    """One demo avatar: a key that stays, the picture, its kind, six points where no face can be found, and texts."""

    key: str
    picture: Path
    kind: str
    points: dict[str, Any] | None
    texts: dict[str, str]


def read_demos(path: Path = DEMO_FILE) -> list[Demo]:
    """Read the description; none where there is no file.

    Raises `ValueError` with a sentence when it cannot be read or names a picture that is not there.
    """
    if not path.exists():
        return []
    described = json.loads(path.read_text(encoding="utf-8"))
    demos = []
    for entry in described["avatars"] if isinstance(described, dict) else described:
        missing = [name for name in ("key", "name", "picture") if not entry.get(name)]
        if missing:
            raise ValueError(f"a demo avatar lacks {', '.join(missing)}")
        picture = (path.parent / entry["picture"]).resolve()
        if not picture.is_file():
            raise ValueError(f"the picture {entry['picture']} of {entry['key']} is not there")
        texts = {name: str(entry[name]) for name in TEXTS if entry.get(name)}
        demos.append(
            Demo(entry["key"], picture, entry.get("kind") or "", _points(entry.get("points"), path.parent), texts)
        )
    return demos


def _points(described: dict[str, Any] | str | None, folder: Path) -> dict[str, Any] | None:
    """Return the six points, which stand in the description or in a file that it names."""
    if not isinstance(described, str):
        return described
    points: dict[str, Any] = json.loads((folder / described).read_text(encoding="utf-8"))
    return points


def seed_demos(path: Path = DEMO_FILE) -> list[Avatar]:
    """Create the demo avatars that are not there and queue what is not built; return those that were queued.

    Doing it again changes nothing, except that a demo whose build failed is given another try.
    """
    queued = []
    for demo in read_demos(path):
        with transaction.atomic():
            avatar, created = Avatar.objects.get_or_create(
                demo_key=demo.key,
                defaults={
                    **demo.texts,
                    "demo": True,
                    "visibility": Avatar.Visibility.PUBLIC,
                    "kind": demo.kind or Avatar.Kind.PHOTO,
                },
            )
            if created or avatar.state == Avatar.State.FAILED:
                _queue(avatar, demo)
                queued.append(avatar)
    return queued


def _queue(avatar: Avatar, demo: Demo) -> Build:
    from avatars.builds import start_build

    with demo.picture.open("rb") as opened:
        return start_build(
            avatar,
            File(opened, name=f"source{demo.picture.suffix.lower()}"),
            kind=demo.kind,
            points=demo.points,
            consent_text=f"Demo material that comes with Parlo. {demo.texts.get('licence', '')}".strip(),
        )
