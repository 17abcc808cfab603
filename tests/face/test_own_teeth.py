"""The person's own teeth: which are taken of those that a picture shows, and what of it is not tooth."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avatars.engine.face import FaceRenderer, Rig
from avatars.engine.face.frame import FaceFrame
from avatars.engine.face.kernel import KernelRenderer, available
from avatars.engine.face.mouthline import COLUMNS, MouthLine
from avatars.engine.face.own_teeth import LIGHT, OwnTeeth, find_teeth
from avatars.engine.face.palette import LUMA_BGR, Palette
from avatars.engine.face.rig import TEETH_END_IOD
from avatars.engine.face.weights import RELAX, WEIGHT_COUNT
from tests.face.test_renderer import AA, MM
from tests.portraits import ASTRONAUT, MONA_LISA, rig_of

SIDE, IOD_PX, HALF_WIDTH = 240, 100, 0.40
SKIN, LIP, TOOTH, DARK = (150, 170, 210), (110, 110, 180), (200, 212, 220), (22, 20, 40)
UPPER_LIP, LOWER_LIP = -0.10, 0.14
EDGE = 0.04


def colour(bgr: tuple[int, int, int]) -> NDArray[np.float32]:
    return np.array(bgr, np.float32)


PALETTE = Palette(
    colour(SKIN), colour(LIP), colour(TOOTH), *(colour(DARK) for _ in range(2)), *(colour(LIP) for _ in range(2))
)
FRAME = FaceFrame(
    np.array([SIDE / 2, SIDE / 2], np.float32),
    np.array([1, 0], np.float32),
    np.array([0, 1], np.float32),
    IOD_PX,
    np.array([SIDE / 2, 0], np.float32),
)


def at(x: float, y: float) -> tuple[int, int]:
    """The pixel of a place of the face."""
    return round(SIDE / 2 + x * IOD_PX), round(SIDE / 2 + y * IOD_PX)


def mouth() -> MouthLine:
    xs = np.linspace(-HALF_WIDTH, HALF_WIDTH, COLUMNS, dtype=np.float32)
    level = np.ones_like(xs)
    lines = (UPPER_LIP * level, LOWER_LIP * level, (UPPER_LIP - 0.1) * level, (LOWER_LIP + 0.1) * level)
    return MouthLine(xs, *lines, HALF_WIDTH, 0.1, 0.1, LOWER_LIP - UPPER_LIP)


def smile(upper: tuple[int, int, int], lower: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Lips apart over two rows of teeth, which close on each other but for a line of one and a half pixels."""
    picture = np.full((SIDE, SIDE, 3), SKIN, np.uint8)
    cv2.rectangle(picture, at(-0.5, -0.2), at(0.5, 0.25), LIP, -1)
    cv2.rectangle(picture, at(-HALF_WIDTH, UPPER_LIP), at(HALF_WIDTH, LOWER_LIP), DARK, -1)
    cv2.rectangle(picture, at(-0.34, UPPER_LIP), at(0.34, EDGE), upper, -1)
    cv2.rectangle(picture, at(-0.30, EDGE + 0.02), at(0.30, LOWER_LIP), lower, -1)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.7), np.uint8)


def cover(teeth: OwnTeeth, x: float, y: float) -> float:
    return float(teeth.at(np.array([[[x, y]]], np.float32))[0, 0, 3]) / 255


def test_lower_teeth_behind_a_fine_line_are_not_taken() -> None:
    teeth = find_teeth(smile(TOOTH, TOOTH), FRAME, mouth(), PALETTE)
    assert teeth is not None
    assert teeth.edge_y == pytest.approx(EDGE, abs=0.012)
    for x in (-0.25, -0.1, 0, 0.1, 0.25):
        assert cover(teeth, x, EDGE - 0.03) > 0.95
        assert cover(teeth, x, EDGE + 0.03) < 0.05


def test_teeth_fade_before_the_corners() -> None:
    teeth = find_teeth(smile(TOOTH, DARK), FRAME, mouth(), PALETTE)
    assert teeth is not None
    assert cover(teeth, 0.39, 0) < 0.05


