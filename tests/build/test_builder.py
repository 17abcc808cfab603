"""Pictures become avatars: photographs, paintings, animals, prints, pictures lying on their side."""

import io
import json
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from avatars.build import BuildRefused, BuildReport, FacePoints, Stage, build_avatar, picture_portrait
from avatars.build.preview import loop_track, small
from avatars.engine.face import FaceRenderer, Rig
from avatars.engine.perception import Perception
from avatars.engine.portrait import Kind
from avatars.imx import SourceKind, open_imx
from tests.material import ASTRONAUT, FOLDER, RACCOON, RACCOON_POINTS


@pytest.fixture(scope="module")
def steps() -> list[tuple[Stage, float, str]]:
    return []


@pytest.fixture(scope="module")
def built(steps: list[tuple[Stage, float, str]], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BuildReport]:
    path = tmp_path_factory.mktemp("built") / "astronaut.imx"
    told = build_avatar(ASTRONAUT, path, licence="NASA", consent="test", progress=lambda *step: steps.append(step))
    return path, told


@pytest.fixture(scope="module")
def raccoon_points() -> FacePoints:
    return FacePoints.from_json(json.loads(RACCOON_POINTS.read_text()))


def test_a_photograph_becomes_an_avatar(built: tuple[Path, BuildReport]) -> None:
    path, report = built
    assert report.ok
    assert (report.faces_found, report.source_kind, report.fps, report.size) == (1, SourceKind.PHOTO, 25, (512, 512))
    assert report.imx_bytes == path.stat().st_size < 1_500_000
    assert report.cpu_s < 60
    avatar = open_imx(path)
    avatar.verify()
    assert (avatar.manifest.licence, avatar.manifest.consent) == ("NASA", "test")
    assert avatar.manifest.measures == report.measures


def test_the_face_is_framed_as_in_a_portrait(built: tuple[Path, BuildReport]) -> None:
    portrait = open_imx(built[0]).portrait()
    forehead, chin = portrait.landmarks[10, :2], portrait.landmarks[152, :2]
    assert portrait.picture.shape == (512, 512, 3)
    assert 0.35 < (chin[1] - forehead[1]) / portrait.height < 0.72
    assert 0.35 < (forehead[0] + chin[0]) / 2 / portrait.width < 0.65
    assert portrait.matte[portrait.landmarks[4, 1].astype(int), portrait.landmarks[4, 0].astype(int)] > 250
    assert 0.2 < (portrait.matte > 127).mean() < 0.9


def test_the_landmarks_lie_on_the_face_that_was_cut_out(built: tuple[Path, BuildReport]) -> None:
    portrait = open_imx(built[0]).portrait()
    (face,) = Perception.shared().faces(portrait.picture)
    assert np.median(np.hypot(*(face.landmarks[:, :2] - portrait.landmarks[:, :2]).T)) < 1.5


def test_the_background_has_no_face(built: tuple[Path, BuildReport]) -> None:
    portrait = open_imx(built[0]).portrait()
    assert Perception.shared().faces(portrait.plate) == []
    outside = cv2.dilate((portrait.matte > 8).astype(np.uint8), np.ones((25, 25), np.uint8)) == 0
    assert np.abs(portrait.plate.astype(int) - portrait.picture)[outside].mean() < 3


def test_the_mouth_was_tried(built: tuple[Path, BuildReport]) -> None:
    measures = built[1].measures
    assert measures["opening_a_iod"] > 0.1
    assert measures["closure_m_iod"] < 0.02
    assert measures["identity_a"] > 0.8


def test_the_creator_is_told_what_could_be_better(built: tuple[Path, BuildReport]) -> None:
    warnings = " ".join(built[1].warnings)
    assert "108 pixels high" in warnings
    assert "The mouth is open." in warnings


def test_the_preview_is_a_small_silent_film(built: tuple[Path, BuildReport]) -> None:
    preview = open_imx(built[0]).preview()
    assert preview is not None
    assert len(preview) < 250_000
    with av.open(io.BytesIO(preview)) as container:
        assert not container.streams.audio
        pictures = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert len(pictures) == 100
    assert pictures[0].shape == (320, 320, 3)


