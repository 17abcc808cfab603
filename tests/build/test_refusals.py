"""What cannot become an avatar is refused with a code and a sentence, before it costs anything."""

import struct
import time
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from avatars.build import BuildRefused, FacePoints, build_avatar
from avatars.build.decode import FILE_BYTES_MAX, decode
from avatars.build.inspection import Findings, inspect_face, mouth_covered
from avatars.build.portrait import draft_portrait
from avatars.build.refusal import CODES
from avatars.engine.face.frame import INNER_UPPER
from avatars.engine.perception import Face, Perception, Pose
from avatars.engine.portrait import Kind
from tests.material import ASTRONAUT, MONA_LISA, RACCOON


def refused(source: Path, **options: Any) -> BuildRefused:
    out = source.parent / "out.imx"
    with pytest.raises(BuildRefused) as refusal:
        build_avatar(source, out, **options)
    assert not out.exists()
    assert refusal.value.code in CODES
    assert refusal.value.message[0].isupper()
    assert refusal.value.message.endswith(".")
    return refusal.value


def written(path: Path, content: bytes | np.ndarray) -> Path:
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        cv2.imwrite(str(path), content)
    return path


def png_of(width: int, height: int) -> bytes:
    """A PNG that only declares its size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + b"\0\0\0\0IEND"
    )


def jpeg_of(width: int, height: int) -> bytes:
    """A JPEG that only declares its size."""
    return b"\xff\xd8\xff\xc0\x00\x11\x08" + struct.pack(">HH", height, width) + b"\x03" + bytes(9) + b"\xff\xd9"


def test_a_picture_without_a_face_asks_for_points(tmp_path: Path) -> None:
    flat = written(tmp_path / "flat.png", np.full((300, 300, 3), 127, np.uint8))
    raccoon = cv2.imread(str(RACCOON))
    assert raccoon is not None
    leaves = written(tmp_path / "leaves.png", raccoon[420:, :400])
    for source in (flat, leaves):
        assert refused(source).code == "needs_points"


@pytest.mark.parametrize("name", ["empty.jpg", "text.jpg", "page.png", "sheet.pdf", "cut_header.png"])
def test_other_files_are_no_pictures(tmp_path: Path, name: str) -> None:
    content = {
        "empty.jpg": b"",
        "text.jpg": b"Dear Sir or Madam",
        "page.png": b"<html></html>" * 50,
        "sheet.pdf": b"%PDF-1.7" + bytes(100),
        "cut_header.png": b"\x89PNG\r\n\x1a\n\0\0",
    }[name]
    assert refused(written(tmp_path / name, content)).code == ("empty" if not content else "not_an_image")


@pytest.mark.parametrize(
    ("head", "named"),
    [
        (b"GIF89a", "GIF"),
        (b"BM", "BMP"),
        (b"II*\x00", "TIFF"),
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"\0\0\0\x18ftypavif", "AVIF"),
    ],
)
def test_pictures_of_another_format_are_named(tmp_path: Path, head: bytes, named: str) -> None:
    refusal = refused(written(tmp_path / "picture.jpg", head + bytes(200)))
    assert refusal.code == "not_an_image"
    assert named in refusal.message


@pytest.mark.parametrize("make", [png_of, jpeg_of])
@pytest.mark.parametrize(
    ("size", "code"), [((50_000, 50_000), "too_large"), ((20_000, 200), "too_large"), ((100, 500), "too_small")]
)
def test_the_header_is_judged_before_the_picture_is_decoded(
    tmp_path: Path, make: Any, size: tuple[int, int], code: str
) -> None:
    begun = time.process_time()
    assert refused(written(tmp_path / "declared.bin", make(*size))).code == code
    assert time.process_time() - begun < 0.1


def test_a_picture_whose_pixels_are_not_there_is_damaged(tmp_path: Path) -> None:
    assert refused(written(tmp_path / "hollow.png", png_of(600, 600))).code == "damaged"


def test_a_file_of_many_megabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    with path.open("wb") as file:
        file.write(ASTRONAUT.read_bytes())
        file.truncate(FILE_BYTES_MAX + 1)
    assert refused(path).code == "too_large"


@pytest.mark.parametrize("source", [ASTRONAUT, MONA_LISA])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_picture_that_was_cut_off_is_damaged(tmp_path: Path, source: Path, share: float) -> None:
    data = source.read_bytes()
    refusal = refused(written(tmp_path / source.name, data[: int(share * len(data))]))
    assert refusal.code == "damaged"
    assert "missing" in refusal.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    refusal = refused(tmp_path / "gone.jpg")
    assert refusal.code == "not_found"
    assert "gone.jpg" in refusal.message
    assert refused(tmp_path).code == "not_found"


def test_a_small_face_is_measured_and_refused(tmp_path: Path) -> None:
    picture = cv2.resize(cv2.imread(str(ASTRONAUT)), None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    refusal = refused(written(tmp_path / "small.png", np.asarray(picture)))
    assert refusal.code == "face_too_small"
    assert "65 pixels" in refusal.message or "64 pixels" in refusal.message


@pytest.mark.parametrize(("yaw_deg", "passes"), [(-32, True), (32, True), (-34, False), (45, False)])
def test_a_profile_is_refused(yaw_deg: float, passes: bool) -> None:
    picture = np.asarray(cv2.imread(str(ASTRONAUT)), np.uint8)
    (face,) = Perception.shared().faces(picture)
    turned = replace(face, pose_deg=Pose(yaw_deg, face.pose_deg.pitch, face.pose_deg.roll))
    if passes:
        inspect_face(picture, turned, 1.0, Kind.PHOTO, Findings())
        return
    with pytest.raises(BuildRefused, match=r"turned \d\d degrees aside") as refusal:
        inspect_face(picture, turned, 1.0, Kind.PHOTO, Findings())
    assert refusal.value.code == "profile"


def found() -> tuple[NDArray[np.uint8], Face]:
    picture = np.asarray(cv2.imread(str(ASTRONAUT)), np.uint8)
    (face,) = Perception.shared().faces(picture)
    return picture, face


def test_a_covered_mouth_is_refused() -> None:
    picture, face = found()
    mask = cv2.convexHull(face.landmarks[[93, 323, 152, 172, 397, 4, 205, 425], :2].round().astype(np.int32))
    covered = picture.copy()
    cv2.fillConvexPoly(covered, mask, (200, 120, 40))
    inspect_face(picture, face, 1.0, Kind.PHOTO, Findings())
    with pytest.raises(BuildRefused, match="mouth is covered") as refusal:
        inspect_face(covered, face, 1.0, Kind.PHOTO, Findings())
    assert refusal.value.code == "mouth_covered"


def test_half_a_mouth_behind_a_hand_is_refused_in_photos() -> None:
    """The hand is as pale as the face, and the picture may be grey: what is missing is the line between the lips."""
    picture, face = found()
    middle, corner = face.landmarks[[13, 308], :2]
    hand = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    reach = round(0.9 * float(corner[0] - middle[0]))
    cv2.circle(hand, (round(float(corner[0])), round(float(corner[1]))), reach, (170, 170, 170), -1, cv2.LINE_AA)
    inspect_face(hand, face, 1.0, Kind.DRAWING, Findings())
    with pytest.raises(BuildRefused, match="mouth is covered"):
        inspect_face(hand, face, 1.0, Kind.PHOTO, Findings())


def test_a_beard_covers_no_mouth() -> None:
    """All of the lower face, lips too, is in one colour that is not the skin's; but the lips part in it."""
    picture, face = found()
    hull = cv2.convexHull(face.landmarks[[93, 323, 152, 172, 397, 2, 205, 425], :2].round().astype(np.int32))
    bearded = picture.copy()
    cv2.fillConvexPoly(bearded, hull, (15, 50, 120))
    assert mouth_covered(bearded, face.landmarks)
    lips = face.landmarks[list(INNER_UPPER), :2].round().astype(np.int32)
    cv2.polylines(bearded, [lips], False, (5, 12, 22), 3, cv2.LINE_AA)
    assert not mouth_covered(bearded, face.landmarks)


