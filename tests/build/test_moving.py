"""A video becomes an avatar whose mouth is at rest in every picture of its loop."""

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatars.build import BuildRefused, BuildReport, Stage, build_avatar
from avatars.build.loop import amount_between
from avatars.build.neutral import RestingFace, moved, patch_amounts, similarity
from avatars.engine.controls import Control, rest
from avatars.engine.face import Rig, renderer_of
from avatars.engine.face.footage import FootageRenderer
from avatars.engine.face.i420 import bgr_of
from avatars.engine.face.kernel import KernelFootageRenderer
from avatars.engine.footage import Reel
from avatars.engine.perception import Perception, lip_opening_iod
from avatars.engine.portrait import Portrait
from avatars.imx import SourceKind, open_imx
from tests.clips import QUIET_FRAMES, RATE_HZ, moving_pictures, painted_clip, write_clip
from tests.portraits import MONA_LISA, portrait_of


@pytest.fixture(scope="module")
def stages() -> list[Stage]:
    return []


@pytest.fixture(scope="module")
def built(stages: list[Stage], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BuildReport]:
    path = tmp_path_factory.mktemp("built") / "painting.imx"
    shares = []

    def told(stage: Stage, share: float, message: str) -> None:
        shares.append(share)
        if stage not in stages:
            stages.append(stage)

    report = build_avatar(painted_clip(), path, size=(320, 320), consent="a painting", progress=told)
    assert shares == sorted(shares)
    return path, report


@pytest.fixture(scope="module")
def portrait(built: tuple[Path, BuildReport]) -> Portrait:
    return open_imx(built[0]).portrait()


@pytest.fixture(scope="module")
def pictures(portrait: Portrait) -> list[np.ndarray]:
    """The loop as it is decoded, I420."""
    assert portrait.footage is not None
    reel = Reel(portrait.footage, portrait.width, portrait.height)
    return [reel.next()[1] for _ in range(len(portrait.footage))]


def test_a_video_becomes_an_avatar(built: tuple[Path, BuildReport], stages: list[Stage]) -> None:
    path, report = built
    assert report.ok
    assert (report.source_kind, report.size) == (SourceKind.VIDEO, (320, 320))
    assert set(stages) == set(Stage)
    avatar = open_imx(path)
    avatar.verify()
    assert b'"version": 2' in avatar.manifest.to_json()
    assert avatar.preview()
    assert path.stat().st_size < 1_500_000


def test_the_quiet_part_is_chosen(built: tuple[Path, BuildReport]) -> None:
    measures = built[1].measures
    begins_s, lasts_s = measures["loop_from_s"], measures["loop_s"]
    assert lasts_s >= 1.5
    assert begins_s + lasts_s <= QUIET_FRAMES / RATE_HZ + 0.2
    assert measures["mouth_share_laid_over"] < 0.5


def test_the_loop_has_no_seam(built: tuple[Path, BuildReport], pictures: list[np.ndarray]) -> None:
    steps = [np.abs(a.astype(int) - b).mean() for a, b in pairwise([*pictures, pictures[0]])]
    assert max(steps) <= 3 * np.median(steps)
    # Here the coded pictures begin again, with one that stands alone.
    assert steps[-1] <= 2.5 * np.median(steps)
    assert built[1].measures["loop_seam"] <= 1.5


def test_the_first_picture_is_the_portrait(portrait: Portrait, pictures: list[np.ndarray]) -> None:
    assert portrait.footage is not None
    assert np.allclose(portrait.footage.poses[0], [[1, 0, 0], [0, 1, 0]], atol=1e-4)
    assert np.abs(bgr_of(pictures[0]).astype(int) - portrait.picture).mean() < 2.5


def test_the_mouth_is_where_the_poses_say(portrait: Portrait, pictures: list[np.ndarray]) -> None:
    assert portrait.footage is not None
    lips = [0, 17, 61, 291, 13, 14]
    for number in range(0, len(pictures), 8):
        face = Perception.shared().refine(bgr_of(pictures[number]), portrait.landmarks)
        assert face is not None
        expected = moved(portrait.footage.poses[number], portrait.landmarks[lips, :2])
        assert np.linalg.norm(face.landmarks[lips, :2] - expected, axis=1).mean() < 0.05 * face.iod_px
        assert face.opening_iod < 0.05


