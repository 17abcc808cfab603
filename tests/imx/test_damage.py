"""Files that are not whole, not ours or not honest are refused by name, never half read."""

import hashlib
import io
import json
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatars.imx import (
    CorruptImx,
    ForeignImx,
    ImxError,
    NotImx,
    OversizedImx,
    TooNewImx,
    TruncatedImx,
    UnsafeImx,
    open_imx,
    write_imx,
)
from tests.imx.conftest import POSTER, any_portrait, manifest_of
from tests.imx.test_round_trip import any_footage, any_teeth, assert_same, moving, recorded


def refused(path: Path, data: bytes, error: type[ImxError] = ImxError) -> ImxError:
    path.write_bytes(data)
    with pytest.raises(error) as caught:
        open_imx(path).verify()
    assert str(caught.value).endswith(".")
    return caught.value


def rewritten(avatar: Path, change: Callable[[dict[str, bytes]], None], **infos: Any) -> bytes:
    """Return the archive packed again after `change` of its members; `infos` are set on the entry `name` says."""
    with zipfile.ZipFile(avatar) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED if len(data) > 10**6 else zipfile.ZIP_STORED
            if name == infos.get("name"):
                info.external_attr = infos["external_attr"]
            archive.writestr(info, data)
    return buffer.getvalue()


def manifest_changed(members: dict[str, bytes], /, **values: Any) -> None:
    members["manifest.json"] = json.dumps(json.loads(members["manifest.json"]) | values).encode()


def test_every_cut_is_noticed(avatar: Path, tmp_path: Path) -> None:
    data = avatar.read_bytes()
    with zipfile.ZipFile(avatar) as archive:
        boundaries = [info.header_offset for info in archive.infolist()] + [archive.start_dir]
    for boundary in boundaries:
        for length in (boundary - 1, boundary, boundary + 1, boundary + 40):
            if 4 <= length < len(data):
                assert refused(tmp_path / "cut.imx", data[:length]).code == "truncated", length
    refused(tmp_path / "cut.imx", data[:-1], TruncatedImx)
    refused(tmp_path / "cut.imx", data + b"more", TruncatedImx)
    refused(tmp_path / "cut.imx", b"", TruncatedImx)


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_random_cuts_are_noticed(avatar: Path, tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    data = avatar.read_bytes()
    refused(tmp_path_factory.getbasetemp() / "cut.imx", data[: int(share * len(data))])


@settings(max_examples=300, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), late=st.booleans())
def test_flipped_bit_is_refused_or_harmless(
    avatar: Path, tmp_path_factory: pytest.TempPathFactory, where: float, bit: int, late: bool
) -> None:
    """Some bits of a zip, such as its dates, mean nothing here. What is read must be right, or not be read."""
    data = bytearray(avatar.read_bytes())
    with zipfile.ZipFile(avatar) as archive:
        start = archive.start_dir if late else 0
    data[start + int(where * (len(data) - start))] ^= 1 << bit
    path = tmp_path_factory.getbasetemp() / "flipped.imx"
    path.write_bytes(data)
    try:
        opened = open_imx(path)
        opened.verify()
    except ImxError:
        return
    assert_same(opened.portrait(), any_portrait())


def test_exchanged_member_is_noticed(avatar: Path, tmp_path: Path) -> None:
    def exchange(members: dict[str, bytes]) -> None:
        members["poster.jpg"] = members["poster.jpg"][::-1]

    refused(tmp_path / "x.imx", rewritten(avatar, exchange), CorruptImx)


@pytest.mark.parametrize("name", ["picture.png", "matte.png", "plate.jpg", "landmarks.npy", "manifest.json"])
def test_missing_member_is_noticed(avatar: Path, tmp_path: Path, name: str) -> None:
    refused(tmp_path / "x.imx", rewritten(avatar, lambda members: members.pop(name) and None), CorruptImx)


@pytest.mark.parametrize("head", [b"IMX\x00\x02\x00\x00\x00", b"BIMX\x01"])
def test_foreign_files_are_named(tmp_path: Path, head: bytes) -> None:
    error = refused(tmp_path / "foreign.imx", head + bytes(4096), ForeignImx)
    assert "bitHuman" in error.message
    assert error.code == "foreign"


def test_foreign_archive_is_named(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("manifest.json"), io.BytesIO())
    assert "bitHuman" in refused(tmp_path / "foreign.imx", buffer.getvalue(), ForeignImx).message


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\n" + bytes(99), b"hello", bytes(100), b"PK\x03\x04" + b"\x01" * 500]
)
def test_other_files_are_not_ours(tmp_path: Path, data: bytes) -> None:
    refused(tmp_path / "other.imx", data, NotImx)


def test_any_other_zip_is_not_ours(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("manifest.json", "{}")
    refused(tmp_path / "x.imx", (tmp_path / "other.zip").read_bytes(), NotImx)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=400))
