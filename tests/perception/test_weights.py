"""Weights are the tested ones or none."""

from pathlib import Path

import pytest

from avatars.engine.weights import FOLDER, SHA256, Weight, WeightError, verified, weight_path


def test_every_weight_is_whole_and_noticed() -> None:
    notice = (FOLDER / "NOTICE").read_text()
    for weight in Weight:
        assert weight_path(weight).is_file()
        assert weight in notice


def test_exchanged_weight_is_refused(tmp_path: Path) -> None:
    path = tmp_path / Weight.FACE_MESH
    path.write_bytes((FOLDER / Weight.FACE_MESH).read_bytes() + b"\0")
    with pytest.raises(WeightError, match="damaged or was exchanged"):
        verified(path, SHA256[Weight.FACE_MESH])


def test_missing_weight_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightError, match=r"lost\.onnx"):
        verified(tmp_path / "lost.onnx", "0" * 64)