def test_a_mouth_that_moves_is_brought_to_rest(tmp_path: Path) -> None:
    """The talking part alone, with a few quiet pictures to learn from, becomes a loop of closed lips."""
    talking = moving_pictures()[QUIET_FRAMES:]
    path = write_clip(
        tmp_path / "talks.mp4", [*talking, *talking, *moving_pictures()[QUIET_FRAMES - 12 : QUIET_FRAMES]]
    )
    out = tmp_path / "talks.imx"
    report = build_avatar(path, out, size=(320, 320))
    assert report.measures["mouth_share_laid_over"] > 0.7
    portrait = open_imx(out).portrait()
    assert portrait.footage is not None
    reel = Reel(portrait.footage, 320, 320)
    openings = []
    for _ in range(0, len(portrait.footage)):
        number, picture = reel.next()
        if number % 5 == 0:
            face = Perception.shared().refine(bgr_of(picture), portrait.landmarks)
            assert face is not None
            openings.append(face.opening_iod)
    assert max(openings) < 0.06


def test_the_mouth_speaks_over_every_picture(portrait: Portrait) -> None:
    renderer = renderer_of(Rig.from_portrait(portrait))
    assert isinstance(renderer, FootageRenderer | KernelFootageRenderer)
    said = rest()
    said[[Control.JAW, Control.UPPER_LIP, Control.LOWER_LIP]] = 0.78, 0.2, 0.2
    sealed = said.copy()
    sealed[Control.SEAL] = 1
    for _ in range(6):
        open_face, closed_face = (
            Perception.shared().refine(bgr_of(renderer.render(one)), portrait.landmarks) for one in (said, sealed)
        )
        assert open_face is not None
        assert closed_face is not None
        assert open_face.opening_iod > 0.06
        assert closed_face.opening_iod < 0.05
        for _ in range(7):
            renderer.render(rest())