def test_no_bytes_crash_the_reader(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    refused(tmp_path_factory.getbasetemp() / "any.imx", data)


def test_later_version_asks_for_an_update(avatar: Path, tmp_path: Path) -> None:
    data = rewritten(avatar, lambda members: manifest_changed(members, version=3))
    assert "Update Parlo" in refused(tmp_path / "x.imx", data, TooNewImx).message


@pytest.mark.parametrize(
    "values",
    [
        {"width": 63},
        {"width": "64"},
        {"height": 10**9},
        {"version": 0},
        {"version": True},
        {"version": None},
        {"version": 2},
        {"kind": "ghost"},
        {"blink_limit": float("inf")},
        {"blink_limit": 2},
        {"members": []},
        {"members": {"picture.png": {"size": -1, "sha256": "0" * 64}}},
        {"created": "yesterday"},
        {"recipe": None},
        {"licence": 5},
    ],
)
def test_damaged_manifest_is_refused(avatar: Path, tmp_path: Path, values: dict[str, Any]) -> None:
    refused(tmp_path / "x.imx", rewritten(avatar, lambda members: manifest_changed(members, **values)), CorruptImx)


def test_deeply_nested_manifest_is_refused(avatar: Path, tmp_path: Path) -> None:
    data = rewritten(avatar, lambda members: members.update({"manifest.json": b"[" * 100_000}))
    refused(tmp_path / "x.imx", data, CorruptImx)


def test_bomb_is_not_unpacked(avatar: Path, tmp_path: Path) -> None:
    data = rewritten(avatar, lambda members: members.update({"picture.png": bytes(30 * 1024**2)}))
    assert len(data) < 300_000
    assert refused(tmp_path / "x.imx", data, OversizedImx).code == "bomb"


def test_bomb_that_lies_about_its_size_is_stopped(avatar: Path, tmp_path: Path) -> None:
    """The table of contents says 100 kB; the stream behind it would go on for 30 MB."""
    data = bytearray(rewritten(avatar, lambda members: members.update({"picture.png": bytes(30 * 1024**2)})))
    size = struct.pack("<L", 30 * 1024**2)
    while (at := data.find(size)) >= 0:
        data[at : at + 4] = struct.pack("<L", 100_000)
    refused(tmp_path / "x.imx", bytes(data))


def test_too_many_members_are_refused(avatar: Path, tmp_path: Path) -> None:
    data = rewritten(avatar, lambda members: members.update({f"m{index}": b"" for index in range(40)}))
    refused(tmp_path / "x.imx", data, OversizedImx)


@pytest.mark.parametrize("name", ["../up.png", "/etc/passwd", "a/b.png", "..", "C:x.png", "a\\b.png", "Ä.png"])
def test_unsafe_names_are_refused(avatar: Path, tmp_path: Path, name: str) -> None:
    refused(tmp_path / "x.imx", rewritten(avatar, lambda members: members.update({name: b"x"})), UnsafeImx)


def test_links_are_refused(avatar: Path, tmp_path: Path) -> None:
    data = rewritten(avatar, lambda members: None, name="poster.jpg", external_attr=(stat.S_IFLNK | 0o777) << 16)
    refused(tmp_path / "x.imx", data, UnsafeImx)


def resigned(members: dict[str, bytes], name: str, data: bytes) -> None:
    """Exchange a member and its hash in the manifest, as someone with intent would."""
    manifest = json.loads(members["manifest.json"])
    manifest["members"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    members |= {name: data, "manifest.json": json.dumps(manifest).encode()}


def test_picture_larger_than_declared_is_not_decoded(avatar: Path, tmp_path: Path) -> None:
    large = cv2.imencode(".png", np.zeros((5000, 5000), np.uint8))[1].tobytes()
    refused(tmp_path / "x.imx", rewritten(avatar, lambda members: resigned(members, "matte.png", large)), CorruptImx)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((478, 3), np.float64),
        np.zeros((477, 3), np.float32),
        np.full((478, 3), 1e9, np.float32),
        np.full((478, 3), np.nan, np.float32),
        np.array([{"pickled": 1}], object),
    ],
)
def test_landmarks_of_another_sort_are_refused(avatar: Path, tmp_path: Path, array: Any) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    data = rewritten(avatar, lambda members: resigned(members, "landmarks.npy", buffer.getvalue()))
    refused(tmp_path / "x.imx", data, CorruptImx)


@pytest.fixture
def moving_avatar(tmp_path: Path) -> Path:
    still = any_portrait()
    footage = any_footage(still.width, still.height, coloured=True)
    portrait = replace(still, footage=footage, teeth=any_teeth(still.width, still.height))
    write_imx(tmp_path / "moving.imx", portrait, manifest_of(portrait), poster=POSTER)
    return tmp_path / "moving.imx"


