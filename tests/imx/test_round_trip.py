"""What is written is what is read."""

import os
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatars.engine.footage import Footage, OwnMouth, encode
from avatars.engine.portrait import Kind, Portrait
from avatars.engine.recorded import RecordedGesture
from avatars.imx import Manifest, OversizedImx, open_imx, write_imx, writer
from tests.imx.conftest import POSTER, PREVIEW, any_portrait, manifest_of


def assert_same(read: Portrait, written: Portrait) -> None:
    assert np.array_equal(read.picture, written.picture)
    assert np.array_equal(read.matte, written.matte)
    assert np.array_equal(read.landmarks, written.landmarks)
    assert read.landmarks.dtype == np.float32
    # The plate is JPEG: a rim of it is seen, blurred.
    assert np.abs(read.plate.astype(int) - written.plate).max() <= 4
    assert (read.kind, read.blink_limit) == (written.kind, written.blink_limit)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    width=st.integers(32, 80).map(lambda half: 2 * half),
    height=st.integers(32, 80).map(lambda half: 2 * half),
    kind=st.sampled_from(Kind),
    limit=st.floats(0, 1),
    words=st.text(max_size=60),
)
def test_any_portrait_survives(
    tmp_path_factory: pytest.TempPathFactory, seed: int, width: int, height: int, kind: Kind, limit: float, words: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.imx"
    portrait = replace(any_portrait(seed, width, height, kind), blink_limit=limit)
    manifest = replace(manifest_of(portrait), licence=words, consent=words)
    written = write_imx(path, portrait, manifest, poster=POSTER)
    opened = open_imx(path)
    assert opened.manifest == written
    assert opened.manifest.consent == words
    assert_same(opened.portrait(), portrait)
    assert opened.preview() is None


def recorded(name: str, footage: Footage, loop_frames: int, *, hands: bool) -> RecordedGesture:
    rng = np.random.default_rng(len(name))
    free = rng.integers(0, 255, (len(footage), 12, 12), np.uint8) if hands else None
    lips = rng.uniform(0, 1, len(footage)).astype(np.float32)
    enter, leave = rng.uniform(0, 20, (2, loop_frames)).astype(np.float32)
    return RecordedGesture(name, name.capitalize(), footage, lips, enter, leave, free)


@pytest.mark.parametrize("hands", [False, True])
def test_recorded_gestures_survive(tmp_path: Path, *, hands: bool) -> None:
    portrait = any_portrait(3, 96, 96)
    loop, wave, clap = moving(4), moving(20), moving(25)
    gestures = recorded("mini_wave_hello", wave, 4, hands=hands), recorded("clap_cheer", clap, 4, hands=False)
    written = replace(portrait, footage=loop, recorded=gestures)
    write_imx(tmp_path / "a.imx", written, manifest_of(portrait), poster=POSTER)
    opened = open_imx(tmp_path / "a.imx")
    opened.verify()
    # Readers of version 2 play the loop.
    assert opened.manifest.version == 2
    for read, gesture in zip(opened.portrait().recorded, gestures, strict=True):
        assert (read.name, read.label, read.frames) == (gesture.name, gesture.label, gesture.frames)
        assert read.footage.packets == gesture.footage.packets
        assert np.array_equal(read.footage.poses, gesture.footage.poses)
        for one, other in ((read.lips, gesture.lips), (read.enter, gesture.enter), (read.leave, gesture.leave)):
            assert np.array_equal(one, other)
        assert (read.free is None) is (gesture.free is None)
        assert gesture.free is None or np.array_equal(read.free, gesture.free)


def test_an_avatar_with_too_much_recorded_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MEMBER_BYTES_MAX", 20_000)
    portrait = any_portrait(3, 96, 96)
    long = replace(moving(20), packets=tuple(b"x" * 2000 for _ in range(20)))
    full = replace(portrait, footage=moving(4), recorded=(recorded("wave", long, 4, hands=False),))
    with pytest.raises(OversizedImx, match="shorter clips"):
        write_imx(tmp_path / "a.imx", full, manifest_of(portrait), poster=POSTER)
    assert not (tmp_path / "a.imx").exists()


def test_only_a_face_from_a_video_has_recorded_gestures(tmp_path: Path) -> None:
    portrait = replace(any_portrait(), recorded=(recorded("wave", moving(20), 4, hands=False),))
    with pytest.raises(ValueError, match="footage"):
        write_imx(tmp_path / "a.imx", portrait, manifest_of(portrait), poster=POSTER)


def moving(count: int) -> Footage:
    rng = np.random.default_rng(count)
    pictures = (rng.integers(0, 255, (144, 96), np.uint8) for _ in range(count))
    poses = np.tile(np.array([[1, 0, 0], [0, 1, 0]], np.float32), (count, 1, 1))
    return Footage(tuple(encode(pictures, 96, 96)), poses)


def test_films_and_posters_come_back_unchanged(avatar: Path) -> None:
    opened = open_imx(avatar)
    assert (opened.poster(), opened.preview()) == (POSTER, PREVIEW)
    opened.verify()


def test_file_names_itself_in_its_first_bytes(avatar: Path) -> None:
    assert avatar.read_bytes()[30:63] == b"mimetypeapplication/vnd.parlo.imx"
    with zipfile.ZipFile(avatar) as archive:
        assert archive.namelist()[:2] == ["mimetype", "manifest.json"]


def test_same_avatar_gives_same_bytes(tmp_path: Path) -> None:
    portrait = any_portrait()
    manifest = manifest_of(portrait)
    for name in ("one", "two"):
        write_imx(tmp_path / name, portrait, manifest, poster=POSTER)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "avatar.imx"
    portrait = any_portrait()
    write_imx(path, portrait, manifest_of(portrait), poster=POSTER)
    before = path.read_bytes()

    def no_space(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        write_imx(path, any_portrait(seed=2), manifest_of(portrait), poster=POSTER)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["avatar.imx"]


@pytest.mark.parametrize(
    "change",
    [
        {"matte": np.zeros((10, 10), np.uint8)},
        {"landmarks": np.zeros((468, 3), np.float32)},
        {"landmarks": np.full((478, 3), np.nan, np.float32)},
        {"kind": Kind.ANIMAL},
        {"teeth": np.zeros((10, 10, 4), np.uint8)},
    ],
)
def test_contradictory_portrait_is_not_written(tmp_path: Path, change: dict[str, object]) -> None:
    portrait = any_portrait()
    with pytest.raises(ValueError, match=r"portrait|manifest"):
        write_imx(tmp_path / "x.imx", replace(portrait, **change), manifest_of(portrait), poster=POSTER)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_manifest_reads_what_it_writes() -> None:
    manifest = manifest_of(any_portrait())
    assert Manifest.from_json(manifest.to_json()) == manifest


def any_footage(width: int, height: int, frames: int = 6, *, coloured: bool = False) -> Footage:
    random = np.random.default_rng(5)
    pictures = (random.integers(16, 235, (height * 3 // 2, width)).astype(np.uint8) for _ in range(frames))
    poses = np.tile(np.array([[1, 0, 0], [0, 1, 0]], np.float32), (frames, 1, 1))
    poses[1:, :, 2] = random.uniform(-5, 5, (frames - 1, 2))
    inside = np.array([0.9, 3, 4, 30.5], np.float32) if coloured else None
    mouth = OwnMouth(b"a network", 1.25) if coloured else None
    return Footage(tuple(encode(pictures, width, height)), poses, 0.75, inside, mouth)


def any_teeth(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(6).integers(0, 255, (height, width, 4)).astype(np.uint8)


@pytest.mark.parametrize("teeth", [False, True])
def test_footage_survives(tmp_path: Path, teeth: bool) -> None:
    still = any_portrait()
    footage = any_footage(still.width, still.height, coloured=teeth)
    own = any_teeth(still.width, still.height) if teeth else None
    portrait = replace(still, footage=footage, teeth=own)
    written = write_imx(tmp_path / "moving.imx", portrait, manifest_of(portrait), poster=POSTER)
    opened = open_imx(tmp_path / "moving.imx")
    opened.verify()
    assert b'"version": 2' in written.to_json()
    read = opened.portrait()
    assert_same(read, still)
    assert read.footage is not None
    assert read.footage.packets == footage.packets
    assert np.array_equal(read.footage.poses, footage.poses)
    assert read.footage.blur_px == footage.blur_px
    assert (read.footage.inside is None) is not teeth
    if read.footage.inside is not None and footage.inside is not None:
        assert np.array_equal(read.footage.inside, footage.inside)
    assert read.footage.mouth == footage.mouth
    assert (read.teeth is None) is not teeth
    if teeth:
        assert np.array_equal(read.teeth, own)


def test_a_still_avatar_is_one_that_older_readers_know(avatar: Path) -> None:
    assert b'"version": 1' in open_imx(avatar).manifest.to_json()
    assert open_imx(avatar).portrait().footage is None


def test_borrowed_teeth_survive_in_a_still_avatar(tmp_path: Path) -> None:
    still = any_portrait()
    portrait = replace(still, teeth=any_teeth(still.width, still.height))
    written = write_imx(tmp_path / "smile.imx", portrait, manifest_of(portrait), poster=POSTER)
    opened = open_imx(tmp_path / "smile.imx")
    opened.verify()
    assert opened.manifest == written
    assert b'"version": 2' in written.to_json()
    read = opened.portrait()
    assert_same(read, still)
    assert read.footage is None
    assert np.array_equal(read.teeth, portrait.teeth)


@pytest.mark.parametrize(
    "change",
    [
        {"poses": np.zeros((5, 2, 3), np.float32)},
        {"poses": np.full((6, 2, 3), np.nan, np.float32)},
    ],
)
def test_contradictory_footage_is_not_written(tmp_path: Path, change: dict[str, object]) -> None:
    still = any_portrait()
    footage = replace(any_footage(still.width, still.height), **change)  # type: ignore[arg-type]
    portrait = replace(still, footage=footage)
    with pytest.raises(ValueError, match="footage"):
        write_imx(tmp_path / "x.imx", portrait, manifest_of(portrait), poster=POSTER)
    assert not list(tmp_path.iterdir())
