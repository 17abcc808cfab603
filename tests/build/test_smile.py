"""Teeth of a second picture: whose they are, where they are put, in which colour, and when they are refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from django.core.management import call_command

from avatars.build import BuildRefused, picture_portrait
from avatars.build.inspection import Findings
from avatars.build.smile import PARTED_WARNING, PITCH_APART_MAX_DEG, YAW_APART_MAX_DEG, check_pose, with_teeth
from avatars.engine.controls import Control, rest
from avatars.engine.face import FaceRenderer
from avatars.engine.face.frame import FaceFrame
from avatars.engine.face.teeth import UPPER_EDGE
from avatars.engine.footage import Footage
from avatars.engine.perception.pose import Pose
from avatars.engine.portrait import Kind, Portrait
from avatars.imx import open_imx
from tests.portraits import ASTRONAUT, MONA_LISA, portrait_of, rig_of

SMILING = cv2.imread(str(ASTRONAUT))


@pytest.fixture(scope="module")
def closed_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The astronaut, whose picture shows her smiling, with her lips brought together."""
    frame = rest()
    frame[Control.RELAX] = 1.0
    path = tmp_path_factory.mktemp("closed") / "closed.png"
    cv2.imwrite(str(path), FaceRenderer(rig_of(ASTRONAUT)).draw(frame))
    return path


@pytest.fixture(scope="module")
def closed(closed_file: Path) -> Portrait:
    return picture_portrait(closed_file)


def teeth_of(portrait: Portrait, picture: np.ndarray, folder: Path) -> np.ndarray:
    path = folder / "smiling.png"
    cv2.imwrite(str(path), picture)
    teeth = with_teeth(portrait, path, Findings()).teeth
    assert teeth is not None
    return teeth


def mean_colour(teeth: np.ndarray) -> np.ndarray:
    return np.asarray(teeth[teeth[..., 3] > 200][:, :3].mean(axis=0))


def test_teeth_of_a_second_picture_are_built_in(closed_file: Path, tmp_path: Path) -> None:
    out, said = tmp_path / "smile.imx", StringIO()
    call_command("build_avatar", closed_file, out=out, teeth=ASTRONAUT, json=True, stdout=said)
    assert "taken from the second picture" in said.getvalue()
    report = json.loads(said.getvalue().splitlines()[-1])
    assert report["measures"]["teeth"] == "another"
    assert report["measures"]["teeth_identity"] > 0.8
    avatar = open_imx(out)
    avatar.verify()
    portrait = avatar.portrait()
    assert portrait.teeth is not None
    frame = FaceFrame.of(portrait.landmarks)
    rows, columns = np.nonzero(portrait.teeth[..., 3] > 127)
    local = frame.to_face(np.stack([columns, rows], axis=-1).astype(np.float32))
    middle = local[np.abs(local[:, 0]) < 0.08]
    # Where upper teeth end on a skull, and in the middle of the face.
    assert float(np.percentile(middle[:, 1], 97)) == pytest.approx(UPPER_EDGE, abs=0.02)
    assert float(local[:, 0].min()) < -0.15 < 0.15 < float(local[:, 0].max())


@pytest.mark.parametrize("scale", [1.2, 1.6])
def test_a_picture_taken_otherwise_gives_the_same_teeth(closed: Portrait, tmp_path: Path, scale: float) -> None:
    height, width = SMILING.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 9.0, scale)
    turn[:, 2] += np.array([width, height]) * (scale - 1) / 2
    turned = cv2.warpAffine(SMILING, turn, (round(width * scale), round(height * scale)), borderMode=cv2.BORDER_REFLECT)
    plain, other = (teeth_of(closed, picture, tmp_path)[..., 3] > 127 for picture in (SMILING, turned))
    assert (plain & other).sum() > 0.7 * (plain | other).sum()


def test_teeth_take_the_light_of_the_first_picture(closed: Portrait, tmp_path: Path) -> None:
    warm_and_dim = np.clip(SMILING * np.array([0.55, 0.68, 0.80]), 0, 255).astype(np.uint8)
    plain, other = (mean_colour(teeth_of(closed, picture, tmp_path)) for picture in (SMILING, warm_and_dim))
    assert np.abs(other / plain - 1).max() < 0.08


def noise(folder: Path, closed_file: Path) -> Path:
    path = folder / "noise.png"
    cv2.imwrite(str(path), np.random.default_rng(1).integers(0, 255, (300, 300, 3)).astype(np.uint8))
    return path


def damaged(folder: Path, closed_file: Path) -> Path:
    path = folder / "half.png"
    path.write_bytes(ASTRONAUT.read_bytes()[:20_000])
    return path


def tiny(folder: Path, closed_file: Path) -> Path:
    path = folder / "tiny.png"
    cv2.imwrite(str(path), cv2.resize(SMILING, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA))
    return path


@pytest.mark.parametrize(
    ("second", "complaint"),
    [
        (lambda folder, closed_file: MONA_LISA, "somebody else"),
        (lambda folder, closed_file: closed_file, "No upper teeth"),
        (lambda folder, closed_file: folder / "none.png", "no file none.png"),
        (noise, "No face"),
        (damaged, "second picture.*missing"),
        (tiny, "pixels apart"),
    ],
)
def test_a_second_picture_without_her_teeth_is_refused(
    closed: Portrait, closed_file: Path, tmp_path: Path, second: Callable[[Path, Path], Path], complaint: str
) -> None:
    with pytest.raises(BuildRefused, match=complaint) as refusal:
        with_teeth(closed, second(tmp_path, closed_file), Findings())
    assert refusal.value.code == "bad_teeth"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"kind": Kind.DRAWING}, "photos of people only"),
        ({"kind": Kind.ANIMAL}, "photos of people only"),
        ({"footage": Footage((b"",), np.zeros((1, 2, 3), np.float32))}, "taken from the video"),
    ],
)
def test_who_has_no_use_for_teeth_is_told(closed: Portrait, change: dict[str, object], complaint: str) -> None:
    with pytest.raises(BuildRefused, match=complaint):
        with_teeth(replace(closed, **change), ASTRONAUT, Findings())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("apart", "complaint"),
    [
        ((YAW_APART_MAX_DEG + 1, 0, 0), "13 degrees further aside"),
        ((-YAW_APART_MAX_DEG - 1, 0, 0), "13 degrees further aside"),
        ((0, PITCH_APART_MAX_DEG + 1, 0), "tipped 13 degrees"),
    ],
)
def test_heads_held_differently_are_refused(apart: tuple[float, float, float], complaint: str) -> None:
    with pytest.raises(BuildRefused, match=complaint):
        check_pose(Pose(*np.add((5, -8, 2), apart)), Pose(5, -8, 2))


def test_a_head_tilted_sideways_is_no_matter() -> None:
    check_pose(Pose(YAW_APART_MAX_DEG, -PITCH_APART_MAX_DEG, 25), Pose(0, 0, -10))


def test_a_picture_that_shows_its_own_mouth_keeps_it() -> None:
    findings = Findings()
    portrait = portrait_of(ASTRONAUT)
    assert with_teeth(portrait, ASTRONAUT, findings) is portrait
    assert findings.warnings == [PARTED_WARNING]