def array_bytes(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("footage.h264", b"no pictures"),
        ("footage.h264", b""),
        ("poses.npy", array_bytes(np.zeros((6, 2, 3), np.float32))),
        ("poses.npy", array_bytes(np.full((6, 2, 3), np.nan, np.float32))),
        ("poses.npy", array_bytes(np.zeros((7, 2, 3), np.float32))),
        ("mouth.onnx", b"x" * 400_001),
        ("teeth.png", cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1].tobytes()),
    ],
)
def test_damaged_footage_is_refused(moving_avatar: Path, tmp_path: Path, name: str, data: bytes) -> None:
    refused(tmp_path / "x.imx", rewritten(moving_avatar, lambda members: resigned(members, name, data)), CorruptImx)


@pytest.mark.parametrize("name", ["footage.h264", "poses.npy", "mouth.onnx"])
def test_missing_footage_is_noticed(moving_avatar: Path, tmp_path: Path, name: str) -> None:
    refused(tmp_path / "x.imx", rewritten(moving_avatar, lambda members: members.pop(name) and None), CorruptImx)


def test_footage_of_another_size_is_noticed(moving_avatar: Path, tmp_path: Path) -> None:
    other = b"".join(any_footage(128, 128).packets)
    data = rewritten(moving_avatar, lambda members: resigned(members, "footage.h264", other))
    refused(tmp_path / "x.imx", data, CorruptImx)


@pytest.mark.parametrize(
    "moving",
    [
        None,
        {},
        {"frames": 6},
        {"frames": 1, "blur_px": 0},
        {"frames": 10**6, "blur_px": 0},
        {"frames": 6, "blur_px": -1},
        {"frames": 6, "blur_px": 0, "inside": [1, 2]},
        {"frames": 6, "blur_px": 0, "inside": [1, 0, 0, 1e9], "gain": 1},
        {"frames": 6, "blur_px": 0},
        {"frames": 6, "blur_px": 0, "gain": 0.5},
        {"frames": 6, "blur_px": 0, "gain": float("nan")},
    ],
)
def test_damaged_facts_about_footage_are_refused(moving_avatar: Path, tmp_path: Path, moving: Any) -> None:
    data = rewritten(moving_avatar, lambda members: manifest_changed(members, moving=moving))
    refused(tmp_path / "x.imx", data, CorruptImx)


@pytest.fixture
def waving_avatar(tmp_path: Path) -> Path:
    still = any_portrait(3, 96, 96)
    wave = recorded("wave", moving(20), 4, hands=True)
    portrait = replace(still, footage=moving(4), recorded=(wave,))
    write_imx(tmp_path / "waving.imx", portrait, manifest_of(portrait), poster=POSTER)
    return tmp_path / "waving.imx"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("gesture_1.h264", b"no pictures"),
        ("gesture_1.h264", b"".join(moving(25).packets)),
        ("gestures.npy", array_bytes(np.zeros((20, 7), np.float32))),
        ("gestures.npy", array_bytes(np.full((20, 7), np.nan, np.float32))),
        ("gestures.npy", array_bytes(np.zeros((21, 7), np.float32))),
        ("joins.npy", array_bytes(np.zeros((1, 2, 5), np.float32))),
        ("joins.npy", array_bytes(np.full((1, 2, 4), np.inf, np.float32))),
        ("free.png", cv2.imencode(".png", np.zeros((12, 12), np.uint8))[1].tobytes()),
        ("free.png", b"no picture"),
    ],
)
def test_damaged_gestures_are_refused(waving_avatar: Path, tmp_path: Path, name: str, data: bytes) -> None:
    refused(tmp_path / "x.imx", rewritten(waving_avatar, lambda members: resigned(members, name, data)), CorruptImx)


@pytest.mark.parametrize(
    "gestures",
    [
        {},
        [{"name": "wave", "label": "Wave"}],
        [{"name": "../wave", "label": "Wave", "frames": 20}],
        [{"name": "wave", "label": "x" * 61, "frames": 20}],
        [{"name": "wave", "label": "Wave", "frames": 10**6}],
        [{"name": "wave", "label": "Wave", "frames": 20}] * 2,
        [{"name": letter, "label": letter, "frames": 20} for letter in "abcdefghi"],
        [{"name": letter, "label": letter, "frames": 20} for letter in "ab"],
    ],
)
def test_gestures_of_another_sort_are_refused(waving_avatar: Path, tmp_path: Path, gestures: Any) -> None:
    def change(members: dict[str, bytes]) -> None:
        manifest = json.loads(members["manifest.json"])
        manifest["gestures"] = gestures
        members["manifest.json"] = json.dumps(manifest).encode()

    refused(tmp_path / "x.imx", rewritten(waving_avatar, change), CorruptImx)


def test_a_missing_gesture_is_noticed(waving_avatar: Path, tmp_path: Path) -> None:
    data = rewritten(waving_avatar, lambda members: members.pop("gesture_1.h264") and None)
    refused(tmp_path / "x.imx", data, CorruptImx)