def test_dark_between_the_ends_of_teeth_is_filled() -> None:
    """Under each contact of two teeth there is a small dark triangle; the edge stays even over them all."""
    picture = smile(TOOTH, DARK)
    for x in (-0.2, -0.1, 0.0, 0.1, 0.2):
        corners = [at(x - 0.02, EDGE), at(x + 0.02, EDGE), at(x, EDGE - 0.04)]
        cv2.fillPoly(picture, [np.array(corners, np.int32)], DARK)
    teeth = find_teeth(picture, FRAME, mouth(), PALETTE)
    assert teeth is not None
    row = np.stack(np.meshgrid(np.linspace(-0.25, 0.25, 101), [EDGE - 0.03]), axis=-1).astype(np.float32)
    seen = teeth.at(row)[0].astype(np.float32)
    assert (seen[:, :3] @ LUMA_BGR).min() > 0.75 * (colour(TOOTH) @ LUMA_BGR)
    assert seen[:, 3].min() > 0.9 * 255


def test_a_tongue_between_dark_upper_and_bright_lower_teeth_is_no_row() -> None:
    picture = smile((60, 66, 80), TOOTH)
    cv2.rectangle(picture, at(-0.34, UPPER_LIP + 0.06), at(0.34, EDGE + 0.02), (50, 50, 110), -1)
    assert find_teeth(picture, FRAME, mouth(), PALETTE) is None


@pytest.mark.parametrize("luma", [0.75, 1.25])
def test_teeth_are_brought_towards_a_likely_light(luma: float) -> None:
    shown = tuple(min(255, round(value * luma)) for value in TOOTH)
    teeth = find_teeth(smile((shown[0], shown[1], shown[2]), DARK), FRAME, mouth(), PALETTE)
    assert teeth is not None
    middle = teeth.colours[np.abs(np.arange(len(teeth.colours)) - len(teeth.colours) // 2) < 3]
    drawn = float(np.median(middle @ LUMA_BGR)) / float(colour(TOOTH) @ LUMA_BGR)
    assert LIGHT[0] - 0.05 < drawn < LIGHT[1] + 0.05


def test_relaxed_lips_hang_over_teeth_as_they_do_at_rest() -> None:
    """Also where a smile of the source showed all of them."""
    rig = rig_of(ASTRONAUT)
    assert rig.own_teeth is not None
    relaxed = np.zeros(WEIGHT_COUNT, np.float32)
    relaxed[RELAX] = 1
    upper = rig.fields.contours(relaxed)[0]
    rows, columns = np.nonzero(rig.own_teeth > 0.5)
    local = rig.frame.to_face(np.stack([columns, rows], axis=-1).astype(np.float32))
    end = float(np.percentile(local[np.abs(local[:, 0]) < 0.08, 1], 99)) - rig.teeth_rise
    low, high = TEETH_END_IOD
    assert low - 0.02 < end - float(upper[len(upper) // 2, 1]) < high + 0.02


def grey_rig(source: Path) -> Rig:
    """The rig of a picture without its colours."""
    portrait = rig_of(source).portrait
    picture, plate = (
        np.asarray(cv2.cvtColor(cv2.cvtColor(part, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)
        for part in (portrait.picture, portrait.plate)
    )
    return Rig.from_portrait(replace(portrait, picture=picture, plate=plate))


@pytest.mark.parametrize(
    "kind", [FaceRenderer, pytest.param(KernelRenderer, marks=pytest.mark.skipif(not available(), reason="no kernel"))]
)
def test_no_frame_of_a_grey_picture_has_colour(kind: type[FaceRenderer] | type[KernelRenderer]) -> None:
    """Neither has the line between closed lips nor the shade of skin, which are reddish elsewhere."""
    for source in (ASTRONAUT, MONA_LISA):
        renderer = kind(grey_rig(source))
        for frame in (AA, MM):
            assert (renderer.render(frame)[renderer.height :] == 128).all()


@pytest.mark.parametrize("source", [ASTRONAUT, MONA_LISA])
def test_a_grey_picture_is_grey_behind_its_lips(source: Path) -> None:
    palette = grey_rig(source).palette
    for part in (palette.tooth, palette.cavity, palette.tongue, palette.upper_inside, palette.lower_inside):
        assert np.ptp(part) <= 0.02 * part.max()


def test_blue_light_makes_blue_teeth() -> None:
    """And an ordinary face teeth that are a little yellow."""
    portrait = rig_of(MONA_LISA).portrait
    assert rig_of(MONA_LISA).palette.tooth.argmax() == 2
    cold = np.clip(portrait.picture * np.array([2.2, 1.0, 0.35]), 0, 255).astype(np.uint8)
    assert Rig.from_portrait(replace(portrait, picture=cold)).palette.tooth.argmax() == 0
