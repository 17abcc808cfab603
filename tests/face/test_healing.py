"""An open mouth healed: lips where there were teeth, and nothing else touched."""

import numpy as np

from avatars.engine.face import FaceRenderer
from avatars.engine.face.healing import healed
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
    assert np.abs(local[:, 0]).max() < 1.2 * rig.mouth.half_width
    assert np.abs(local[:, 1]).max() < 0.3


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
