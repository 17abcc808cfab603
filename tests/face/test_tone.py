"""In a picture of one tone, grey or sepia, everything that is drawn has that tone."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avatars.build import picture_portrait
from avatars.engine.controls import Control, Controls, rest
from avatars.engine.face import FaceRenderer, Rig
from avatars.engine.face.i420 import bgr_of
from avatars.engine.face.kernel import KernelRenderer, available
from tests.material import ASTRONAUT

TONES = {"grey": (1.0, 1.0, 1.0), "sepia": (0.72, 0.95, 1.12)}
WORDS: tuple[dict[str, float], ...] = (
    {"JAW": 0.9, "UPPER_LIP": 0.23, "LOWER_LIP": 0.25},
    {"JAW": 0.1, "SEAL": 1.0, "PRESS": 0.6},
    {"JAW": 0.3, "ROUND": 0.9},
    {"JAW": 0.2, "WIDE": 0.8, "BLINK_LEFT": 1.0, "BLINK_RIGHT": 1.0},
)


def controls(**values: float) -> Controls:
    made = rest()
    made[Control.RELAX] = 0.85
    for name, value in values.items():
        made[Control[name]] = value
    return made


def toned(path: Path, tone: str) -> Path:
    grey = cv2.imread(str(ASTRONAUT), cv2.IMREAD_GRAYSCALE)
    assert grey is not None
    picture = 0.9 * grey[..., None].astype(np.float32) * np.array(TONES[tone], np.float32)
    cv2.imwrite(str(path), np.clip(picture, 0, 255).astype(np.uint8))
    return path


def departs(picture: NDArray[np.uint8], tone: str) -> float:
    """How far the colours of a BGR picture are from its tone at most, but for a few pixels, in grey levels."""
    colour = np.array(TONES[tone], np.float32)
    luma = picture.astype(np.float32) @ np.array([0.114, 0.587, 0.299], np.float32)
    expected = luma[..., None] * colour / (colour @ np.array([0.114, 0.587, 0.299], np.float32))
    return float(np.percentile(np.abs(picture - expected).max(axis=2), 99.9))


@pytest.mark.parametrize("tone", TONES)
def test_all_that_is_drawn_has_the_tone_of_the_picture(tmp_path: Path, tone: str) -> None:
    rig = Rig.from_portrait(picture_portrait(toned(tmp_path / "toned.png", tone)))
    assert rig.palette.colourful == 0
    renderers = [FaceRenderer, KernelRenderer] if available() else [FaceRenderer]
    for renderer in renderers:
        for word in WORDS:
            drawn = bgr_of(renderer(rig).render(controls(**word)))
            assert departs(drawn, tone) < (3 if tone == "grey" else 12), word


def test_a_picture_in_colours_keeps_a_red_mouth(tmp_path: Path) -> None:
    rig = Rig.from_portrait(picture_portrait(ASTRONAUT))
    assert rig.palette.colourful == 1
    assert rig.palette.cavity[2] > 1.5 * rig.palette.cavity[0]