def test_the_preview_has_no_seam(built: tuple[Path, BuildReport]) -> None:
    """Where it begins again the picture moves no more than it does elsewhere."""
    shown = small(open_imx(built[0]).portrait())
    renderer = FaceRenderer(Rig.from_portrait(shown))
    pictures = [renderer.render(controls).copy() for controls in loop_track()]
    steps = [np.abs(a.astype(int) - b).mean() for a, b in pairwise([*pictures, pictures[0]])]
    assert steps[-1] <= max(steps[:-1])
    assert 0.02 < np.median(steps) < 1


def test_the_stages_come_in_order(built: tuple[Path, BuildReport], steps: list[tuple[Stage, float, str]]) -> None:
    assert built[1].ok
    of_one_picture = [stage for stage in Stage if stage not in (Stage.LOOP, Stage.TEETH)]
    assert [stage for stage, _, _ in steps] == of_one_picture
    shares = [share for _, share, _ in steps]
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1
    assert all(message.endswith(".") for _, _, message in steps)
    assert set(built[1].stage_cpu_s) == set(of_one_picture)
    assert json.dumps(built[1].to_json())


@pytest.mark.parametrize("name", ["cmyk.jpg", "turned.jpg", "turned.webp"])
def test_prints_and_turned_pictures_are_the_same_person(name: str, built: tuple[Path, BuildReport]) -> None:
    portrait = picture_portrait(FOLDER / name)
    (face,) = Perception.shared().faces(portrait.picture)
    assert abs(face.pose_deg.roll) < 8
    whole = open_imx(built[0]).portrait()
    (same,) = Perception.shared().faces(whole.picture)
    first, second = (
        Perception.shared().embedding(portrait.picture, face),
        Perception.shared().embedding(whole.picture, same),
    )
    assert float(first @ second) > 0.7


def test_transparency_is_the_matte(tmp_path: Path) -> None:
    picture = cv2.imread(str(ASTRONAUT))
    alpha = np.zeros((512, 512, 1), np.uint8)
    cv2.ellipse(alpha, (228, 150), (110, 150), 0, 0, 360, (255,), -1)
    cv2.imwrite(str(tmp_path / "cut.png"), np.dstack([picture, alpha]))
    portrait = picture_portrait(tmp_path / "cut.png")
    assert portrait.matte.min() == 0
    assert portrait.matte.max() == 255
    # Outside of it is plain background, whatever the file had there.
    corner = portrait.plate[:20, :20].reshape(-1, 3)
    assert np.ptp(corner, axis=0).max() < 12


@pytest.mark.parametrize("size", [(512, 512), (720, 1280), (640, 360), (256, 256)])
def test_any_even_size_can_be_had(size: tuple[int, int]) -> None:
    portrait = picture_portrait(ASTRONAUT, size=size)
    assert (portrait.width, portrait.height) == size
    assert portrait.matte.shape == portrait.plate.shape[:2] == size[::-1]
    inside = (portrait.landmarks[:, :2] > 0) & (portrait.landmarks[:, :2] < size)
    assert inside.all()


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_grey_and_deep_pictures_are_read(tmp_path: Path, depth: type) -> None:
    grey = cv2.imread(str(ASTRONAUT), cv2.IMREAD_GRAYSCALE).astype(depth) * (257 if depth is np.uint16 else 1)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    portrait = picture_portrait(tmp_path / "grey.png")
    assert portrait.picture.shape == (512, 512, 3)
    assert 50 < portrait.picture.mean() < 200


def test_an_animal_is_marked_by_hand(raccoon_points: FacePoints, tmp_path: Path) -> None:
    report = build_avatar(RACCOON, tmp_path / "raccoon.imx", points=raccoon_points)
    assert (report.source_kind, report.faces_found) == (SourceKind.POINTS, 0)
    assert report.measures["opening_a_iod"] is None
    portrait = open_imx(tmp_path / "raccoon.imx").portrait()
    assert portrait.kind is Kind.ANIMAL
    eyes = [portrait.landmarks[list(pair), :2].mean(axis=0) for pair in ((33, 133), (263, 362))]
    marked = np.hypot(*(raccoon_points.array()[1] - raccoon_points.array()[0]))
    assert np.hypot(*(eyes[1] - eyes[0])) / marked == pytest.approx(report.measures["source_scale"], rel=0.02)
    assert portrait.landmarks[152, 1] > portrait.landmarks[13, 1] > eyes[0][1]