@pytest.mark.parametrize("side", ["left", "top"])
def test_half_a_face_at_the_edge_is_refused(side: str) -> None:
    picture, face = found()
    x, y = face.landmarks[168, :2].round().astype(int)
    half = picture[:, x:] if side == "left" else picture[y:]
    moved = face.landmarks - np.array([[x, 0, 0] if side == "left" else [0, y, 0]], np.float32)
    with pytest.raises(BuildRefused, match="beyond the picture's edge") as cut_off:
        inspect_face(half, replace(face, landmarks=moved), 1.0, Kind.PHOTO, Findings())
    assert cut_off.value.code == "face_cut_off"


def test_eyes_behind_dark_glasses_are_held_still(tmp_path: Path) -> None:
    picture, face = found()
    for eye in ((33, 133, 105, 118), (362, 263, 334, 347)):
        left, right, top, bottom = face.landmarks[list(eye), :2]
        lens = (
            (round(float(left[0])) - 4, round(float(top[1]))),
            (round(float(right[0])) + 4, round(float(bottom[1])) + 4),
        )
        cv2.rectangle(picture, *lens, (16, 16, 20), -1)
    drafted = draft_portrait(written(tmp_path / "dark.png", picture))
    assert drafted.findings.measures["dark_glasses"] is True
    assert drafted.portrait.blink_limit == 0
    assert draft_portrait(ASTRONAUT).portrait.blink_limit == 1


