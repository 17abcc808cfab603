"""Drawn faces and animals: eyes and mouths where their artist put them, faces that lie on their side."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avatars.build import FacePoints, picture_portrait
from avatars.build.drawn import fitted_to_drawing
from avatars.build.points import fitted_mesh
from avatars.demo import DEMO_FILE
from avatars.engine.controls import Control, Controls, rest
from avatars.engine.face import FaceRenderer, Rig
from avatars.engine.face.frame import INNER_LOWER, INNER_UPPER, OUTER_LOWER, FaceFrame
from avatars.engine.portrait import Kind, Portrait
from tests.material import ASTRONAUT, MONA_LISA, RACCOON, RACCOON_POINTS

SKIN, MOUTH, TONGUE, WHITE, SCARF = (90, 200, 120), (30, 40, 200), (60, 120, 240), (245, 245, 245), (40, 40, 160)
PLUVIO = DEMO_FILE.with_name("pluvio.png")
POINTS = FacePoints((220, 240), (380, 240), (240, 395), (360, 395), (300, 420), (300, 478))


def drawn(path: Path, *, one_eye: bool = False, scarf: bool = False) -> Path:
    """A green head with round eyes and an open mouth, far from where a person would have them."""
    picture = np.full((600, 600, 3), 215, np.uint8)
    cv2.ellipse(picture, (300, 300), (190, 200), 0, 0, 360, SKIN, -1, cv2.LINE_AA)
    for x in (220,) if one_eye else (220, 380):
        cv2.ellipse(picture, (x, 240), (42, 58), 0, 0, 360, WHITE, -1, cv2.LINE_AA)
        cv2.circle(picture, (x, 250), 24, (20, 20, 20), -1, cv2.LINE_AA)
    cv2.ellipse(picture, (300, 390), (70, 60), 0, 0, 180, MOUTH, -1, cv2.LINE_AA)
    cv2.ellipse(picture, (300, 432), (36, 18), 0, 0, 360, TONGUE, -1, cv2.LINE_AA)
    if scarf:
        cv2.rectangle(picture, (180, 440), (420, 520), SCARF, -1)
    cv2.imwrite(str(path), picture)
    return path


def portrait(path: Path, points: FacePoints = POINTS) -> Portrait:
    return picture_portrait(path, points)


def shown(portrait: Portrait, **values: float) -> NDArray[np.int32]:
    controls: Controls = rest()
    controls[Control.RELAX] = 1.0
    for name, value in values.items():
        controls[Control[name]] = value
    return FaceRenderer(Rig.from_portrait(portrait)).draw(controls).astype(np.int32)


def count(picture: NDArray[np.int32], colour: tuple[int, int, int]) -> int:
    return int((np.abs(picture - colour).max(axis=2) < 25).sum())


def as_grey(path: Path, out: Path, *, gain: float = 1.0, grey_level: float = 128) -> Path:
    """The picture without colours, its contrast changed about its middle grey."""
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    changed = np.clip((picture.astype(np.float32) - 128) * gain + grey_level, 0, 255).astype(np.uint8)
    cv2.imwrite(str(out), changed)
    return out


@pytest.mark.parametrize("quality", [None, 80])
def test_flat_paint_is_a_drawing(tmp_path: Path, quality: int | None) -> None:
    path = drawn(tmp_path / "face.png")
    if quality:
        picture = cv2.imread(str(path))
        assert picture is not None
        path = tmp_path / "face.jpg"
        cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert portrait(path).kind is Kind.DRAWING


@pytest.mark.parametrize("photo", [ASTRONAUT, MONA_LISA])
@pytest.mark.parametrize(("gain", "grey_level"), [(0.25, 32), (1.0, 128), (1.8, 128)])
def test_a_picture_without_colours_is_no_drawing(tmp_path: Path, photo: Path, gain: float, grey_level: int) -> None:
    """However dark, and however hard its blacks and whites."""
    grey = as_grey(photo, tmp_path / "grey.png", gain=gain, grey_level=grey_level)
    assert picture_portrait(grey).kind is Kind.PHOTO


def test_a_drawing_without_colours_is_one(tmp_path: Path) -> None:
    grey = as_grey(drawn(tmp_path / "face.png"), tmp_path / "grey.png")
    assert portrait(grey).kind is Kind.DRAWING


@pytest.mark.parametrize("scarf", [False, True])
def test_the_lips_are_the_edge_of_the_drawn_mouth(tmp_path: Path, scarf: bool) -> None:
    """Also where the mouth runs into something else that stands out from the skin."""
    made = portrait(drawn(tmp_path / "face.png", scarf=scarf))
    frame = FaceFrame.of(made.landmarks)
    iod = frame.iod_px
    upper, lower = (made.landmarks[list(ids), :2] for ids in (INNER_UPPER, INNER_LOWER))
    assert float(np.ptp(upper[:, 0])) / iod == pytest.approx(140 / 160, abs=0.08)
    height = float((lower[5] - upper[5])[1]) / iod
    assert height == pytest.approx((50 if scarf else 60) / 160, abs=0.06)
    mouth = Rig.from_portrait(made).palette
    assert np.abs(mouth.cavity - MOUTH).max() < 12
    if not scarf:
        assert np.abs(mouth.tongue - TONGUE).max() < 12


def test_an_open_drawn_mouth_closes_and_opens(tmp_path: Path) -> None:
    made = portrait(drawn(tmp_path / "face.png"))
    still = count(made.picture.astype(np.int32), MOUTH)
    assert count(shown(made, JAW=0.1, SEAL=1.0, PRESS=0.6), MOUTH) < 0.15 * still
    assert count(shown(made, JAW=0.9), MOUTH) > 0.3 * still


def test_round_drawn_eyes_close(tmp_path: Path) -> None:
    made = portrait(drawn(tmp_path / "face.png"))
    still = count(made.picture.astype(np.int32), WHITE)
    half = count(shown(made, BLINK_LEFT=0.5, BLINK_RIGHT=0.5), WHITE)
    assert count(shown(made, BLINK_LEFT=1.0, BLINK_RIGHT=1.0), WHITE) < 0.03 * still
    assert 0.2 * still < half < 0.8 * still


def test_an_eye_that_is_not_to_be_seen_does_not_blink(tmp_path: Path) -> None:
    made = portrait(drawn(tmp_path / "face.png", one_eye=True))
    before, after = shown(made), shown(made, BLINK_LEFT=1.0, BLINK_RIGHT=1.0)
    moved = np.abs(after - before).max(axis=2) > 8
    middle = round(float(FaceFrame.of(made.landmarks).eyes_middle[0]))
    assert moved[:, :middle].any()
    assert not moved[:, middle:].any()


def test_a_drawn_face_that_nothing_is_found_in_keeps_the_marked_mesh(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "plain.png"), np.full((600, 600, 3), 200, np.uint8))
    made = portrait(tmp_path / "plain.png")
    assert made.kind is Kind.DRAWING
    frame = FaceFrame.of(made.landmarks)
    corners = frame.to_face(made.landmarks[[61, 291], :2])
    assert float(np.ptp(corners[:, 0])) == pytest.approx(120 / 160, rel=0.05)
    assert np.isfinite(shown(made, JAW=0.8, BLINK_LEFT=1.0)).all()


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_face_on_its_side_is_set_upright(tmp_path: Path, quarters: int) -> None:
    points = FacePoints.from_json(json.loads(RACCOON_POINTS.read_text()))
    picture = cv2.imread(str(RACCOON))
    assert picture is not None
    upright = picture_portrait(RACCOON, points)
    turned = points.turned(quarters, picture.shape[1], picture.shape[0])
    cv2.imwrite(str(tmp_path / "turned.png"), np.rot90(picture, quarters))
    again = picture_portrait(tmp_path / "turned.png", turned)
    assert turned.quarter_turns() == (4 - quarters) % 4
    assert np.abs(again.landmarks - upright.landmarks).max() < 1.0
    assert np.abs(again.picture.astype(int) - upright.picture).mean() < 2


def human(path: Path) -> Path:
    """A flat drawing of a person, mouth open, that the networks know for a face."""
    skin, hair = (150, 190, 240), (30, 50, 80)
    picture = np.full((700, 700, 3), (200, 170, 120), np.uint8)
    cv2.rectangle(picture, (300, 480), (400, 580), (135, 171, 216), -1)
    cv2.ellipse(picture, (350, 300), (175, 215), 0, 0, 360, hair, -1, cv2.LINE_AA)
    cv2.ellipse(picture, (350, 335), (140, 185), 0, 0, 360, skin, -1, cv2.LINE_AA)
    cv2.ellipse(picture, (350, 190), (150, 70), 0, 180, 360, hair, -1, cv2.LINE_AA)
    for x in (290, 410):
        cv2.ellipse(picture, (x, 320), (30, 19), 0, 0, 360, WHITE, -1, cv2.LINE_AA)
        cv2.circle(picture, (x, 320), 14, (90, 60, 30), -1, cv2.LINE_AA)
        cv2.ellipse(picture, (x, 320), (31, 20), 0, 180, 360, (20, 20, 20), 3, cv2.LINE_AA)
        cv2.ellipse(picture, (x, 290), (36, 14), 0, 190, 350, hair, 6, cv2.LINE_AA)
    cv2.line(picture, (350, 335), (340, 385), (120, 150, 190), 4, cv2.LINE_AA)
    cv2.line(picture, (340, 385), (356, 390), (120, 150, 190), 4, cv2.LINE_AA)
    cv2.ellipse(picture, (350, 435), (52, 34), 0, 0, 180, MOUTH, -1, cv2.LINE_AA)
    cv2.imwrite(str(path), picture)
    return path


def test_a_face_that_is_found_has_its_drawn_mouth_too(tmp_path: Path) -> None:
    """Without a hand: the mesh's own lips leave half of the painted mouth open in an /m/."""
    made = picture_portrait(human(tmp_path / "human.png"))
    assert made.kind is Kind.DRAWING
    still = count(made.picture.astype(np.int32), MOUTH)
    assert still > 500
    assert count(shown(made, JAW=0.1, SEAL=1.0, PRESS=0.6), MOUTH) < 0.2 * still
    assert count(shown(made, JAW=0.9), MOUTH) > 0.5 * still


