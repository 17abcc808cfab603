"""Folds that go with a smile: softened beside the mouth, left alone elsewhere, and drawn so."""

from dataclasses import replace

import cv2
import numpy as np

from avatars.engine.face import FaceRenderer, Rig
from avatars.engine.face.creases import soften_folds
from avatars.engine.face.healing import healed
from tests.face.test_renderer import controls
from tests.portraits import ASTRONAUT, rig_of

FOLD_X_IOD = 0.16


def a_folded_face(rig: Rig) -> np.ndarray:
    """The picture with a dark crease from beside the nose to beside the corner of the mouth."""
    half = rig.mouth.half_width
    points = np.array([[half * 0.8, -0.28], [half + FOLD_X_IOD, -0.05], [half + FOLD_X_IOD, 0.12]], np.float32)
    crease = np.zeros(rig.portrait.picture.shape[:2], np.float32)
    pixels = rig.frame.to_pixels(points).round().astype(np.int32)
    cv2.polylines(crease, [pixels], False, 1.0, round(0.04 * rig.frame.iod_px))
    crease = cv2.GaussianBlur(crease, (0, 0), 0.01 * rig.frame.iod_px)
    return (rig.portrait.picture * (1 - 0.4 * crease[..., None])).astype(np.uint8)


def light_at(picture: np.ndarray, rig: Rig, x: float, y: float) -> float:
    column, row = rig.frame.to_pixels(np.array([x, y], np.float32)).round().astype(int)
    return float(picture[row - 1 : row + 2, column - 1 : column + 2, :3].mean())


def softened(rig: Rig, picture: np.ndarray) -> np.ndarray:
    return soften_folds(healed(picture, rig.frame, rig.mouth), picture, rig.portrait.landmarks, rig.frame, rig.mouth)


def test_a_fold_beside_the_mouth_loses_a_good_part_of_its_dark() -> None:
    rig = rig_of(ASTRONAUT)
    folded = a_folded_face(rig)
    made = softened(rig, folded)
    place = rig.mouth.half_width + FOLD_X_IOD, 0.03
    plain, dark, soft = (light_at(picture, rig, *place) for picture in (rig.portrait.picture, folded, made))
    assert dark < 0.75 * plain
    assert soft > dark + 0.3 * (plain - dark)


def test_nothing_is_softened_but_beside_the_mouth() -> None:
    rig = rig_of(ASTRONAUT)
    made = softened(rig, rig.portrait.picture)
    rows, columns = np.nonzero(made[..., 3] > healed(rig.portrait.picture, rig.frame, rig.mouth)[..., 3])
    local = rig.frame.to_face(np.stack([columns, rows], axis=-1).astype(np.float32))
    assert np.abs(local[:, 0]).min() > 0.14
    assert np.abs(local[:, 0]).max() < rig.mouth.half_width + 0.45
    assert local[:, 1].min() > -0.55
    assert local[:, 1].max() < 0.47


def test_the_fold_is_soft_where_the_mouth_is_closed() -> None:
    """It lies outside of the box in which the mouth is drawn."""
    smiling = rig_of(ASTRONAUT)
    folded = a_folded_face(smiling)
    portrait = smiling.portrait
    rig = Rig.from_portrait(type(portrait)(folded, portrait.landmarks, portrait.matte, portrait.plate))
    closed = controls(SEAL=1, RELAX=1)
    assert rig.healed is not None
    unsoftened = replace(rig, healed=healed(folded, rig.frame, rig.mouth))
    soft, hard = (FaceRenderer(made).draw(closed).astype(int).sum(axis=2) for made in (rig, unsoftened))
    beside = rig.frame.to_pixels(np.array([[0.3, -0.2], [0.7, 0.3]], np.float32)).astype(int)
    (left, top), (right, bottom) = beside
    assert (soft - hard)[top:bottom, left:right].max() > 60
