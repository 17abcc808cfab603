"""A further clip of the person becomes a gesture of their avatar, or is refused in words."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from avatars.build import BuildRefused, build_avatar
from avatars.build.colours import match_colours
from avatars.build.gesture import Recorded, add_gesture, put_in, take_out
from avatars.engine.controls import Control, rest
from avatars.engine.face import Rig
from avatars.engine.face.footage import FootageRenderer
from avatars.engine.face.i420 import bgr_of
from avatars.engine.footage import Reel
from avatars.engine.perception import Perception
from avatars.engine.portrait import Portrait
from avatars.imx import open_imx
from tests.clips import SIDE_PX, moving_pictures, painted_clip, write_clip
from tests.portraits import ASTRONAUT, MONA_LISA, portrait_of

COUNT = 50
SKIN = (96, 128, 170)
# The hand is up from here to there, and in front of the mouth in the middle.
UP, OVER = slice(14, 38), slice(22, 30)


def quiet() -> list[np.ndarray]:
    return [one.copy() for one in moving_pictures()[12 : 12 + COUNT]]


def with_hand(picture: np.ndarray, x: int, y: int) -> np.ndarray:
    """A hand and a forearm from below, as in no picture of the loop."""
    out = picture.copy()
    cv2.line(out, (x + 10, SIDE_PX + 20), (x, y), tuple(int(0.9 * part) for part in SKIN), 34)
    cv2.ellipse(out, (x, y), (26, 30), 0, 0, 360, SKIN, -1)
    for finger in range(4):
        cv2.line(out, (x - 18 + 12 * finger, y - 10), (x - 22 + 15 * finger, y - 48), SKIN, 9)
    return np.asarray(cv2.GaussianBlur(out, (0, 0), 0.8), np.uint8)


@pytest.fixture(scope="module")
def avatar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("avatar") / "painting.imx"
    build_avatar(painted_clip(), path, size=(320, 320))
    return path


@pytest.fixture(scope="module")
def mouth() -> np.ndarray:
    """Where the mouth and the chin are in the clips."""
    face = Perception.shared().faces(moving_pictures()[12])[0]
    return face.landmarks[[13, 152], :2].mean(axis=0)


@pytest.fixture(scope="module")
def waving(avatar: Path, mouth: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recorded]:
    """A hand comes up beside the chin, goes over the mouth and down again; the picture is a little brighter."""
    pictures = quiet()
    for index in range(COUNT)[UP]:
        aside = 0 if index in range(COUNT)[OVER] else 92
        pictures[index] = with_hand(pictures[index], int(mouth[0]) + aside, int(mouth[1]) + 4)
    bright = [np.clip(one * 1.12 + 6, 0, 255).astype(np.uint8) for one in pictures]
    folder = tmp_path_factory.mktemp("waving")
    shares: list[float] = []
    made = add_gesture(
        avatar,
        write_clip(folder / "wave.mp4", bright),
        "mini_wave_hello",
        "Wave",
        folder / "waving.imx",
        lambda share, words: shares.append(share),
    )
    assert shares == sorted(shares)
    assert shares[-1] < 1
    return folder / "waving.imx", made


@pytest.fixture(scope="module")
def portrait(waving: tuple[Path, Recorded]) -> Portrait:
    return open_imx(waving[0]).portrait()


@pytest.fixture(scope="module")
def pictures(portrait: Portrait) -> list[np.ndarray]:
    reel = Reel(portrait.recorded[0].footage, portrait.width, portrait.height)
    return [bgr_of(reel.next()[1]) for _ in range(portrait.recorded[0].frames)]


def test_a_clip_becomes_a_gesture_of_the_file(waving: tuple[Path, Recorded], avatar: Path) -> None:
    path, made = waving
    opened = open_imx(path)
    opened.verify()
    gesture = opened.portrait().recorded[0]
    assert (gesture.name, gesture.label, gesture.word) == ("mini_wave_hello", "Wave", "wave")
    assert 0.5 * COUNT <= gesture.frames <= COUNT
    assert opened.read("footage.h264") == open_imx(avatar).read("footage.h264")
    assert "in front of the mouth" in made.warnings[0]


def test_its_light_is_that_of_the_loop(portrait: Portrait, pictures: list[np.ndarray]) -> None:
    assert np.abs(pictures[0].mean(axis=(0, 1)) - portrait.picture.mean(axis=(0, 1))).max() < 4


def test_it_begins_and_ends_like_the_loop(portrait: Portrait, waving: tuple[Path, Recorded]) -> None:
    gesture = portrait.recorded[0]
    assert gesture.enter.min() < 4
    assert gesture.leave.min() < 4
    assert max(waving[1].measures["ghost_share"]) < 0.02


def test_the_hand_is_noticed_beside_the_chin_and_the_lips_fade_under_it(portrait: Portrait) -> None:
    gesture = portrait.recorded[0]
    assert gesture.free is not None
    held = (gesture.free < 60).any(axis=(1, 2))
    assert 0.6 * (UP.stop - UP.start) <= held.sum() <= (UP.stop - UP.start) + 6
    covered = gesture.lips < 0.05
    assert OVER.stop - OVER.start <= covered.sum() <= UP.stop - UP.start
    # Beside the chin the lips go on.
    assert (held & (gesture.lips > 0.9)).any()
    assert np.abs(np.diff(gesture.lips)).max() < 0.5


def test_nothing_is_drawn_over_the_hand(portrait: Portrait, pictures: list[np.ndarray]) -> None:
    gesture = portrait.recorded[0]
    renderer = FootageRenderer(Rig.from_portrait(portrait))
    said = rest()
    said[[Control.JAW, Control.UPPER_LIP, Control.LOWER_LIP]] = 0.78, 0.2, 0.2
    renderer.projector.play(gesture)
    drawn = [bgr_of(renderer.render(said)) for _ in range(20 + gesture.frames)]
    covered = int(np.flatnonzero(gesture.lips == 0)[2])
    plain = pictures[covered].astype(int)
    nearest = min(float(np.abs(one.astype(int) - plain).mean()) for one in drawn)
    assert nearest < 0.6


def test_a_gesture_is_replaced_and_taken_out(waving: tuple[Path, Recorded], avatar: Path, tmp_path: Path) -> None:
    path, made = waving
    put_in(path, made.gesture, tmp_path / "again.imx")
    assert len(open_imx(tmp_path / "again.imx").portrait().recorded) == 1
    take_out(path, "mini_wave_hello", tmp_path / "without.imx")
    assert (tmp_path / "without.imx").read_bytes() == avatar.read_bytes()


def other_person() -> list[np.ndarray]:
    picture = cv2.resize(portrait_of(ASTRONAUT).picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    return [picture] * 30


def gone() -> list[np.ndarray]:
    return [*quiet()[:25], *[np.full((SIDE_PX, SIDE_PX, 3), 90, np.uint8)] * 25]


def cut_once() -> list[np.ndarray]:
    return [*quiet()[:25], *[np.roll(one, 130, axis=1) for one in quiet()[25:]]]


def far_away() -> list[np.ndarray]:
    return [cv2.copyMakeBorder(one, 200, 200, 200, 200, cv2.BORDER_REPLICATE) for one in quiet()[:30]]


def hand_at_the_end() -> list[np.ndarray]:
    pictures = quiet()
    return [*pictures[:20], *[with_hand(one, 250, 250) for one in pictures[20:]]]


def elsewhere() -> list[np.ndarray]:
    """The same face before another wall."""
    matte = cv2.resize(portrait_of_the_clip().matte, (SIDE_PX, SIDE_PX)) > 127
    wall = np.random.default_rng(1).integers(0, 255, (12, 12, 3), np.uint8)
    large = cv2.resize(wall, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_NEAREST)
    return [np.where(matte[..., None], one, large) for one in quiet()[:30]]


def portrait_of_the_clip() -> Portrait:
    return portrait_of(MONA_LISA)


@pytest.mark.parametrize(
    ("pictures", "code"),
    [
        (other_person, "other_person"),
        (gone, "face_left"),
        (cut_once, "cuts"),
        (far_away, "framing"),
        (hand_at_the_end, "does_not_end_at_rest"),
        (elsewhere, "does_not_begin_at_rest"),
        (lambda: quiet()[:12], "too_short"),
        (lambda: quiet()[:1] * 265, "too_long"),
    ],
)
def test_what_cannot_be_a_gesture_is_refused_in_words(
    avatar: Path, tmp_path: Path, pictures: Callable[[], list[np.ndarray]], code: str
) -> None:
    clip = write_clip(tmp_path / "a.mp4", pictures())
    with pytest.raises(BuildRefused) as refusal:
        add_gesture(avatar, clip, "wave", "Wave", tmp_path / "a.imx", lambda share, words: None)
    assert refusal.value.code == code
    assert refusal.value.message.endswith(".")
    assert not (tmp_path / "a.imx").exists()


def test_colours_are_learnt_although_something_moved() -> None:
    rng = np.random.default_rng(3)
    picture = cv2.GaussianBlur(rng.integers(0, 255, (80, 80, 3), np.uint8), (0, 0), 6)
    picture = cv2.normalize(picture, None, 30, 200, cv2.NORM_MINMAX).astype(np.uint8)
    other = np.clip(picture * np.array([0.9, 1.0, 1.1]) + [8, 0, -5], 0, 255).astype(np.uint8)
    other[:30, :30] = 255
    colours = match_colours(picture, other)
    assert colours.gain == pytest.approx([0.9, 1.0, 1.1], abs=0.05)
    assert np.abs(colours.applied(picture)[40:].astype(int) - other[40:]).mean() < 2
