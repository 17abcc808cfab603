"""Whisper base, put together from its two packages."""

import hashlib
import sys
from pathlib import Path

import pytest

from realtime.agent.protocols import ProviderError
from realtime.agent.providers.whisper_base import BESIDE, joined

PARTS = (b"first half, ", b"second half")
SHA256 = hashlib.sha256(b"".join(PARTS)).hexdigest()
NAMES = ("half_of_ears_1", "half_of_ears_2")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    for number, (name, part) in enumerate(zip(NAMES, PARTS, strict=True), 1):
        data = tmp_path / "site" / name / "data"
        data.mkdir(parents=True)
        (data.parent / "__init__.py").touch()
        (data / f"model.bin.part{number}").write_bytes(part)
        for beside in BESIDE if number == 1 else ():
            (data / beside).write_text(beside)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    return NAMES


def test_two_halves_make_a_model(packages: tuple[str, ...], tmp_path: Path) -> None:
    folder = joined(tmp_path / "models", packages, SHA256)
    assert (folder / "model.bin").read_bytes() == b"first half, second half"
    assert {path.name for path in folder.iterdir()} == {"model.bin", *BESIDE}
    (folder / "mark").touch()
    assert (joined(tmp_path / "models", packages, SHA256) / "mark").exists(), "made once"


def test_other_weights_are_refused(packages: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="do not hold the model"):
        joined(tmp_path / "models", packages, "0" * 64)
    assert not list((tmp_path / "models").iterdir())


def test_a_missing_package_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="make whisper-base"):
        joined(tmp_path, ("nothing_of_that_name_1", "nothing_of_that_name_2"))
