"""The demo characters: described completely, and made so that the engine can animate them."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from avatars.build import FacePoints
from avatars.demo import DEMO_FILE, MOODS, DemoAvatar, demo_avatars
from avatars.engine.directions import without_directions
from avatars.engine.expression import Mood
from avatars.engine.perception import Face, Perception
from avatars.engine.speech.styles import STYLES

DRAWN = ("nell", "pluvio")
SIDE_PX = 1024
PNG_BYTES_MAX = 600_000

# Where the drawings have their eyes and lips, in pixels: mesh point -> (x, y).
DRAWN_POINTS: dict[str, dict[int, tuple[float, float]]] = {
    "nell": {
        61: (444, 653), 291: (580, 653), 0: (512, 648), 17: (512, 696), 13: (512, 670), 14: (512, 671),
        133: (471, 479), 362: (553, 479), 159: (428, 448), 145: (428, 490), 386: (596, 448), 374: (596, 490),
        468: (428, 470), 473: (596, 470), 152: (512, 752),
    },
    "pluvio": {
        61: (428, 648), 291: (596, 648), 0: (512, 656), 17: (512, 700), 13: (512, 676), 14: (512, 681),
        133: (464, 490), 362: (560, 490), 159: (414, 450), 145: (414, 509), 386: (610, 450), 374: (610, 509),
        468: (414, 484), 473: (610, 484), 152: (512, 778),
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def avatars() -> dict[str, DemoAvatar]:
    return {avatar.key: avatar for avatar in demo_avatars()}


@pytest.fixture(scope="module", params=DRAWN)
def drawn(request: pytest.FixtureRequest, avatars: dict[str, DemoAvatar]) -> tuple[DemoAvatar, list[Face]]:
    avatar = avatars[request.param]
    picture = cv2.imread(str(avatar.picture), cv2.IMREAD_COLOR)
    assert picture is not None
    return avatar, Perception.shared().faces(np.asarray(picture, np.uint8))


def test_there_are_four_of_three_kinds(avatars: dict[str, DemoAvatar]) -> None:
    assert len(avatars) == 4
    assert {avatar.kind for avatar in avatars.values()} == {"photo", "drawing", "animal"}


def test_they_differ_where_visitors_notice(avatars: dict[str, DemoAvatar]) -> None:
    for field in ("name", "voice", "greeting", "persona", "tagline", "picture"):
        assert len({getattr(avatar, field) for avatar in avatars.values()}) == len(avatars), field


def test_texts_suit_a_very_small_model_and_fit_their_columns(avatars: dict[str, DemoAvatar]) -> None:
    for avatar in avatars.values():
        assert 3 <= sentences(avatar.persona) <= 6, avatar.key
        assert len(avatar.persona) <= 600
        assert 1 <= sentences(avatar.greeting) <= 2
        assert len(avatar.greeting) <= 120
        assert len(avatar.name) <= 60
        assert len(avatar.tagline) <= 120
        assert len(avatar.licence) <= 200
        assert 8 <= len(avatar.pairs) <= 14
        for pair in avatar.pairs:
            assert all(question.endswith(("?", ".")) for question in pair.questions.splitlines())
            assert len(pair.answer) <= 160
            plain, directions = without_directions(pair.answer)
            assert "[" not in plain
            assert len(directions) == pair.answer.count("[")


def test_their_voices_exist(avatars: dict[str, DemoAvatar]) -> None:
    assert {avatar.voice for avatar in avatars.values()} <= set(STYLES)


def test_their_moods_exist(avatars: dict[str, DemoAvatar]) -> None:
    assert list(MOODS) == list(Mood)
    assert {avatar.mood for avatar in avatars.values()} == {"neutral", "warm", "cheerful"}


def test_everyone_may_see_them(avatars: dict[str, DemoAvatar]) -> None:
    assert {avatar.visibility for avatar in avatars.values()} == {"public"}


def test_every_file_has_its_licence(avatars: dict[str, DemoAvatar]) -> None:
    sources = (DEMO_FILE.parent / "SOURCES.md").read_text(encoding="utf-8")
    for path in DEMO_FILE.parent.iterdir():
        if path.suffix in {".svg", ".png", ".jpg", ".json"}:
            assert f"`{path.name}`" in sources
    for avatar in avatars.values():
        assert "public domain" in avatar.licence or "CC0" in avatar.licence


def test_points_lie_on_a_face(avatars: dict[str, DemoAvatar]) -> None:
    marked = [avatar for avatar in avatars.values() if avatar.points]
    assert marked
    for avatar in marked:
        picture = cv2.imread(str(avatar.picture))
        assert picture is not None
        FacePoints.from_json(avatar.points).check(picture.shape[1], picture.shape[0])


@pytest.mark.parametrize("key", DRAWN)
def test_drawings_are_square_light_and_have_their_source(avatars: dict[str, DemoAvatar], key: str) -> None:
    path = avatars[key].picture
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    assert picture.shape == (SIDE_PX, SIDE_PX, 3)
    assert path.stat().st_size <= PNG_BYTES_MAX
    drawing = path.with_suffix(".svg").read_text(encoding="utf-8")
    assert "<image" not in drawing
    assert "http" not in drawing.replace("http://www.w3.org/2000/svg", "")


def test_the_face_of_a_drawing_is_found_where_it_is_drawn(drawn: tuple[DemoAvatar, list[Face]]) -> None:
    avatar, faces = drawn
    assert len(faces) == 1
    face = faces[0]
    assert face.presence > 0.99
    width_px = float(np.ptp(face.landmarks[:, 0]))
    assert 0.3 * SIDE_PX < width_px < 0.6 * SIDE_PX
    for point, place in DRAWN_POINTS[avatar.key].items():
        off = float(np.hypot(*(face.landmarks[point, :2] - place))) / width_px
        assert off < 0.03, f"point {point} is {off:.1%} of the face's width off"


def test_drawn_lips_are_closed_and_clear_of_the_skin(drawn: tuple[DemoAvatar, list[Face]]) -> None:
    avatar, (face,) = drawn
    picture = cv2.imread(str(avatar.picture))
    assert picture is not None
    lab = cv2.cvtColor(picture, cv2.COLOR_BGR2LAB).astype(np.float32)
    x, y = (int(value) for value in face.landmarks[17, :2])
    lip, skin = lab[y - 14 : y - 8, x - 20 : x + 20].mean(axis=(0, 1)), lab[y + 30, x - 20 : x + 20].mean(axis=0)
    assert float(np.linalg.norm(lip - skin)) > 22
    iod = float(np.hypot(*(face.landmarks[473, :2] - face.landmarks[468, :2])))
    assert float(face.landmarks[14, 1] - face.landmarks[13, 1]) / iod < 0.06


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"picture": "gone.png"}, r"gone\.png"),
        ({"picture": "../fox.png"}, r"\.\./fox\.png"),
        ({"persona": " "}, "lacks persona"),
        ({"kind": "robot"}, "unknown kind"),
        ({"points": "bad.json"}, "points"),
    ],
)
def test_a_wrong_description_is_told(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    names = ("name", "tagline", "licence", "persona", "voice", "greeting")
    entry = {"key": "fox", "kind": "animal", "visibility": "public", "picture": "fox.png", **dict.fromkeys(names, "x")}
    (tmp_path / "fox.png").write_bytes(b"picture")
    (tmp_path / "bad.json").write_text('{"chin": [1]}')
    path = tmp_path / "demo.json"
    path.write_text(json.dumps({"avatars": [entry]}))
    assert demo_avatars(path)[0].key == "fox"
    path.write_text(json.dumps({"avatars": [entry | change]}))
    with pytest.raises(ValueError, match=complaint):
        demo_avatars(path)


def sentences(text: str) -> int:
    return sum(text.count(mark) for mark in ".!?")