def test_a_line_at_the_chin_is_no_mouth() -> None:
    picture = np.full((600, 600, 3), SKIN, np.uint8)
    landmarks = fitted_mesh(POINTS)
    low = int(landmarks[list(OUTER_LOWER), 1].max())
    cv2.ellipse(picture, (300, low + 12), (40, 5), 0, 0, 180, (20, 20, 20), 5, cv2.LINE_AA)
    lips = list(INNER_UPPER + INNER_LOWER)
    assert np.array_equal(fitted_to_drawing(picture, landmarks, marked=False)[lips], landmarks[lips])
    assert not np.array_equal(fitted_to_drawing(picture, landmarks, marked=True)[lips], landmarks[lips])


def test_shaded_lips_keep_the_line_between_them() -> None:
    """The mesh sees the drawn robot's lips a little apart; they are no open mouth, and what is behind them is dark."""
    made = picture_portrait(PLUVIO, kind=Kind.DRAWING)
    rig = Rig.from_portrait(made)
    assert rig.mouth.gap < 0.06
    assert rig.palette.cavity.max() < 90


def test_a_round_eye_of_an_animal_closes() -> None:
    """The lids of a person, which are laid over it, are too flat for the dark eyes of a raccoon."""
    made = picture_portrait(RACCOON, FacePoints.from_json(json.loads(RACCOON_POINTS.read_text())))
    shut = shown(made, BLINK_LEFT=1.0, BLINK_RIGHT=1.0)
    for eye in Rig.from_portrait(made).eyes:
        inside = np.hypot(eye.x, eye.y) < 0.35
        before, after = (float(np.median(picture[eye.box].mean(axis=2)[inside])) for picture in (made.picture, shut))
        assert after > 1.8 * before
