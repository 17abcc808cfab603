"""Frames: a face with headroom in every shape, a whole figure, and what lies beyond the picture."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avatars.build.framing import FIGURE_FACE_MIN_PX, Frame, cut, frame_around, frame_figure
from avatars.build.points import template

SIZES = [(512, 512), (768, 768), (720, 1280), (1280, 720)]


def face_at(x: float, y: float, height: float) -> NDArray[np.float32]:
    """The template with its middle at (x, y), `height` pixels from hairline to chin."""
    mesh = template()
    return ((mesh - mesh.mean(axis=0)) * height / (mesh[152, 1] - mesh[10, 1]) + (x, y, 0)).astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
def test_a_large_picture_gives_every_shape_headroom(size: tuple[int, int]) -> None:
    landmarks = face_at(2000, 1500, 500)
    frame = frame_around(landmarks, (4000, 4000), size)
    assert frame.width / frame.height == pytest.approx(size[0] / size[1], abs=0.01)
    placed = frame.to_frame(landmarks, size)
    forehead, chin = placed[10, 1] / size[1], placed[152, 1] / size[1]
    assert 0.18 < forehead < 0.30
    assert chin < 0.85
    assert placed[:, 0].min() > 0.1 * size[0]
    assert placed[:, 0].max() < 0.9 * size[0]
    assert frame.outside_share(4000, 4000) == 0


@pytest.mark.parametrize("size", SIZES)
def test_a_whole_figure_stays_in_the_frame(size: tuple[int, int]) -> None:
    matte = np.zeros((2400, 2400), np.uint8)
    cv2.rectangle(matte, (1000, 300), (1300, 1500), (255,), -1)
    cv2.rectangle(matte, (100, 100), (200, 300), (255,), -1)
    frame, whole = frame_figure(matte, face_at(1150, 450, 260), size, cut_out=False)
    assert whole
    assert frame.left <= 1000
    assert frame.left + frame.width >= 1300
    assert frame.top <= 300
    assert frame.top + frame.height >= 1500
    assert frame.outside_share(2400, 2400) == 0
    assert frame.height < 1800


def test_a_figure_is_cropped_before_its_face_is_too_small() -> None:
    matte = np.zeros((3000, 3000), np.uint8)
    cv2.rectangle(matte, (1400, 200), (1600, 2900), (255,), -1)
    landmarks = face_at(1500, 300, 120)
    frame, whole = frame_figure(matte, landmarks, (512, 512), cut_out=False)
    assert not whole
    placed = frame.to_frame(landmarks, (512, 512))
    assert placed[152, 1] - placed[10, 1] == pytest.approx(FIGURE_FACE_MIN_PX, abs=2)
    assert placed[10, 1] > 5


@pytest.mark.parametrize(("cut_out", "outside"), [(True, True), (False, False)])
def test_only_what_was_cut_out_may_reach_beyond_the_picture(cut_out: bool, outside: bool) -> None:
    matte = np.zeros((900, 600), np.uint8)
    cv2.rectangle(matte, (100, 50), (500, 899), (255,), -1)
    frame, whole = frame_figure(matte, face_at(300, 200, 200), (1280, 720), cut_out=cut_out)
    assert whole is cut_out
    assert (frame.outside_share(600, 900) > 0) is outside


def test_a_figure_nobody_can_tell_from_its_background_keeps_the_face() -> None:
    frame, _ = frame_figure(np.zeros((900, 900), np.uint8), face_at(450, 300, 200), (512, 512), cut_out=False)
    placed = frame.to_frame(face_at(450, 300, 200), (512, 512))
    assert placed[:, :2].min() >= 0
    assert placed[:, :2].max() <= 512


def test_nothing_recognisable_appears_twice_beyond_the_picture() -> None:
    picture = np.full((300, 300, 3), 128, np.uint8)
    cv2.circle(picture, (230, 150), 12, (0, 0, 0), -1)
    drawn = cut(picture, Frame(0, 0, 500, 300), (500, 300))
    assert np.array_equal(drawn[:, :295], picture[:, :295])
    assert drawn[:, 330:].min() > 100
