"""Rigs: what a portrait must be, and fields that are turned round rightly."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from avatars.build.preview import small
from avatars.engine.controls import Control, rest
from avatars.engine.face import FaceRenderer, Rig
from avatars.engine.face.eyes import LEFT_EYE
from avatars.engine.face.fields import STEP_PX, inverse, look_up
from avatars.engine.face.frame import INNER_LOWER, INNER_UPPER, FaceFrame
from avatars.engine.face.mouthline import find_mouth
from avatars.engine.face.relax import Relaxation
from avatars.engine.face.shapes import JAW_DROP, LOWER_LIP_DROP, UPPER_LIP_LIFT
from avatars.engine.face.weights import RELAX, WEIGHT_COUNT, shape_weights
from avatars.engine.portrait import Kind, Portrait
from tests.portraits import ASTRONAUT, MONA_LISA, portrait_of, rig_of


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    return portrait_of(ASTRONAUT)


def squeezed(portrait: Portrait) -> np.ndarray:
    """Landmarks of a face a few pixels wide."""
    return (portrait.landmarks * 0.02 + 200).astype(np.float32)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda p: {"picture": p.picture.astype(np.float32)}, "uint8"),
        (lambda p: {"picture": p.picture[..., 0]}, "uint8"),
        (lambda p: {"picture": p.picture[:-1]}, "even"),
        (lambda p: {"picture": p.picture[:32, :32]}, "64 to 2048 pixels"),
        (lambda p: {"landmarks": p.landmarks[:468]}, "478 finite landmarks"),
        (lambda p: {"landmarks": np.full_like(p.landmarks, np.nan)}, "478 finite landmarks"),
        (lambda p: {"matte": p.matte[:100]}, "as large as its picture"),
        (lambda p: {"plate": p.plate[:100]}, "as large as its picture"),
        (lambda p: {"teeth": p.picture}, "as large as its picture"),
        (lambda p: {"landmarks": squeezed(p)}, "too small"),
        (lambda p: {"landmarks": np.zeros_like(p.landmarks)}, "too small|in one place"),
    ],
)
def test_a_portrait_that_cannot_be_moved_is_refused_in_words(portrait: Portrait, change: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Rig.from_portrait(replace(portrait, **change(portrait)))


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_face_is_drawn(portrait: Portrait, kind: Kind) -> None:
    renderer = FaceRenderer(Rig.from_portrait(replace(portrait, kind=kind)))
    frame = rest()
    frame[[Control.JAW, Control.RELAX]] = 0.8, 1.0
    opened = renderer.draw(frame)
    assert np.abs(opened.astype(int) - portrait.picture).max() > 40


def test_who_cannot_blink_does_not(portrait: Portrait) -> None:
    renderer = FaceRenderer(Rig.from_portrait(replace(portrait, blink_limit=0.0)))
    frame = rest()
    frame[[Control.BLINK_LEFT, Control.BLINK_RIGHT, Control.GAZE_X]] = 1.0, 1.0, 0.05
    assert np.array_equal(renderer.draw(frame), portrait.picture)


def test_an_open_smile_is_known_and_closed_lips_too() -> None:
    assert rig_of(ASTRONAUT).mouth.is_open
    assert rig_of(ASTRONAUT).smiling > 0.3
    assert rig_of(ASTRONAUT).own_teeth is not None
    assert not rig_of(MONA_LISA).mouth.is_open
    assert rig_of(MONA_LISA).smiling == 0


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("jaw", [0.0, 0.5, 1.2])
def test_sealed_lips_meet_in_geometry(kind: Kind, jaw: float) -> None:
    for path in (ASTRONAUT, MONA_LISA):
        rig = rig_of(path)
        frame = rest()
        frame[[Control.JAW, Control.SEAL]] = jaw, 1.0
        weights = shape_weights(frame, kind, rig.mouth)
        assert weights.shape == (WEIGHT_COUNT,)
        upper, lower = rig.fields.contours(weights)
        assert (lower[:, 1] - upper[:, 1]).max() < 0.02


@pytest.mark.parametrize("path", [ASTRONAUT, MONA_LISA])
def test_parted_lips_open_as_far_as_they_are_told(path: Path) -> None:
    """And not by the gap of the picture besides; nor do they come together while they are told to part."""
    rig = rig_of(path)
    frame = rest()
    frame[Control.RELAX] = 0.85
    told, shown = [], []
    for share in np.linspace(0, 1, 21):
        frame[[Control.JAW, Control.UPPER_LIP, Control.LOWER_LIP]] = np.array([0.5, 0.2, 0.2]) * share
        told.append((0.5 * JAW_DROP + 0.2 * UPPER_LIP_LIFT + 0.2 * LOWER_LIP_DROP) * share)
        upper, lower = rig.fields.contours(shape_weights(frame, Kind.PHOTO, rig.mouth))
        shown.append(float((lower - upper)[len(upper) // 2, 1]))
    assert np.abs(np.array(shown) - told)[8:].max() < 0.01
    assert np.diff(shown).min() > 0


def test_lips_hardly_parted_are_closed_at_rest() -> None:
    frame = rest()
    for gap, resting in ((0.03, 1.0), (0.10, 0.5)):
        mouth = replace(rig_of(ASTRONAUT).mouth, gap=gap)
        for relax, weight in ((0.5, resting), (0.0, 0.0)):
            frame[Control.RELAX] = relax
            assert shape_weights(frame, Kind.PHOTO, mouth)[RELAX] == pytest.approx(weight)


def test_teeth_between_lips_that_the_mesh_takes_for_closed_are_seen() -> None:
    """The slit stayed where it was, bright between the lips of an m."""
    portrait = portrait_of(MONA_LISA)
    frame, mouth = rig_of(MONA_LISA).frame, rig_of(MONA_LISA).mouth
    picture = portrait.picture.copy()
    x, y = frame.to_pixels(np.array([[0.0, float(mouth.seam(np.zeros(1, np.float32))[0])]], np.float32))[0]
    axes = 0.15 * frame.iod_px, 0.028 * frame.iod_px
    cv2.ellipse(picture, ((float(x), float(y)), (2 * axes[0], 2 * axes[1]), 0), (170, 185, 190), -1)
    parted = find_mouth(picture, portrait.landmarks, frame)
    assert not find_mouth(portrait.picture, portrait.landmarks, frame).is_open
    assert parted.is_open
    assert parted.gap == pytest.approx(0.056, abs=0.02)


def test_a_light_on_painted_lips_is_no_opening() -> None:
    """It is pale beside their paint, but redder than any tooth."""
    portrait = portrait_of(MONA_LISA)
    frame, mouth = rig_of(MONA_LISA).frame, rig_of(MONA_LISA).mouth
    picture = portrait.picture.copy()
    x, y = frame.to_pixels(np.array([[0.0, float(mouth.seam(np.zeros(1, np.float32))[0])]], np.float32))[0]
    for reach, colour in ((0.45, (30, 30, 130)), (0.15, (70, 75, 215))):
        axes = 2 * reach * frame.iod_px, 2 * reach * frame.iod_px * (0.25 if reach > 0.2 else 0.19)
        cv2.ellipse(picture, ((float(x), float(y)), axes, 0), colour, -1)
    assert not find_mouth(picture, portrait.landmarks, frame).is_open


@pytest.mark.parametrize("path", [ASTRONAUT, MONA_LISA])
def test_a_tucked_lip_reaches_the_teeth(path: Path) -> None:
    """They show below a resting upper lip by 0.03 to 0.05 IOD; a slit of their white stays to be seen."""
    rig = rig_of(path)
    frame = rest()
    frame[[Control.JAW, Control.TUCK, Control.RELAX]] = 0.10, 1.0, 0.85
    upper, lower = rig.fields.contours(shape_weights(frame, Kind.PHOTO, rig.mouth))
    assert 0.01 < (lower - upper)[len(upper) // 2, 1] < 0.03


def test_relaxed_lips_meet_all_the_way_to_the_corners() -> None:
    """What stayed open beside the corners of a smile was drawn as a dark dot at either end of the closed lips."""
    relaxed = np.zeros(WEIGHT_COUNT, np.float32)
    relaxed[RELAX] = 1.0
    upper, lower = rig_of(ASTRONAUT).fields.contours(relaxed)
    assert (lower[:, 1] - upper[:, 1]).max() < 0.002


def test_beyond_the_corners_skin_is_relaxed_as_one() -> None:
    rig = rig_of(ASTRONAUT)
    relaxation = Relaxation(rig.portrait.landmarks, rig.frame, rig.mouth)
    beside = [
        np.stack(
            np.meshgrid(side * np.linspace(1.01, 2.0, 9) * rig.mouth.half_width, np.linspace(-0.5, 0.5, 9)), axis=-1
        )
        for side in (-1, 1)
    ]
    points = np.concatenate(beside).astype(np.float32)
    assert np.abs(relaxation.field(points, lower=True) - relaxation.field(points, lower=False)).max() < 2e-3


def test_closed_lips_meet_at_the_line_between_them_and_not_in_the_darker_lip() -> None:
    rig = rig_of(MONA_LISA)
    picture, frame = rig.portrait.picture.copy(), rig.frame
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    local = frame.to_face(np.stack([columns, rows], axis=-1))
    lips = frame.to_face(rig.portrait.landmarks[:, :2])
    mesh = (lips[list(INNER_UPPER)] + lips[list(INNER_LOWER)]) / 2
    below = local[..., 1] - np.interp(local[..., 0], mesh[:, 0], mesh[:, 1])
    # A lip in the shade, then lighter where it rolls in; a line that is not as dark; a pale lip.
    shade = np.where(below < 0, np.interp(below, [-0.08, -0.045, -0.02], [110, 58, 80]), 130)
    shade[np.abs(below) < 0.012] = 66
    picture[:] = shade[..., None].astype(np.uint8)
    found = find_mouth(picture, rig.portrait.landmarks, frame)
    assert np.abs(found.upper - np.interp(found.xs, mesh[:, 0], mesh[:, 1])).max() < 0.012


def test_lips_never_cross() -> None:
    random = np.random.default_rng(3)
    fields = rig_of(ASTRONAUT).fields
    for _ in range(100):
        upper, lower = fields.contours(random.normal(0, 1, WEIGHT_COUNT).astype(np.float32))
        assert (lower[:, 1] >= upper[:, 1] - 1e-6).all()


@pytest.mark.parametrize("path", [ASTRONAUT, MONA_LISA])
@pytest.mark.parametrize("control", ["JAW", "ROUND", "WIDE", "SMILE", "TUCK"])
def test_the_inverse_undoes_the_forward_field(path: Any, control: str) -> None:
    """Where a pixel comes from, moved forward, is the pixel: to half a pixel, whatever the shape."""
    rig = rig_of(path)
    frame = rest()
    frame[Control[control]] = 0.8
    frame[Control.RELAX] = 0.85
    for forward in rig.fields.blend(shape_weights(frame, Kind.PHOTO, rig.mouth)):
        back = inverse(forward)
        columns, rows = np.meshgrid(np.arange(forward.shape[1]), np.arange(forward.shape[0]))
        there = look_up(forward, columns + back[..., 0] / STEP_PX, rows + back[..., 1] / STEP_PX)
        missed = np.hypot(*np.moveaxis(there + back, -1, 0))
        assert np.percentile(missed, 99) < 0.5
        assert missed.max() < 2.0


def test_the_inverse_of_a_shift_is_the_shift_back() -> None:
    forward = np.full((12, 15, 2), (3.0, -2.0), np.float32)
    # Each damped step leaves 30 % of what was missing.
    assert np.allclose(inverse(forward), -forward, atol=0.01)
    assert not inverse(np.zeros((5, 5, 2), np.float32)).any()


def test_face_coordinates_and_back(portrait: Portrait) -> None:
    frame = FaceFrame.of(portrait.landmarks)
    points = portrait.landmarks[:, :2]
    assert np.allclose(frame.to_pixels(frame.to_face(points)), points, atol=1e-2)
    left, right = (points[list(pair)].mean(axis=0) for pair in ((33, 133), (362, 263)))
    assert np.linalg.norm(frame.to_face(right) - frame.to_face(left)) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("width_px", [512, 200, 150])
def test_a_small_face_keeps_its_own_teeth(portrait: Portrait, width_px: int) -> None:
    """Where a row of pixels is a thirtieth of the eyes' distance, teeth are as tall as on a large face."""
    rig = Rig.from_portrait(small(portrait, width_px))
    assert rig.own_teeth is not None
    assert float(rig.own_teeth.sum()) / rig.frame.iod_px**2 == pytest.approx(0.142, abs=0.012)


def test_an_eye_that_is_shut_in_its_picture_does_not_blink(portrait: Portrait) -> None:
    landmarks = portrait.landmarks.copy()
    upper, lower = list(LEFT_EYE.upper), list(LEFT_EYE.lower)
    landmarks[upper] = landmarks[lower] = (landmarks[upper] + landmarks[lower]) / 2
    controls = rest()
    controls[[Control.BLINK_LEFT, Control.BLINK_RIGHT]] = 1.0
    left, right, *_ = Rig.from_portrait(replace(portrait, landmarks=landmarks)).eye_look(controls)
    assert left == 0
    assert right == 1
