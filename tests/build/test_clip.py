"""What a stranger's video may be, and what is said where it is something else."""

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from avatars.build import BuildRefused, FacePoints, build_avatar, clip
from avatars.build.clip import FRAMES_MAX, clip_format, is_clip, open_clip
from avatars.build.refusal import CODES
from tests.clips import write_clip
from tests.material import ASTRONAUT


def refused(source: Path, **options: Any) -> BuildRefused:
    out = source.parent / "out.imx"
    with pytest.raises(BuildRefused) as refusal:
        build_avatar(source, out, **options)
    assert not out.exists()
    assert refusal.value.code in CODES
    assert refusal.value.message.endswith(".")
    return refusal.value


def grey(count: int, width: int = 160, height: int = 128) -> list[np.ndarray]:
    return [np.full((height, width, 3), 90 + index % 40, np.uint8) for index in range(count)]


@pytest.mark.parametrize(
    ("head", "form"),
    [
        (b"\0\0\0\x20ftypisom", "mov"),
        (b"\0\0\0\x14ftypqt  ", "mov"),
        (b"\0\0\0\x08wide", "mov"),
        (b"\x1a\x45\xdf\xa3", "matroska"),
        (b"\0\0\0\x18ftypheic", None),
        (b"\0\0\0\x18ftypavif", None),
        (b"\xff\xd8\xff\xe0", None),
        (b"RIFF\0\0\0\0AVI ", None),
        (b"", None),
    ],
)
def test_videos_are_told_by_their_first_bytes(head: bytes, form: str | None) -> None:
    assert clip_format(head) == form


def test_what_cannot_be_read_is_no_clip(tmp_path: Path) -> None:
    assert not is_clip(tmp_path / "nothing.mp4")
    assert not is_clip(ASTRONAUT)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mov", "libx264"), ("a.webm", "libvpx")])
def test_three_containers_are_read(tmp_path: Path, name: str, codec: str) -> None:
    opened = open_clip(write_clip(tmp_path / name, grey(80), codec=codec))
    assert (opened.width, opened.height, round(opened.rate_hz), opened.every) == (160, 128, 25, 1)
    times = [time_s for time_s, _ in opened.pictures()]
    assert len(times) == 80
    assert times[0] == 0
    assert times[-1] == pytest.approx(79 / 25, abs=0.01)


def test_of_a_fast_clip_every_second_picture_is_looked_at(tmp_path: Path) -> None:
    opened = open_clip(write_clip(tmp_path / "fast.mp4", grey(200), rate_hz=60))
    assert (opened.every, opened.rate_hz) == (2, 30)
    assert len(list(opened.pictures())) == 100


def test_a_range_is_cut_out_and_drawn_smaller(tmp_path: Path) -> None:
    pictures = [np.full((128, 160, 3), 2 * index, np.uint8) for index in range(90)]
    opened = open_clip(write_clip(tmp_path / "a.mp4", pictures))
    found = [picture for _, picture in opened.pictures(10, 12, side_px=80)]
    assert [picture.shape for picture in found] == [(64, 80, 3)] * 3
    assert [float(picture.mean()) / 2 for picture in found] == pytest.approx([10, 11, 12], abs=1.5)


def test_a_clip_lying_on_its_side_is_turned_as_its_camera_was(tmp_path: Path) -> None:
    left_dark = np.full((128, 160, 3), 230, np.uint8)
    left_dark[:, :80] = 20
    path = write_clip(tmp_path / "a.mp4", [left_dark] * 80)
    data = bytearray(path.read_bytes())
    upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    clockwise = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    at = data.find(upright, data.find(b"tkhd"))
    data[at : at + 36] = clockwise
    path.write_bytes(data)
    opened = open_clip(path)
    assert (opened.width, opened.height) == (128, 160)
    _, picture = next(opened.pictures())
    assert picture.shape == (160, 128, 3)
    # Turned clockwise, what was left is above.
    assert picture[:60].mean() < 60 < 200 < picture[100:].mean()


@pytest.mark.parametrize(
    ("count", "rate_hz", "code"), [(50, 25, "too_short"), (8 * 62, 8, "too_long"), (20, 4, "too_few_frames")]
)
def test_clips_of_another_length_are_refused(tmp_path: Path, count: int, rate_hz: int, code: str) -> None:
    assert refused(write_clip(tmp_path / "a.mp4", grey(count), rate_hz)).code == code


def test_a_clip_that_hides_its_length_is_refused_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_clip(tmp_path / "a.mp4", grey(120))
    opened = open_clip(path)
    with pytest.raises(BuildRefused) as refusal:
        list(replace(opened, most_s=4.0).pictures())
    assert refusal.value.code == "too_long"
    monkeypatch.setattr(clip, "FRAMES_MAX", 100)
    with pytest.raises(BuildRefused) as refusal:
        list(opened.pictures())
    assert refusal.value.code == "too_large"
    assert FRAMES_MAX >= 60 * 60


def test_clips_of_another_size_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = write_clip(tmp_path / "small.mp4", grey(80, 96, 96))
    assert refused(small).code == "too_small"
    monkeypatch.setattr(clip, "PIXELS_MAX", 160 * 128 - 1)
    assert refused(write_clip(tmp_path / "large.mp4", grey(80))).code == "too_large"
    monkeypatch.setattr(clip, "FILE_BYTES_MAX", 100)
    assert "Videos may have up to" in refused(small).message


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 64_000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert refused(path).code == "not_a_video"


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_a_damaged_clip_is_refused_in_words(tmp_path: Path, keep: float) -> None:
    data = write_clip(tmp_path / "a.mp4", grey(80)).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: max(40, int(keep * len(data)))])
    assert refused(path).code in {"damaged", "not_a_video"}
    path.write_bytes(data[:40] + bytes(len(data) - 40))
    assert refused(path).code in {"damaged", "not_a_video"}


def test_a_clip_takes_no_points(tmp_path: Path) -> None:
    points = FacePoints((1, 1), (2, 1), (1, 2), (2, 2), (1.5, 2), (1.5, 3))
    assert refused(write_clip(tmp_path / "a.mp4", grey(80)), points=points).code == "bad_points"


def test_a_clip_without_a_face_is_refused(tmp_path: Path) -> None:
    assert refused(write_clip(tmp_path / "a.mp4", grey(80))).code == "no_steady_face"
