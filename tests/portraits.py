"""Portraits and rigs of the test pictures, each made once a run."""

import functools
from pathlib import Path

from avatars.build import picture_portrait
from avatars.engine.face import Rig
from avatars.engine.portrait import Portrait
from tests.material import ASTRONAUT, MONA_LISA

__all__ = ["ASTRONAUT", "MONA_LISA", "portrait_of", "rig_of"]


@functools.cache
def portrait_of(path: Path) -> Portrait:
    return picture_portrait(path)


@functools.cache
def rig_of(path: Path) -> Rig:
    return Rig.from_portrait(portrait_of(path))
