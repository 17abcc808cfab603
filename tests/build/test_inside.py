"""The colours inside a mouth are those that its own pictures show."""

from dataclasses import replace

import numpy as np
import pytest

from avatars.build.inside import OpenMouth, _colours, _likeness_db, fitted_weights
from avatars.engine.controls import Control, rest
from avatars.engine.face import Rig
from avatars.engine.face.footage import FootageRenderer
from avatars.engine.face.i420 import bgr_of, i420_of
from avatars.engine.face.weights import shape_weights
from avatars.engine.footage import Footage, encode
from avatars.engine.portrait import Portrait
from tests.portraits import MONA_LISA, portrait_of

TRUE = np.array([0.9, 5, 10, 30], np.float32)


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    still = portrait_of(MONA_LISA)
    packets = tuple(encode(iter([i420_of(still.picture)] * 2), 512, 512))
    pose = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    return replace(still, footage=Footage(packets, np.stack([pose, pose])))


@pytest.fixture(scope="module")
def rig(portrait: Portrait) -> Rig:
    return Rig.from_portrait(portrait)


def speaking(jaw: float, wide: float) -> np.ndarray:
    controls = rest()
    controls[[Control.JAW, Control.UPPER_LIP, Control.LOWER_LIP, Control.WIDE]] = jaw, 0.2, 0.2, wide
    return controls


def filmed(portrait: Portrait, jaw: float, wide: float) -> OpenMouth:
    """A picture of the portrait's mouth, its inside coloured by `TRUE`."""
    assert portrait.footage is not None
    rig = Rig.from_portrait(replace(portrait, footage=replace(portrait.footage, inside=TRUE)))
    controls = speaking(jaw, wide)
    upper, lower = rig.fields.contours(shape_weights(controls, portrait.kind, rig.mouth))
    outline = rig.frame.to_pixels(np.concatenate([upper, lower]))
    picture = bgr_of(FootageRenderer(rig).render(controls))
    return OpenMouth(picture, upper[::4], lower[::4], outline)


@pytest.mark.parametrize(("jaw", "wide"), [(0.3, 0.0), (0.8, 0.2), (0.5, 0.6)])
def test_lips_are_fitted_by_the_shapes_that_moved_them(rig: Rig, jaw: float, wide: float) -> None:
    weights = shape_weights(speaking(jaw, wide), rig.portrait.kind, rig.mouth)
    upper, lower = rig.fields.contours(weights)
    again = rig.fields.contours(fitted_weights(rig, upper, lower))
    for line, other in zip((upper, lower), again, strict=True):
        assert np.abs(line - other).max() < 0.012


def test_the_colours_of_filmed_mouths_are_found_and_help(portrait: Portrait, rig: Rig) -> None:
    mouths = [filmed(portrait, jaw, wide) for jaw in (0.5, 0.7, 0.9) for wide in (0.0, 0.3)]
    colours = _colours(mouths, rig)
    dark, bright = np.full(3, 20.0), np.full(3, 90.0)
    for grey in (dark, bright):
        assert np.abs(grey * colours[0] + colours[1:] - (grey * TRUE[0] + TRUE[1:])).max() < 16
    assert _likeness_db(mouths, portrait, colours) > _likeness_db(mouths, portrait, None) + 2
