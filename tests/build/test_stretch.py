"""Which seconds of a clip become the loop, and which picture of it stands for rest."""

import numpy as np

from avatars.build.stretch import Stretch, choose_stretch
from avatars.build.tracking import Track
from avatars.engine.perception import eye_distance_px
from tests.portraits import MONA_LISA, portrait_of

RATE_HZ = 25.0
COUNT = 250
UPPER_LIP, LOWER_LIP = (0, 37, 267), (17, 84, 314)
CORNERS = (61, 291)


def still_face() -> tuple[np.ndarray, float]:
    """`COUNT` times the same landmarks, and the distance of the eyes, pixels."""
    marks = portrait_of(MONA_LISA).landmarks
    return np.repeat(marks[None], COUNT, axis=0).astype(np.float32), eye_distance_px(marks)


def track_of(marks: np.ndarray, opening: np.ndarray) -> Track:
    """A face that looks ahead in every picture of one shot."""
    zeros = np.zeros(COUNT, np.float32)
    return Track(
        times_s=np.arange(COUNT, dtype=np.float32) / np.float32(RATE_HZ),
        found=np.ones(COUNT, bool),
        landmarks=marks,
        poses_deg=np.zeros((COUNT, 3), np.float32),
        opening_iod=opening.astype(np.float32),
        shut=zeros,
        shots=np.zeros(COUNT, np.int32),
        thumbs=np.zeros((COUNT, 96, 96), np.uint8),
        steps=np.ones(COUNT, np.float32),
        faces=1,
        beside=np.zeros((0, 4), np.float32),
        hidden=0.0,
    )


def chosen(track: Track) -> Stretch:
    return choose_stretch(track, RATE_HZ, (512, 512), (512, 512))


def test_lips_pressed_together_do_not_stand_for_rest() -> None:
    """They are measured as the most closed of all, and would look grim in every picture."""
    marks, iod_px = still_face()
    opening = np.full(COUNT, 0.008)
    opening[100:130] = 0.001
    marks[100:130, UPPER_LIP, 1] += 0.02 * iod_px
    marks[100:130, LOWER_LIP, 1] -= 0.06 * iod_px
    assert not 100 <= chosen(track_of(marks, opening)).closed < 130


def test_a_loop_that_smiles_rests_in_a_smile() -> None:
    """Cheeks go with the lips: closed lips that do not smile, from elsewhere, would not suit them."""
    marks, iod_px = still_face()
    opening = np.full(COUNT, 0.010)
    marks[:150, CORNERS, 1] -= 0.06 * iod_px
    marks[:150, CORNERS[0], 0] -= 0.06 * iod_px
    marks[:150, CORNERS[1], 0] += 0.06 * iod_px
    opening[150:] = np.where(np.arange(COUNT - 150) // 10 % 2, 0.002, 0.2)
    stretch = chosen(track_of(marks, opening))
    assert stretch.last <= 160
    assert stretch.closed < 150


def test_a_little_talking_is_better_than_to_repeat_every_three_seconds() -> None:
    """Lips are laid over where they were apart; that a loop is short is seen."""
    marks, _ = still_face()
    opening = np.full(COUNT, 0.005)
    opening[90:115] = 0.15
    opening[137:] = np.where(np.arange(COUNT - 137) // 5 % 2, 0.01, 0.25)
    stretch = chosen(track_of(marks, opening))
    assert stretch.last - stretch.first >= 4 * RATE_HZ


def test_the_farther_apart_its_ends_are_the_longer_a_loop_turns() -> None:
    """Who has moved on in 5 seconds of waiting does not come back at once."""
    marks, _ = still_face()
    opening = np.full(COUNT, 0.005)
    opening[:50] = opening[200:] = 0.2
    track = track_of(marks, opening)
    near = chosen(track)
    track.thumbs[:] = (np.arange(COUNT) // 35)[:, None, None]
    far = chosen(track)
    assert near.meeting == 10
    assert 15 <= far.meeting <= 30
    assert far.first >= far.meeting
