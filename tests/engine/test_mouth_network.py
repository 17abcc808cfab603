"""The network in an avatar's file: run where it is one, refused in words where it is not."""

from dataclasses import replace

import numpy as np
import pytest

from avatars.engine.face import Rig, renderer_of
from avatars.engine.face.i420 import bgr_of
from avatars.engine.face.mouthbox import CHANGED, CHANNELS, CONTROL_COUNT, HALF
from avatars.engine.footage import OwnMouth
from avatars.engine.mouth_network import MouthNetwork, MouthNetworkDamaged, painting_renderer
from avatars.engine.weights import Weight, weight_path
from tests.face.test_footage import SPEAKING
from tests.face.test_painter import rig
from tests.material import GREY_MOUTH
from tests.portraits import MONA_LISA, rig_of

__all__ = ["rig"]


def with_mouth(rig: Rig, network: bytes) -> Rig:
    footage = rig.portrait.footage
    assert footage is not None
    return Rig.from_portrait(replace(rig.portrait, footage=replace(footage, mouth=OwnMouth(network, 1.0))))


def test_a_network_answers_what_it_was_made_to() -> None:
    network = MouthNetwork(GREY_MOUTH.read_bytes())
    drawn = np.random.default_rng(1).random((CHANNELS, HALF, HALF)).astype(np.float32)
    controls = np.zeros(CONTROL_COUNT, np.float32)
    controls[-1] = 0.5
    assert np.allclose(network(drawn, controls), (0.5 - drawn[:CHANGED]) * 0.5, atol=1e-6)


@pytest.mark.parametrize("network", [b"", b"no network", weight_path(Weight.FACE_DETECTOR).read_bytes()])
def test_what_is_no_such_network_is_refused_in_words(network: bytes) -> None:
    with pytest.raises(MouthNetworkDamaged, match="Build it again"):
        MouthNetwork(network)


def test_an_avatar_that_knows_its_mouth_is_painted(rig: Rig) -> None:
    plain, painted = renderer_of(rig), painting_renderer(with_mouth(rig, GREY_MOUTH.read_bytes()))
    before, after = (bgr_of(one.render(SPEAKING)).astype(float) for one in (plain, painted))
    x, y = rig.frame.origin.astype(int)
    mouth = slice(y - 10, y + 20), slice(x - 20, x + 20)
    spread = [np.ptp(picture[mouth], axis=2).mean() for picture in (before, after)]
    assert spread[1] < 0.5 * spread[0]


def test_one_that_does_not_is_drawn_as_it_is(rig: Rig) -> None:
    assert np.array_equal(painting_renderer(rig).render(SPEAKING), renderer_of(rig).render(SPEAKING))
    still = rig_of(MONA_LISA)
    assert np.array_equal(painting_renderer(still).render(SPEAKING), renderer_of(still).render(SPEAKING))
