"""The weights that ship with Parlo, each known by its SHA-256.

A file is hashed the first time a process asks for it; a damaged or exchanged file is refused, never loaded.
Sources and licences stand in NOTICE beside the files.
"""

import hashlib
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parent


class Weight(StrEnum):
    """A weight file of the engine; the value is its file name."""

    FACE_DETECTOR = "face_detection_yunet.onnx"
    FACE_LANDMARKS = "face_landmarks_detector.onnx"
    FACE_BLENDSHAPES = "face_blendshapes.onnx"
    FACE_IDENTITY = "face_identity_sface.onnx"
    FACE_MESH = "canonical_face_mesh.npz"
    PERSON_MATTE = "selfie_segmentation.onnx"
    AUDIO_DRIVER = "audio_driver.onnx"


SHA256: Final[dict[str, str]] = {
    Weight.FACE_DETECTOR: "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    Weight.FACE_LANDMARKS: "c3c60fe1e6dbef38d45e7898ca04de0393fa76eaeb5ef2d5ed85b8655acf04c6",
    Weight.FACE_BLENDSHAPES: "2a1322aa12c322940726d346c9a2b17eea3d2e1a15ac6db1627bc423ec30d21c",
    Weight.FACE_IDENTITY: "487a139eb85ccd5ff30aef7d0add7f12d2bb7abb90c5f08a7f481b452a660e00",
    Weight.FACE_MESH: "a116ff2c14771154a2814f290d3952c33175cc21bdee15aea4f396a67b0ed4ba",
    Weight.AUDIO_DRIVER: "d67518b1dc14dbee775352336064c52c63aff5a9401a66b52cd2eb8a52219fe5",
    Weight.PERSON_MATTE: "a20b55589b9b0148609e4b9cc473a209677a9a80b671518e22b7689bd027173f",
}


class WeightError(RuntimeError):
    """A weight file is missing or is not the one that was tested; the text names it and the remedy."""


def verified(path: Path, sha256: str) -> Path:
    """Return `path` once its content has the expected SHA-256.

    Raises `WeightError` where the file is missing or differs.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightError(f"The weight file {path.name} cannot be read. Restore it from the repository.") from error
    if found != sha256:
        raise WeightError(f"The weight file {path.name} is damaged or was exchanged. Restore it from the repository.")
    return path


@cache
def weight_path(weight: Weight) -> Path:
    """Return the verified path of a weight; hashed once per process. Raises `WeightError`."""
    return verified(FOLDER / weight, SHA256[weight])
