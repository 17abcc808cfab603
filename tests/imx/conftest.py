"""A small avatar made of nothing but numbers."""

from pathlib import Path

import numpy as np
import pytest

from avatars.engine.portrait import Kind, Portrait
from avatars.imx import Manifest, SourceKind, write_imx

POSTER = b"\xff\xd8\xff poster"
PREVIEW = b"\x00\x00\x00\x18ftyp preview"


def any_portrait(seed: int = 1, width: int = 64, height: int = 96, kind: Kind = Kind.PHOTO) -> Portrait:
    """Draw a portrait of noise; only its shape is that of a face."""
    noise = np.random.default_rng(seed)
    return Portrait(
        picture=noise.integers(0, 256, (height, width, 3), np.uint8),
        landmarks=(noise.uniform(0, 1, (478, 3)) * (width, height, width)).astype(np.float32),
        matte=noise.integers(0, 256, (height, width), np.uint8),
        plate=np.full((height, width, 3), 90, np.uint8),
        kind=kind,
    )


def manifest_of(portrait: Portrait) -> Manifest:
    """Describe a portrait."""
    return Manifest(
        width=portrait.width,
        height=portrait.height,
        kind=portrait.kind,
        source_kind=SourceKind.PHOTO,
        blink_limit=portrait.blink_limit,
        licence="CC0",
        consent="mine",
        recipe={"frame": [0, 0, 64, 96]},
    )


@pytest.fixture(scope="session")
def avatar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write one avatar file, for tests that only read it."""
    path = tmp_path_factory.mktemp("imx") / "avatar.imx"
    portrait = any_portrait()
    write_imx(path, portrait, manifest_of(portrait), poster=POSTER, preview=PREVIEW)
    return path
