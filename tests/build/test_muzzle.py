"""Guessing where an animal's face is: right where two witnesses agree, silent where they do not."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avatars.build import BuildRefused, FacePoints, build_avatar, picture_portrait
from avatars.build.muzzle import guess_muzzle
from avatars.build.portrait import GUESSED_WARNING
from avatars.engine.perception import Perception
from avatars.engine.portrait import Kind
from avatars.imx import SourceKind
from tests.material import ASTRONAUT, RACCOON, RACCOON_POINTS


@pytest.fixture(scope="module")
def raccoon() -> NDArray[np.uint8]:
    picture = cv2.imread(str(RACCOON))
    assert picture is not None
    return np.asarray(picture, np.uint8)


@pytest.fixture(scope="module")
def marked() -> NDArray[np.float32]:
    return FacePoints.from_json(json.loads(RACCOON_POINTS.read_text())).array()


@pytest.mark.parametrize("size", [1.0, 0.6])
def test_a_muzzle_is_found_where_a_person_marks_it(
    raccoon: NDArray[np.uint8], marked: NDArray[np.float32], size: float
) -> None:
    picture = np.asarray(cv2.resize(raccoon, None, fx=size, fy=size, interpolation=cv2.INTER_AREA), np.uint8)
    guess = guess_muzzle(picture)
    assert guess is not None
    iod = float(np.hypot(*(marked[1] - marked[0])))
    off = np.hypot(*(guess.array() / size - marked).T) / iod
    assert off[:2].max() < 0.15
    assert off[2:].max() < 0.3


def test_nothing_is_guessed_where_there_is_no_muzzle(raccoon: NDArray[np.uint8]) -> None:
    noise = np.random.default_rng(3).integers(0, 255, (400, 500, 3), np.uint8)
    plain = np.full((300, 300, 3), 120, np.uint8)
    leaves = np.ascontiguousarray(raccoon[420:, :400])
    for picture in (noise, plain, leaves):
        assert guess_muzzle(picture) is None


def test_two_spots_and_a_third_are_no_face() -> None:
    """The spots alone would do; nothing else in the picture looks like a face."""
    picture = np.full((256, 256, 3), 200, np.uint8)
    for x, y in ((100, 100), (156, 100), (128, 155)):
        cv2.circle(picture, (x, y), 6, (20, 20, 20), -1, cv2.LINE_AA)
    assert guess_muzzle(picture) is None


def test_a_person_whose_mesh_is_not_found_is_no_animal(
    raccoon: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = Perception.shared()
    sure = [replace(face, score=0.9) for face in shared.suspects(raccoon)]
    monkeypatch.setattr(shared, "suspects", lambda picture: sure)
    assert guess_muzzle(raccoon) is None


def test_nothing_is_guessed_in_flat_paint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.full((400, 400, 3), 200, np.uint8)
    for x, y in ((150, 150), (250, 150), (200, 220)):
        cv2.circle(picture, (x, y), 12, (20, 20, 20), -1, cv2.LINE_AA)
    cv2.imwrite(str(tmp_path / "spots.png"), picture)
    spots = FacePoints((150, 150), (250, 150), (165, 265), (235, 265), (200, 260), (200, 300))
    monkeypatch.setattr("avatars.build.portrait.guess_muzzle", lambda picture: spots)
    with pytest.raises(BuildRefused) as refusal:
        picture_portrait(tmp_path / "spots.png")
    assert refusal.value.code == "needs_points"


def test_an_animal_is_built_without_a_hand(tmp_path: Path) -> None:
    report = build_avatar(RACCOON, tmp_path / "raccoon.imx")
    assert report.ok
    assert (report.faces_found, report.source_kind) == (0, SourceKind.PHOTO)
    assert GUESSED_WARNING in report.warnings
    assert set(report.measures["points"]) == set(json.loads(RACCOON_POINTS.read_text()))
    assert picture_portrait(RACCOON).kind is Kind.ANIMAL


def test_a_face_that_is_found_is_not_guessed(tmp_path: Path) -> None:
    report = build_avatar(ASTRONAUT, tmp_path / "astronaut.imx")
    assert GUESSED_WARNING not in report.warnings


def test_where_nothing_is_guessed_the_creator_is_asked(raccoon: NDArray[np.uint8], tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "leaves.png"), raccoon[420:, :400])
    with pytest.raises(BuildRefused, match="place six points") as refusal:
        picture_portrait(tmp_path / "leaves.png")
    assert refusal.value.code == "needs_points"