def test_eyes_may_be_kept_still(raccoon_points: FacePoints, tmp_path: Path) -> None:
    build_avatar(RACCOON, tmp_path / "still.imx", points=raccoon_points, blink_limit=0.0)
    assert open_imx(tmp_path / "still.imx").manifest.blink_limit == 0
    assert open_imx(tmp_path / "still.imx").portrait().blink_limit == 0


def test_a_person_may_be_marked_by_hand_too(tmp_path: Path) -> None:
    points = FacePoints((203, 101), (247, 103), (203, 140), (246, 141), (224, 146), (226, 170))
    portrait = picture_portrait(ASTRONAUT, points, kind=Kind.PHOTO)
    assert portrait.kind is Kind.PHOTO
    (face,) = Perception.shared().faces(portrait.picture)
    assert np.median(np.hypot(*(face.landmarks[:, :2] - portrait.landmarks[:, :2]).T)) < 0.15 * face.iod_px


def test_the_same_picture_gives_the_same_avatar(built: tuple[Path, BuildReport], tmp_path: Path) -> None:
    build_avatar(ASTRONAUT, tmp_path / "again.imx", licence="NASA", consent="test")
    first, second = open_imx(built[0]).portrait(), open_imx(tmp_path / "again.imx").portrait()
    assert np.array_equal(first.picture, second.picture)
    assert np.array_equal(first.landmarks, second.landmarks)
    assert np.array_equal(first.matte, second.matte)


def test_the_largest_of_several_faces_is_taken(tmp_path: Path) -> None:
    small = cv2.imread(str(ASTRONAUT))[40:220, 140:320]
    board = np.full((500, 900, 3), 200, np.uint8)
    board[20:380, 20:380] = cv2.resize(small, (360, 360))
    board[100:370, 600:870] = cv2.resize(small, (270, 270))
    cv2.imwrite(str(tmp_path / "two.png"), board)
    report = build_avatar(tmp_path / "two.png", tmp_path / "two.imx")
    assert report.faces_found == 2
    assert any("2 faces" in warning for warning in report.warnings)
    assert report.measures["iod_px"] > 75


@pytest.mark.parametrize("size", [(511, 512), (100, 100), (4000, 4000), (0, 512)])
def test_impossible_sizes_are_refused(size: tuple[int, int], tmp_path: Path) -> None:
    with pytest.raises(BuildRefused, match="even numbers from 256 to 1920") as refusal:
        build_avatar(ASTRONAUT, tmp_path / "x.imx", size=size)
    assert refusal.value.code == "bad_size"


def test_a_missing_folder_is_noticed_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(BuildRefused, match="There is no folder") as refusal:
        build_avatar(ASTRONAUT, tmp_path / "gone" / "x.imx")
    assert refusal.value.code == "not_written"


def test_the_report_speaks_in_plain_words(built: tuple[Path, BuildReport]) -> None:
    report = built[1]
    texts = {remark.code: remark.text for remark in report.remarks}
    assert texts["closes"] == "The mouth closes well."
    assert texts["own_teeth"] == "The real teeth are shown."
    assert {"small", "mouth_open"} <= set(texts)
    assert len(report.warnings) == sum(remark.tone == "better" for remark in report.remarks)
    content = json.loads(json.dumps(report.to_json()))
    assert content["remarks"][0].keys() == {"code", "tone", "text", "advice"}
    assert report.measures["trial_rmse_iod"] < 0.03
    assert report.measures["round_width"] < 0.93


def test_a_dim_picture_is_told_so(tmp_path: Path) -> None:
    dim = (cv2.imread(str(ASTRONAUT)) * 0.45).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "dim.png"), dim)
    report = build_avatar(tmp_path / "dim.png", tmp_path / "dim.imx")
    assert "dim" in {remark.code for remark in report.remarks}
    assert any("a little dark" in warning for warning in report.warnings)


def test_light_from_one_side_is_told(tmp_path: Path) -> None:
    shade = np.where(np.arange(512) < 225, 0.4, 1.0)[None, :, None]
    half = (cv2.imread(str(ASTRONAUT)) * shade).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "half.png"), half)
    report = build_avatar(tmp_path / "half.png", tmp_path / "half.imx")
    assert report.measures["side_light"] > 1.8
    assert "side_light" in {remark.code for remark in report.remarks}
