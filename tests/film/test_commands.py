"""`render_avatar` and `measure_avatar`: figures in JSON, and one sentence for whatever is wrong."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import cv2
import pytest
from django.core.management import CommandError, call_command

from avatars.build import BuildRefused
from avatars.engine.face.sheet import CELL_PX, ROW_PX
from avatars.engine.gestures import GESTURES
from avatars.engine.performer import Performer
from avatars.management.commands import contact_sheet, measure_avatar, render_avatar
from tests.material import MONA_LISA, RACCOON, RACCOON_POINTS
from tests.portraits import portrait_of

FIGURES = {"ok", "error", "frames", "fps", "ms_per_frame_cpu", "duration_s"}
MEASURES = {
    *("opening_r", "opening_r_shuffled", "opening_rmse_iod", "closure_rate", "false_closure_rate", "offset_ms"),
    *("silence_parted_share", "identity_min", "identity_mean", "jitter_px", "loop_seam_ratio", "reasons"),
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draft the painting once for all these tests."""
    for command in (render_avatar, measure_avatar):
        monkeypatch.setattr(command, "read_portrait", lambda source, points: portrait_of(source))


def run(*arguments: Any) -> dict[str, Any]:
    out, error = StringIO(), StringIO()
    status = 0
    try:
        call_command(*(str(argument) for argument in arguments), "--json", stdout=out, stderr=error)
    except SystemExit as stop:
        status = int(stop.code or 0)
    content: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    assert status == (0 if content["ok"] else 1)
    if not content["ok"]:
        assert content["error"].count("\n") == 0
        assert content["error"] in error.getvalue()
    return content


@pytest.mark.usefixtures("quick")
def test_a_film_is_made(tmp_path: Path) -> None:
    told = run("render_avatar", MONA_LISA, "--text", "Good morning.", "--voice", "man", "--out", tmp_path / "film.mp4")
    assert set(told) >= FIGURES
    assert (told["ok"], told["error"], told["fps"]) == (True, None, 25)
    assert told["frames"] / 25 == pytest.approx(told["duration_s"], abs=0.001)
    assert (tmp_path / "film.mp4").stat().st_size > 10_000


@pytest.mark.usefixtures("quick")
def test_a_face_is_measured() -> None:
    told = run("measure_avatar", MONA_LISA, "--text", "Maybe Bob has a map.")
    assert set(told) >= MEASURES
    assert told["ok"] is True
    assert told["opening_r"] > told["opening_r_shuffled"]
    assert set(told["reasons"]) == {name for name in told if name != "error" and told[name] is None}


def test_an_animal_is_filmed_but_its_lips_cannot_be_measured(tmp_path: Path) -> None:
    points = ("--points", RACCOON_POINTS)
    assert run("render_avatar", RACCOON, *points, "--text", "Hi.", "--out", tmp_path / "film.mp4")["ok"]
    told = run("measure_avatar", RACCOON, *points, "--text", "Hi.")
    assert told["ok"] is True
    assert told["opening_r"] is None
    assert "No face is found" in told["reasons"]["opening_r"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ((), "Give something to say"),
        (("--text", " ** "), "nothing in this text"),
        (("--text", "word " * 1000), "too long"),
        (("--text", "Hi.", "--audio", "a.wav"), "not both"),
        (("--text", "Hi.", "--voice", "bob"), "There is no voice 'bob'. Choose one of heart"),
        (("--audio", "gone.wav"), "There is no file gone.wav"),
        (("--audio", str(MONA_LISA)), "is not a WAV file"),
        (("--audio", "a.wav", "--voice", "man"), "brings its own voice"),
    ],
)
def test_a_script_that_cannot_be_said(tmp_path: Path, options: tuple[str, ...], complaint: str) -> None:
    told = run("render_avatar", MONA_LISA, "--out", tmp_path / "film.mp4", *options)
    assert complaint in told["error"]
    assert not list(tmp_path.iterdir())
    if options:
        assert complaint in run("measure_avatar", MONA_LISA, *options)["error"]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("gone.imx", None, "gone.imx cannot be read: No such file"),
        ("gone.jpg", None, "There is no file"),
        ("text.jpg", b"hello", "is not a JPEG, PNG or WebP"),
        ("damaged.imx", b"PK\x03\x04" + bytes(200), ""),
    ],
)
def test_a_source_that_is_no_face(tmp_path: Path, name: str, content: bytes | None, complaint: str) -> None:
    source = tmp_path / name
    if content is not None:
        source.write_bytes(content)
    for command in (("render_avatar", source, "--out", tmp_path / "film.mp4"), ("measure_avatar", source)):
        told = run(*command, "--text", "Hi.")
        assert complaint in told["error"]
        assert told["error"].endswith(".")


def test_points_have_to_be_points(tmp_path: Path) -> None:
    (tmp_path / "points.json").write_text("[]")
    told = run("measure_avatar", RACCOON, "--points", tmp_path / "points.json")
    assert "six points" in told["error"]


def test_a_film_has_its_name(tmp_path: Path) -> None:
    told = run("render_avatar", MONA_LISA, "--text", "Hi.", "--out", tmp_path / "film.avi")
    assert told["error"] == "film.avi does not end in .mp4. Name the film so."


