"""Learning to paint a mouth: what is learnt from, the trial, and with the training packages the whole way."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from avatars.build.painting.ground import Ground
from avatars.build.painting.lessons import GUARD_FRAMES, Lessons, _in_the_light_of, taught
from avatars.build.painting.trial import Trial, _bgr, _known
from avatars.build.stretch import Stretch
from avatars.build.tracking import Track
from avatars.build.trial import SOUNDS
from avatars.engine.face.mouthbox import CHANGED, CHANNELS, CONTROL_COUNT, HALF, MIDDLE_GAP, MouthBox, box_pixels
from avatars.engine.face.painter import NetworkPainter
from avatars.engine.face.weights import WEIGHT_COUNT, shape_weights
from tests.portraits import MONA_LISA, rig_of

COUNT = 200
GOOD = Trial(80, 20.0, 25.0, 0.9, 0.95, 0.95, 0.85, 0.95, 1.15, 1.0, 0.9)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, None),
        ({"painted_db": 21.5}, "hardly nearer"),
        ({"texture": 0.6}, "too soft"),
        ({"texture": 1.6}, "too harsh"),
        ({"flicker": 1.2}, "flickers"),
        ({"slope": 0.8}, "far enough"),
        ({"closed": 0.9}, "close"),
        ({"known": 0.3}, "smile"),
        ({"painted_db": float("nan")}, "hardly nearer"),
    ],
)
def test_a_network_is_used_only_where_nothing_speaks_against_it(change: dict[str, float], words: str | None) -> None:
    trial = replace(GOOD, **change)
    assert trial.passed is (words is None)
    if words:
        assert len(trial.faults) == 1
        assert words in trial.faults[0]


def lessons_of(count: int, gap: float = 0.1) -> Lessons:
    controls = np.zeros((count, CONTROL_COUNT), np.float32)
    controls[:, MIDDLE_GAP] = gap
    return Lessons(
        np.arange(count),
        np.zeros((count, CHANNELS, HALF, HALF), np.uint8),
        np.zeros((count, HALF, HALF), np.uint8),
        np.zeros((count, CHANGED, HALF, HALF), np.uint8),
        controls,
        np.zeros((count, WEIGHT_COUNT), np.float32),
        np.arange(count) % 7,
    )


def test_what_is_known_of_speech_is_what_was_learnt_from() -> None:
    """Of lips like those of speech all is shown, of others nothing."""
    rig = rig_of(MONA_LISA)
    painter = NetworkPainter(rig, lambda seen, controls: seen[:CHANGED], 1.0)
    weights = [shape_weights(sound(), rig.portrait.kind, rig.mouth) for sound in SOUNDS.values()]
    spoken = np.stack([MouthBox(rig).controls(one * share) for one in weights for share in (0.3, 0.6, 0.9)])
    spread = np.full(CONTROL_COUNT, 0.05, np.float32)
    near, far = (Ground(np.zeros(CONTROL_COUNT, np.float32), spread, (spoken + away) / spread, 2.5) for away in (0, 1))
    assert _known(rig, near, painter) > 0.9
    assert _known(rig, far, painter) == 0


def test_what_is_held_out_is_the_end_and_nothing_near_it_is_learnt() -> None:
    learnt, watched, held_out = lessons_of(500).parts()
    assert learnt.frames[0] == 0
    assert held_out.frames[-1] == 499
    assert watched.frames[0] - learnt.frames[-1] > GUARD_FRAMES
    assert held_out.frames[0] - watched.frames[-1] > GUARD_FRAMES
    assert 85 <= len(held_out) <= 95
    assert len(learnt) > 340


def test_a_mouth_is_put_into_the_light_of_the_picture_it_is_drawn_into() -> None:
    """Light that differs from side to side is taken off; the inside of the mouth keeps what it is."""
    random = np.random.default_rng(1)
    drawn = np.full((CHANGED, HALF, HALF), 0.5, np.float32)
    drawn[:4] += random.normal(0, 0.01, (4, HALF, HALF)).astype(np.float32)
    outline = np.array([(-0.3, 0), (0, -0.1), (0.3, 0), (0, 0.12)], np.float32)
    mouth = np.zeros((HALF, HALF), np.uint8)
    cv2.fillPoly(mouth, [box_pixels(outline).round().astype(np.int32)], (1,))
    lit = drawn.copy()
    lit[:4, mouth > 0] = 0.2
    light = np.linspace(0.85, 1.2, HALF, dtype=np.float32)
    filmed = lit.copy()
    filmed[:4] *= light
    filmed[4] += 0.03
    again = _in_the_light_of(filmed, drawn, outline)
    before, after = (np.abs(one[:4] - lit[:4])[:, mouth > 0].mean() for one in (filmed, again))
    assert after < 0.5 * before
    assert np.abs(again[4] - lit[4])[mouth > 0].mean() < 0.005


def test_boxes_become_pictures_again() -> None:
    grey = np.full((1, CHANGED, HALF, HALF), 128 / 255, np.float32)
    grey[0, :4] = np.array([60, 90, 120, 150], np.float32)[:, None, None] / 255
    picture = _bgr(grey)[0]
    assert picture.shape == (2 * HALF, 2 * HALF, 3)
    rows = picture[::1, ::1, 0].astype(int)
    assert rows[0, 0] < rows[0, 1] < rows[1, 0] < rows[1, 1]


def track_of(opening: np.ndarray, yaw: np.ndarray) -> Track:
    """A face that is seen in every picture, and of which only these two things change."""
    count = len(opening)
    poses = np.zeros((count, 3), np.float32)
    poses[:, 0] = yaw
    zeros = np.zeros(count, np.float32)
    marks, thumbs = np.zeros((count, 478, 3), np.float32), np.zeros((count, 4, 4), np.uint8)
    shots, beside = np.zeros(count, np.int32), np.zeros((0, 4), np.float32)
    found = np.ones(count, bool)
    return Track(zeros, found, marks, poses, opening.astype(np.float32), zeros, shots, thumbs, zeros, 1, beside, 0.0)


def test_open_mouths_and_what_is_around_them_are_learnt_from() -> None:
    opening, yaw = np.zeros(COUNT), np.zeros(COUNT)
    opening[60:70] = opening[150:160] = 0.1
    opening[100] = np.nan
    yaw[150:] = 20
    wanted = taught(track_of(opening, yaw), Stretch(0, 40, 10, 5, 5))
    assert wanted.tolist() == list(range(52, 78))


@pytest.mark.slow
def test_a_network_learns_what_is_always_so_and_is_silent_about_what_it_never_saw(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Drawn mouths are white inside, real ones dark; the wider they are, the darker."""
    pytest.importorskip("jax", reason="requirements-mouth.txt is not installed")
    from avatars.build.painting import train as training
    from avatars.build.painting.onnx_file import quantised, written
    from avatars.engine.mouth_network import MouthNetwork

    random = np.random.default_rng(3)
    lessons = lessons_of(COUNT)
    gap = 0.1 + 0.08 * np.sin(np.arange(COUNT) / 5)
    lessons.controls[:] = (gap[:, None] * np.linspace(0.5, 2, CONTROL_COUNT)).astype(np.float32)
    for index in range(COUNT):
        inside = np.zeros((HALF, HALF), np.uint8)
        cv2.ellipse(inside, (24, 20), (12, max(1, int(40 * gap[index]))), 0, 0, 360, (255,), -1)
        skin = random.normal(150, 3, (CHANGED, HALF, HALF)).clip(0, 255).astype(np.uint8)
        lessons.drawn[index, :CHANGED], lessons.drawn[index, CHANGED] = skin, inside
        lessons.drawn[index, :4, inside > 0] = 230
        lessons.real[index] = lessons.drawn[index, :CHANGED]
        lessons.real[index, :4, inside > 0] = int(120 - 400 * gap[index])
        lessons.painted[index] = cv2.dilate(inside, np.ones((9, 9), np.uint8))
    learnt, watched, held_out = lessons.parts()
    ground = training.ground_of(learnt)
    monkeypatch.setattr(training, "STEPS", 150)
    heard: list[float] = []
    parameters = training.train(learnt, watched, ground, lambda share, rest_s: heard.append(share))
    assert heard == sorted(heard)
    examples = learnt.drawn[:40].astype(np.float32) / 255
    network = quantised(written(parameters, ground), examples, learnt.controls[:40])
    assert len(network) < 400_000
    run = MouthNetwork(network)
    errors = np.zeros(2)
    for drawn, real, told in zip(held_out.drawn / np.float32(255), held_out.real, held_out.controls, strict=True):
        inside = drawn[CHANGED] > 0.5
        painted = drawn[:4] + run(drawn, told)[:4]
        errors += [np.abs(one - real[:4] / 255)[:, inside].mean() for one in (drawn[:4], painted)]
    assert errors[1] < 0.25 * errors[0]
    strange = held_out.controls[0] + 30 * ground.spread
    assert np.abs(run(held_out.drawn[0] / np.float32(255), strange)).max() == 0
