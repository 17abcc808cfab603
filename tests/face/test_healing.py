"""An open mouth healed: lips where there were teeth, and nothing else touched."""

from dataclasses import replace

import cv2
import numpy as np

from avatars.engine.face import FaceRenderer, Rig
from avatars.engine.face.healing import DARK_REACH_IOD, healed
from tests.face.test_renderer import controls
from tests.portraits import ASTRONAUT, MONA_LISA, rig_of


def test_there_are_no_teeth_left() -> None:
    rig = rig_of(ASTRONAUT)
    made = healed(rig.portrait.picture, rig.frame, rig.mouth)
    covered = made[..., 3] > 250
    assert covered.sum() > 0.05 * rig.frame.iod_px**2
    before, after = rig.portrait.picture[covered].astype(int), made[covered][..., :3].astype(int)
    # Teeth are nearly grey; lips are not.
    assert (before[..., 2] - before[..., 0]).mean() < 60 < (after[..., 2] - after[..., 0]).mean()
    assert after.std(axis=0).max() < before.std(axis=0).max() / 2


def test_nothing_beside_the_mouth_is_touched() -> None:
    rig = rig_of(ASTRONAUT)
    changed = healed(rig.portrait.picture, rig.frame, rig.mouth)[..., 3] > 0
    rows, columns = np.nonzero(changed)
    local = rig.frame.to_face(np.stack([columns, rows], axis=-1).astype(np.float32))
    assert changed.any()
    assert np.abs(local[:, 0]).max() < rig.mouth.half_width + DARK_REACH_IOD + 0.02
    assert np.abs(local[:, 1]).max() < 0.3


def cover_at(made: np.ndarray, rig: Rig, x: float, y: float) -> int:
    column, row = rig.frame.to_pixels(np.array([x, y], np.float32)).round().astype(int)
    return int(made[row, column, 3])


def test_what_is_dark_beyond_a_corner_is_covered_and_skin_there_is_not() -> None:
    rig = rig_of(ASTRONAUT)
    half, level = rig.mouth.half_width, float(rig.mouth.upper[-1])
    place = (half + 0.07, level - 0.01)
    assert cover_at(healed(rig.portrait.picture, rig.frame, rig.mouth), rig, *place) < 60
    smudged = rig.portrait.picture.copy()
    middle = rig.frame.to_pixels(np.array(place, np.float32)).round().astype(int)
    cv2.circle(smudged, (int(middle[0]), int(middle[1])), round(0.025 * rig.frame.iod_px), (30, 30, 60), -1)
    made = healed(smudged, rig.frame, rig.mouth)
    assert cover_at(made, rig, *place) > 200
    assert made[middle[1], middle[0], :3].astype(int).sum() > 300


def test_lips_that_touch_beside_an_opening_keep_their_own_line() -> None:
    rig = rig_of(ASTRONAUT)
    mouth = rig.mouth
    seam = mouth.upper + (mouth.lower - mouth.upper) * 0.5
    parted = np.clip(1 - np.abs(mouth.xs) / (0.5 * mouth.half_width), 0, 1) * 0.05
    half_open = replace(mouth, upper=seam - parted, lower=seam + parted)
    made = healed(rig.portrait.picture, rig.frame, half_open)
    assert cover_at(made, rig, 0, float(np.interp(0, mouth.xs, seam))) > 250
    for x in (-1, -0.9, 0.9, 1):
        x_iod = x * mouth.half_width
        assert cover_at(made, rig, x_iod, float(np.interp(x_iod, mouth.xs, seam))) < 5


def test_a_closed_mouth_needs_no_healing() -> None:
    assert rig_of(MONA_LISA).healed is None


def test_the_corners_of_closed_lips_are_no_darker_than_the_line_between_them() -> None:
    """The dark in the corners of a smile stays where it is when the lips come together; it must not be seen."""
    rig = rig_of(ASTRONAUT)
    picture = FaceRenderer(rig).draw(controls(SEAL=1, PRESS=0.6, RELAX=1)).astype(int).sum(axis=2)
    half = rig.mouth.half_width

    def darkest(low: float, high: float) -> int:
        corner = np.array([[low, -0.14], [high, 0.14]], np.float32)
        (left, top), (right, bottom) = rig.frame.to_pixels(corner).astype(int)
        return int(picture[top:bottom, left:right].min())

    line = darkest(-0.1, 0.1)
    assert darkest(0.8 * half, 1.15 * half) > line
    assert darkest(-1.15 * half, -0.8 * half) > line
