"""Glasses: found by the line they draw across the bridge of the nose, and not bent by what happens behind them."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from avatars.engine.controls import Control, rest
from avatars.engine.face import Rig
from avatars.engine.face.glasses import glasses
from avatars.engine.face.head import BROWS
from tests.portraits import ASTRONAUT, MONA_LISA, rig_of


@pytest.fixture(scope="module")
def wearing() -> Rig:
    """The astronaut behind thick round frames."""
    rig = rig_of(ASTRONAUT)
    picture = rig.portrait.picture.copy()
    thick = round(0.05 * rig.frame.iod_px)
    middles = [eye.centre for eye in rig.eyes]
    for x, y in middles:
        cv2.circle(picture, (round(float(x)), round(float(y))), round(0.36 * rig.frame.iod_px), (30, 25, 20), thick)
    ends = [(round(float(x + way)), round(float(y))) for (x, y), way in zip(middles, (30, -30), strict=True)]
    cv2.line(picture, *ends, (30, 25, 20), thick)
    return Rig.from_portrait(replace(rig.portrait, picture=picture))


@pytest.mark.parametrize("source", [ASTRONAUT, MONA_LISA], ids=["astronaut", "monalisa"])
def test_a_bare_face_wears_none(source: Path) -> None:
    portrait = rig_of(source).portrait
    assert glasses(portrait.picture, portrait.landmarks, rig_of(source).frame) == 0


def test_frames_are_found(wearing: Rig) -> None:
    portrait = wearing.portrait
    assert glasses(portrait.picture, portrait.landmarks, wearing.frame) > 0.9


@pytest.mark.parametrize("control", [Control.BROW, Control.FROWN])
def test_brows_move_without_the_frames_below_them(wearing: Rig, control: Control) -> None:
    controls = rest()
    controls[control] = 0.04 if control is Control.BROW else 1.0
    moved = []
    for rig in (rig_of(ASTRONAUT), wearing):
        lengths = np.linalg.norm(rig.head.displacement(controls), axis=-1) / rig.frame.iod_px
        place = rig.frame.to_face(rig.nodes)
        brow = rig.frame.to_face(rig.portrait.landmarks[list(BROWS[0]), :2]).mean(axis=0)
        beside = np.abs(place[..., 0] - brow[0]) < 0.2
        below = beside & (place[..., 1] > brow[1] + 0.08) & (place[..., 1] < brow[1] + 0.2)
        above = beside & (place[..., 1] > brow[1] - 0.12) & (place[..., 1] < brow[1])
        moved.append((float(lengths[below].max()), float(lengths[above].max())))
    (bare_below, bare_above), (below, above) = moved
    assert below < 0.2 * bare_below
    assert above > 0.8 * bare_above
