"""A painted mouth: what a network is shown, and where what it changes is put."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avatars.engine.controls import rest
from avatars.engine.face import Renderer, Rig
from avatars.engine.face.footage import FootageRenderer
from avatars.engine.face.i420 import bgr_of, i420_of
from avatars.engine.face.kernel import KernelFootageRenderer, available
from avatars.engine.face.mouthbox import CHANGED, CHANNELS, CONTROL_COUNT, HALF, MouthBox
from avatars.engine.face.painter import NetworkPainter
from avatars.engine.face.weights import WEIGHT_COUNT, shape_weights
from avatars.engine.footage import Footage, encode
from avatars.engine.portrait import Kind
from tests.face.test_footage import FRAMES, SEALED, SPEAKING, poses
from tests.portraits import MONA_LISA, portrait_of

Array = NDArray[np.float32]


@pytest.fixture(scope="module")
def rig() -> Rig:
    picture = portrait_of(MONA_LISA).picture
    moving = [cv2.warpAffine(picture, pose, (512, 512), borderMode=cv2.BORDER_REFLECT) for pose in poses()]
    footage = Footage(tuple(encode((i420_of(one) for one in moving), 512, 512)), poses())
    return Rig.from_portrait(replace(portrait_of(MONA_LISA), footage=footage))


class Spy:
    """A network that remembers what it saw and always answers the same."""

    def __init__(self, change: float = 0.0) -> None:
        self.seen: list[Array] = []
        self.controls: list[Array] = []
        self._change = np.full((CHANGED, HALF, HALF), change, np.float32)

    def __call__(self, seen: Array, controls: Array) -> Array:
        self.seen.append(seen)
        self.controls.append(controls)
        return self._change


RENDERERS: tuple[Callable[..., Renderer], ...] = (FootageRenderer, KernelFootageRenderer)


def renderers() -> list[Callable[..., Renderer]]:
    return [kind for kind in RENDERERS if kind is FootageRenderer or available()]


@pytest.mark.parametrize("renderer", renderers())
def test_a_network_that_changes_nothing_leaves_the_drawn_mouth(rig: Rig, renderer: Callable[..., Renderer]) -> None:
    plain, painted = renderer(rig), renderer(rig, NetworkPainter(rig, Spy(), 1.0))
    for _ in range(FRAMES):
        assert np.array_equal(plain.render(SPEAKING), painted.render(SPEAKING))


@pytest.mark.parametrize("renderer", renderers())
def test_a_silent_face_is_not_shown_to_the_network(rig: Rig, renderer: Callable[..., Renderer]) -> None:
    spy = Spy(0.2)
    silent = renderer(rig, NetworkPainter(rig, spy, 1.2))
    assert np.array_equal(silent.render(rest()), renderer(rig).render(rest()))
    assert not spy.seen


@pytest.mark.parametrize("renderer", renderers())
def test_only_the_lips_are_painted_wherever_the_face_is(rig: Rig, renderer: Callable[..., Renderer]) -> None:
    plain, painted = renderer(rig), renderer(rig, NetworkPainter(rig, Spy(0.1), 1.0))
    assert rig.portrait.footage is not None
    for pose in rig.portrait.footage.poses:
        before, after = (bgr_of(one.render(SPEAKING)).astype(np.int16) for one in (plain, painted))
        changed = np.abs(after - before).max(axis=2) > 2
        ys, xs = np.nonzero(changed)
        x, y = pose @ [*rig.frame.origin, 1]
        away = np.stack([xs - x, ys - y], axis=-1) / rig.frame.iod_px
        assert changed[int(y), int(x)]
        assert (np.abs(away[:, 0]) < 0.75).all()
        assert (away[:, 1] > -0.45).all()
        assert (away[:, 1] < 0.85).all()


def test_what_is_cut_out_and_changed_is_put_back_where_it_was(rig: Rig) -> None:
    """A picture repainted with one colour has that colour, also when it is looked at again."""
    box, weights = MouthBox(rig), shape_weights(SPEAKING, Kind.PHOTO, rig.mouth)
    within, painted = box.masks(weights)
    for pose in poses()[::4]:
        flags = cv2.BORDER_REFLECT
        picture = i420_of(cv2.warpAffine(rig.portrait.picture, pose, (512, 512), borderMode=flags))
        seen = box.seen(picture, 512, 512, pose, within)
        assert seen.shape == (CHANNELS, HALF, HALF)
        box.add(picture, 512, 512, pose, np.float32(0.5) - seen[:CHANGED], painted)
        again = box.seen(picture, 512, 512, pose, within)[:CHANGED]
        well = cv2.erode(painted, np.ones((5, 5), np.uint8)) > 0.99
        assert well.sum() > 100
        assert np.abs(again[:, well] - 0.5).mean() < 0.02
        assert np.allclose(again[:, painted == 0], seen[:CHANGED, painted == 0], atol=0.01)


def test_sealed_lips_stay_sealed_however_wide_they_open_otherwise(rig: Rig) -> None:
    painter = NetworkPainter(rig, Spy(), 1.25)
    sealed, speaking = (shape_weights(one, Kind.PHOTO, rig.mouth) for one in (SEALED, SPEAKING))
    gaps = []
    for weights in (sealed, painter.opened(sealed), speaking, painter.opened(speaking)):
        upper, lower = rig.fields.contours(weights)
        gaps.append(float((lower - upper)[:, 1].max()))
    assert gaps[1] <= gaps[0] + 0.002
    assert 1.1 < gaps[3] / gaps[2] < 1.35


def test_both_renderers_tell_the_network_the_same(rig: Rig) -> None:
    if not available():
        pytest.skip("the face kernel has not been compiled")
    spies = [Spy(), Spy()]
    for renderer, spy in zip(RENDERERS, spies, strict=True):
        drawing = renderer(rig, NetworkPainter(rig, spy, 1.1))
        for frame in (SPEAKING, SEALED, SPEAKING):
            drawing.render(frame)
    assert len(spies[0].seen) == len(spies[1].seen) == 3
    for index in range(3):
        assert spies[0].controls[index].shape == (CONTROL_COUNT,)
        assert np.allclose(spies[0].controls[index], spies[1].controls[index])
        assert np.abs(spies[0].seen[index] - spies[1].seen[index]).mean() < 0.01


def test_lips_that_hardly_move_are_hardly_painted(rig: Rig) -> None:
    box = MouthBox(rig)
    amounts = []
    for jaw in (0.0, 0.03, 0.08, 0.3):
        weights = np.zeros(WEIGHT_COUNT, np.float32)
        weights[0] = jaw
        amounts.append(float(box.masks(weights)[1].max()))
    assert amounts[0] == 0
    assert sorted(amounts) == amounts
    assert amounts[-1] == pytest.approx(1, abs=0.01)
