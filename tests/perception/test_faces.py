"""Faces in real pictures: where they are, how they look, whose they are."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avatars.engine.perception import Face, Perception
from tests.material import ASTRONAUT, MONA_LISA, RACCOON

Picture = NDArray[np.uint8]


def picture(path: object) -> Picture:
    return np.asarray(cv2.imread(str(path)), np.uint8)


@pytest.fixture(scope="module")
def perception() -> Perception:
    return Perception.shared()


@pytest.fixture(scope="module")
def astronaut(perception: Perception) -> Face:
    (face,) = perception.faces(picture(ASTRONAUT))
    return face


def test_points_lie_on_the_face(astronaut: Face) -> None:
    """Marked by hand on the picture, to about a pixel."""
    marked = {468: (203, 101), 473: (247, 103), 13: (224, 143), 14: (224, 149), 61: (203, 140), 291: (246, 141)}
    for index, at in marked.items():
        assert np.hypot(*(astronaut.landmarks[index, :2] - at)) < 2.5, index
    assert astronaut.landmarks.shape == (478, 3)
    assert astronaut.landmarks.dtype == np.float32
    assert astronaut.presence > 0.9


def test_a_smile_is_seen_as_one(astronaut: Face) -> None:
    assert len(astronaut.blendshapes) == 52
    assert min(astronaut.blendshapes["mouthSmileLeft"], astronaut.blendshapes["mouthSmileRight"]) > 0.5
    assert max(astronaut.blendshapes["eyeBlinkLeft"], astronaut.blendshapes["eyeBlinkRight"]) < 0.4
    assert astronaut.opening_iod > 0.1


def test_a_closed_mouth_is_seen_as_closed(perception: Perception) -> None:
    (face,) = perception.faces(picture(MONA_LISA))
    assert face.opening_iod < 0.025
    assert face.blendshapes["jawOpen"] < 0.1


def test_an_animal_is_no_face(perception: Perception) -> None:
    assert perception.faces(picture(RACCOON)) == []
    assert perception.faces(np.full((200, 300, 3), 127, np.uint8)) == []


def test_faces_come_largest_first(perception: Perception) -> None:
    small = picture(ASTRONAUT)[40:210, 140:330]
    large = cv2.resize(small, None, fx=1.6, fy=1.6)
    board = np.full((320, 620, 3), 200, np.uint8)
    board[10 : 10 + small.shape[0], 10 : 10 + small.shape[1]] = small
    board[10 : 10 + large.shape[0], 300 : 300 + large.shape[1]] = large
    first, second = perception.faces(board)
    assert first.box[0] > 300 > second.box[0]
    assert first.iod_px == pytest.approx(1.6 * second.iod_px, rel=0.05)


def test_a_face_that_fills_the_picture_is_found(perception: Perception) -> None:
    close = cv2.resize(picture(ASTRONAUT)[82:178, 182:272], None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
    assert len(perception.faces(np.asarray(close, np.uint8))) == 1


@pytest.mark.parametrize("angle_deg", [-30, 30])
def test_a_tilted_head_is_measured_in_its_own_frame(perception: Perception, astronaut: Face, angle_deg: int) -> None:
    matrix = cv2.getRotationMatrix2D((228, 130), -angle_deg, 1)
    tilted = cv2.warpAffine(picture(ASTRONAUT), matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    (face,) = perception.faces(np.asarray(tilted, np.uint8))
    assert face.pose_deg.roll - astronaut.pose_deg.roll == pytest.approx(angle_deg, abs=4)
    expected = astronaut.landmarks[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    assert np.median(np.hypot(*(face.landmarks[:, :2] - expected).T)) < 1.5


def test_yaw_points_to_the_right_of_the_picture(perception: Perception) -> None:
    """Mona Lisa looks to the left of the picture; mirrored, to the right. Where her face stands in it plays no part."""
    picture_ = picture(MONA_LISA)
    (face,) = perception.faces(picture_)
    (mirrored,) = perception.faces(np.ascontiguousarray(picture_[:, ::-1]))
    (moved,) = perception.faces(np.ascontiguousarray(picture_[100:500, 200:]))
    assert -25 < face.pose_deg.yaw < -10
    assert mirrored.pose_deg.yaw == pytest.approx(-face.pose_deg.yaw, abs=3)
    assert moved.pose_deg.yaw == pytest.approx(face.pose_deg.yaw, abs=2)


def test_tracking_follows_a_small_movement(perception: Perception, astronaut: Face) -> None:
    moved = np.roll(picture(ASTRONAUT), (4, 6), axis=(0, 1))
    face = perception.track(moved, astronaut.landmarks)
    assert face is not None
    shift = face.landmarks[:, :2] - astronaut.landmarks[:, :2]
    assert np.allclose(np.median(shift, axis=0), (6, 4), atol=0.7)
    assert perception.track(np.full((512, 512, 3), 127, np.uint8), astronaut.landmarks) is None


def test_identity_tells_people_apart(perception: Perception, astronaut: Face) -> None:
    mona = picture(MONA_LISA)
    (face,) = perception.faces(mona)
    first = perception.embedding(picture(ASTRONAUT), astronaut)
    darker = np.asarray(picture(ASTRONAUT) * 0.7, np.uint8)
    assert first.shape == (128,)
    assert float(first @ perception.embedding(darker, perception.faces(darker)[0])) > 0.8
    assert float(first @ perception.embedding(mona, face)) < 0.4


def test_released_networks_are_loaded_again() -> None:
    mine = Perception()
    before = mine.faces(picture(ASTRONAUT))[0].landmarks
    mine.release()
    assert np.array_equal(mine.faces(picture(ASTRONAUT))[0].landmarks, before)