@pytest.mark.parametrize("reason", ["several_people", "mouth_covered", "cuts"])
def test_what_cannot_be_a_loop_is_refused_in_words(tmp_path: Path, reason: str) -> None:
    pictures = list(moving_pictures()[:QUIET_FRAMES])
    if reason == "several_people":
        pictures = [beside_another(one) for one in pictures]
    elif reason == "mouth_covered":
        pictures = [covered(one) for one in pictures]
    else:
        # Every second, the same face elsewhere in the picture.
        pictures = [np.roll(one, 150 * (index // 25 % 2), axis=1) for index, one in enumerate(pictures)]
    with pytest.raises(BuildRefused) as refusal:
        build_avatar(write_clip(tmp_path / "a.mp4", pictures), tmp_path / "a.imx", size=(320, 320))
    assert refusal.value.code == reason
    assert refusal.value.message.endswith(".")


def beside_another(picture: np.ndarray) -> np.ndarray:
    """The same face again, smaller, in a corner."""
    small = cv2.resize(picture[40:300, 80:300], None, fx=0.62, fy=0.62, interpolation=cv2.INTER_AREA)
    out = picture.copy()
    out[-small.shape[0] :, : small.shape[1]] = small
    return out


def covered(picture: np.ndarray) -> np.ndarray:
    """A hand, as seen: skin from the forehead over mouth and chin."""
    faces = Perception.shared().faces(picture)
    marks = faces[0].landmarks[:, :2]
    skin = picture[int(marks[151, 1]), int(marks[151, 0])].astype(float)
    middle, height = marks[[13, 152]].mean(axis=0), np.linalg.norm(marks[152] - marks[1])
    out = picture.copy()
    cv2.ellipse(out, tuple(middle.astype(int)), (int(0.9 * height), int(0.62 * height)), 0, 0, 360, skin.tolist(), -1)
    return out


@settings(max_examples=50, deadline=None)
@given(
    turn=st.floats(-1, 1),
    scale=st.floats(0.5, 2),
    shift=st.tuples(st.floats(-100, 100), st.floats(-100, 100)),
    seed=st.integers(0, 2**31),
)
def test_a_similarity_is_found_again(turn: float, scale: float, shift: tuple[float, float], seed: int) -> None:
    points = np.random.default_rng(seed).uniform(0, 200, (12, 2)).astype(np.float32)
    matrix = np.array(
        [
            [scale * np.cos(turn), -scale * np.sin(turn), shift[0]],
            [scale * np.sin(turn), scale * np.cos(turn), shift[1]],
        ],
        np.float32,
    )
    assert np.allclose(similarity(points, moved(matrix, points)), matrix, atol=2e-2)


def test_the_pose_of_a_resting_mouth_does_not_follow_the_jaw() -> None:
    portrait = portrait_of(MONA_LISA)
    face = RestingFace(portrait.picture, portrait.landmarks)
    opened = portrait.landmarks.copy()
    opened[[14, 17, 87, 317, 84, 314, 152, 148, 377], 1] += 20
    assert np.allclose(face.mouth_pose(opened), [[1, 0, 0], [0, 1, 0]], atol=1e-3)
    assert face.deviation_iod(opened) * np.linalg.norm(
        opened[[33, 133], :2].mean(axis=0) - opened[[362, 263], :2].mean(axis=0)
    ) == pytest.approx(20, rel=0.05)
    assert lip_opening_iod(opened) > lip_opening_iod(portrait.landmarks)


@pytest.mark.parametrize("amounts", [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_what_is_laid_over_comes_and_goes_with_the_turn(amounts: tuple[float, float]) -> None:
    """Where a loop begins again after talking, lips would jump."""
    way = [amount_between(*amounts, share) for share in np.linspace(0, 1, 11)]
    assert (way[0], way[-1]) == amounts
    assert max(abs(b - a) for a, b in pairwise(way)) < 0.4
    # As long as half of a picture with parted lips is seen, they are laid over.
    assert way[5] == 1


def test_lips_are_laid_over_before_they_part() -> None:
    deviations = np.zeros(50, np.float32)
    deviations[20:25] = 0.2
    amounts = patch_amounts(deviations, 25.0)
    assert (amounts[18:27] > 0.95).all()
    assert amounts[0] < 0.01
    assert (np.abs(np.diff(amounts)) < 0.5).all()


def with_hand(picture: np.ndarray, landmarks: np.ndarray, index: int) -> np.ndarray:
    """The back of a hand with its fingers beside the chin, coming and going a little, in the colour of the forehead."""
    chin, nose = landmarks[152, :2], landmarks[1, :2]
    height = float(np.linalg.norm(chin - nose))
    skin = cv2.mean(picture[int(landmarks[151, 1]) - 4 :, int(landmarks[151, 0]) - 4 :][:8, :8])[:3]
    out = picture.copy()
    x, y = chin + height * np.array([0.75 + 0.08 * np.sin(index / 4), 0.1])
    cv2.ellipse(out, (round(x), round(y)), (round(0.45 * height), round(0.55 * height)), 20, 0, 360, skin, -1)
    for finger in range(4):
        tip = round(x - 0.55 * height + 0.12 * height * finger), round(y - 0.75 * height)
        cv2.line(out, (round(x), round(y)), tip, [0.85 * channel for channel in skin], max(2, round(0.13 * height)))
    return cv2.GaussianBlur(out, (3, 3), 0)


def test_a_loop_is_taken_where_no_hand_is_at_the_chin(tmp_path: Path) -> None:
    quiet = [*moving_pictures()[:QUIET_FRAMES], *moving_pictures()[:QUIET_FRAMES][::-1]]
    marks = Perception.shared().faces(quiet[0])[0].landmarks
    pictures = [
        with_hand(one, marks, index) if 40 <= index < 100 else one for index, one in enumerate([*quiet, *quiet[40:80]])
    ]
    report = build_avatar(write_clip(tmp_path / "a.mp4", pictures), tmp_path / "a.imx", size=(320, 320))
    begins_s, lasts_s = report.measures["loop_from_s"], report.measures["loop_s"]
    assert begins_s + lasts_s <= 40 / RATE_HZ or begins_s >= 100 / RATE_HZ
    assert not any("hand" in warning for warning in report.warnings)


def test_hands_that_stay_at_the_chin_are_told(tmp_path: Path) -> None:
    quiet = moving_pictures()[:QUIET_FRAMES]
    marks = Perception.shared().faces(quiet[0])[0].landmarks
    pictures = [one if index % 20 < 8 else with_hand(one, marks, index) for index, one in enumerate(quiet)]
    report = build_avatar(write_clip(tmp_path / "a.mp4", pictures), tmp_path / "a.imx", size=(320, 320))
    assert any(warning.startswith("A hand comes before the mouth") for warning in report.warnings)