@pytest.mark.usefixtures("quick")
def test_gestures_are_filmed_with_and_without_words(tmp_path: Path) -> None:
    out = ("--out", tmp_path / "film.mp4")
    silent = run("render_avatar", MONA_LISA, "--gesture", "nod@0.5", "--mood", "warm", *out)
    assert silent["ok"]
    spoken = run("render_avatar", MONA_LISA, "--text", "Hi.", "--gesture", "think", "--gesture", "smile@3", *out)
    assert spoken["frames"] > silent["frames"]


@pytest.mark.usefixtures("quick")
def test_a_gesture_written_in_the_text_is_played_and_not_spoken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    monkeypatch.setattr(Performer, "play_gesture", lambda self, name: begun.append(name))
    plain, directed = (
        run("render_avatar", MONA_LISA, "--text", text, "--out", tmp_path / "film.mp4")
        for text in ("Good morning to you.", "[smile] Good morning [nod] to you.")
    )
    assert begun == ["smile", "talk_head_nod_subtle"]
    assert directed["frames"] > plain["frames"]
    # The longest gesture decides, not further words.
    assert directed["frames"] < plain["frames"] + GESTURES["smile"].frames


@pytest.mark.usefixtures("quick")
def test_a_film_without_the_kernel_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render_avatar, "unavailable_because", lambda: "The kernel is missing.")
    err = StringIO()
    call_command("render_avatar", str(MONA_LISA), "--text", "Oh.", "--out", str(tmp_path / "film.mp4"), stderr=err)
    assert "The kernel is missing." in err.getvalue()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("gesture", "complaint"),
    [
        ("wave", "There is no gesture 'wave'. Choose one of nod"),
        ("nod@later", "'nod@later' does not say when: write for example nod@1.5"),
        ("nod@-1", "does not say when"),
        ("nod@nan", "does not say when"),
        ("nod@1e9", "does not say when"),
    ],
)
def test_a_gesture_that_cannot_be_filmed(tmp_path: Path, gesture: str, complaint: str) -> None:
    told = run("render_avatar", MONA_LISA, "--gesture", gesture, "--out", tmp_path / "film.mp4")
    assert complaint in told["error"]
    assert not list(tmp_path.iterdir())


def test_the_sheet_of_gestures_shows_every_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_sheet, "read_portrait", lambda source, points: portrait_of(source))
    out = StringIO()
    call_command("contact_sheet", str(MONA_LISA), "--gestures", "--out", str(tmp_path / "sheet.jpg"), stdout=out)
    picture = cv2.imread(str(tmp_path / "sheet.jpg"))
    assert picture.shape[0] == (1 + len(GESTURES)) * CELL_PX
    assert f"{picture.shape[1]}x{picture.shape[0]}" in out.getvalue()


def test_the_sheet_of_a_folder_has_a_row_for_each_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("face.jpg", "nobody.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")

    def drafted(source: Path, points: Any) -> Any:
        if source.name == "nobody.png":
            raise BuildRefused("needs_points", "There is nobody.")
        return portrait_of(MONA_LISA)

    monkeypatch.setattr(contact_sheet, "read_portrait", drafted)
    out = StringIO()
    call_command("contact_sheet", str(tmp_path), "--out", str(tmp_path / "sheet.png"), stdout=out)
    assert "nobody.png: There is nobody." in out.getvalue()
    picture = cv2.imread(str(tmp_path / "sheet.png"))
    assert picture[:ROW_PX].std() > 30
    sentence = picture[ROW_PX:]
    assert 0 < len(sentence) < ROW_PX / 4
    assert sentence.any()


def test_a_folder_without_faces_has_no_sheet(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no pictures and no avatar files"):
        call_command("contact_sheet", str(tmp_path), "--out", str(tmp_path / "sheet.png"))


@pytest.mark.usefixtures("quick")
def test_a_folder_of_faces_has_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faces = tmp_path / "faces"
    faces.mkdir()
    for name in ("face.jpg", "nobody.png", "notes.txt"):
        (faces / name).write_bytes(b"")

    def drafted(source: Path, points: Any) -> Any:
        if source.name == "nobody.png":
            raise BuildRefused("needs_points", "There is nobody.")
        return portrait_of(MONA_LISA)

    monkeypatch.setattr(measure_avatar, "read_portrait", drafted)
    page, out = tmp_path / "page.html", tmp_path / "faces.json"
    told = run("measure_avatar", faces, "--text", "Maybe.", "--page", page, "--out", out)
    assert [(face["name"], face["ok"]) for face in told["faces"]] == [("face.jpg", True), ("nobody.png", False)]
    assert told["faces"][1]["error"] == "There is nobody."
    assert set(told["faces"][0]) >= {"verdicts", "bars", "missed", "controls"}
    assert told["ceilings"]
    assert json.loads(out.read_text()) == told
    html = page.read_text()
    assert "face.jpg" in html
    assert "There is nobody." in html
    assert html.count("<svg") == 4
    assert html.count("data:image/jpeg") == 2


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--page", "/nowhere/page.html"), "There is no folder /nowhere"),
        (("--out", "/nowhere/faces.json"), "There is no folder /nowhere"),
        (("--real", "gone.mp4"), "There is no film gone.mp4"),
    ],
)
def test_what_cannot_be_read_or_written_is_said_before_the_work(options: tuple[str, ...], complaint: str) -> None:
    assert complaint in run("measure_avatar", MONA_LISA, "--text", "Hi.", *options)["error"]


def test_an_empty_folder_holds_no_faces(tmp_path: Path) -> None:
    told = run("measure_avatar", tmp_path, "--text", "Hi.")
    assert "There are no pictures and no avatar files" in told["error"]