GOOD = {
    "left_eye": [200, 100],
    "right_eye": [250, 100],
    "mouth_left": [205, 140],
    "mouth_right": [245, 140],
    "mouth_middle": [225, 142],
    "chin": [225, 170],
}


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        "points",
        {},
        {**GOOD, "chin": [1]},
        {**GOOD, "chin": ["a", "b"]},
        {**GOOD, "chin": [1, 2, 3]},
        {**GOOD, "chin": [float("nan"), 1]},
        {**GOOD, "chin": [1e400, 1]},
        {name: at for name, at in GOOD.items() if name != "chin"},
    ],
)
def test_points_that_are_none(content: Any) -> None:
    with pytest.raises(BuildRefused, match="six points") as refusal:
        FacePoints.from_json(content)
    assert refusal.value.code == "bad_points"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"chin": [225, 600]}, "inside the picture"),
        ({"left_eye": [-1, 100]}, "inside the picture"),
        ({"right_eye": [205, 100]}, "only 5 pixels apart and need 20"),
        ({"mouth_left": [245, 140], "mouth_right": [205, 140]}, "Left and right"),
        ({"left_eye": [250, 100], "right_eye": [200, 100]}, "Left and right"),
        ({"mouth_middle": [225, 60]}, "below the eyes"),
        ({"chin": [225, 120]}, "chin below the mouth"),
    ],
)
def test_points_that_are_no_face(tmp_path: Path, change: dict[str, list[float]], complaint: str) -> None:
    points = FacePoints.from_json(GOOD | change)
    refusal = refused(written(tmp_path / "picture.png", ASTRONAUT.read_bytes()), points=points)
    assert refusal.code == "bad_points"
    assert complaint in refusal.message


def test_points_survive_json() -> None:
    points = FacePoints.from_json(GOOD)
    assert FacePoints.from_json(points.to_json()) == points
    assert points.scaled(2).chin == (450, 340)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    head=st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x10\x00\x00\x00WEBPVP8 ", b""]),
    tail=st.binary(max_size=200),
)
def test_no_bytes_break_the_decoder(tmp_path: Path, head: bytes, tail: bytes) -> None:
    try:
        decode(written(tmp_path / "any.bin", head + tail))
    except BuildRefused as refusal:
        code = refusal.code
    else:
        code = "decoded"
    assert code in {*CODES, "decoded"}
