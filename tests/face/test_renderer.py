"""Frames: the right shape for any controls, the same every time, and nothing moves but the face."""

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from avatars.engine.blending import blended
from avatars.engine.controls import CONTROL_COUNT, RANGES, Control, clipped, rest
from avatars.engine.face import FaceRenderer, Rig
from avatars.engine.face.fields import STEP_PX, look_up
from avatars.engine.face.interior import Opening, draw_interior
from avatars.engine.face.renderer import ROTATION
from avatars.engine.gestures import GESTURES
from avatars.engine.perception import Perception
from avatars.engine.portrait import Kind
from avatars.quality.recording import commanded_iod
from tests.portraits import ASTRONAUT, MONA_LISA, rig_of

HEAD = (Control.YAW_DEG, Control.PITCH_DEG, Control.ROLL_DEG, Control.SHIFT_X, Control.SHIFT_Y)


def controls(**values: float) -> np.ndarray:
    frame = rest()
    for name, value in values.items():
        frame[Control[name]] = value
    return frame


AA = controls(JAW=0.9, UPPER_LIP=0.23, LOWER_LIP=0.25, RELAX=0.85)
MM = controls(JAW=0.12, PRESS=0.6, SEAL=1.0, RELAX=0.85)


@pytest.fixture(scope="module", params=[ASTRONAUT, MONA_LISA], ids=["astronaut", "monalisa"])
def rig(request: pytest.FixtureRequest) -> Rig:
    return rig_of(request.param)


@pytest.fixture
def renderer(rig: Rig) -> FaceRenderer:
    return FaceRenderer(rig)


def drawn(renderer: FaceRenderer, frame: np.ndarray) -> np.ndarray:
    return renderer.draw(clipped(frame)).copy()


def opening_iod(renderer: FaceRenderer, frame: np.ndarray) -> float:
    face = Perception.shared().refine(drawn(renderer, frame), renderer.rig.portrait.landmarks)
    assert face is not None
    return face.opening_iod


def test_a_frame_is_i420(renderer: FaceRenderer) -> None:
    picture = renderer.render(AA)
    assert picture.shape == (renderer.height * 3 // 2, renderer.width)
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous
    # Limited range: nothing far below black or above white.
    assert picture[: renderer.height].min() >= 15
    assert picture[: renderer.height].max() <= 236


def test_at_rest_the_picture_is_the_source(renderer: FaceRenderer) -> None:
    assert np.array_equal(drawn(renderer, rest()), renderer.rig.portrait.picture)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frame=arrays(np.float32, CONTROL_COUNT, elements=st.floats(-1e6, 1e6, width=32) | st.just(float("nan"))))
def test_no_controls_break_it(renderer: FaceRenderer, frame: np.ndarray) -> None:
    assert renderer.render(frame).shape == (renderer.height * 3 // 2, renderer.width)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_what_is_no_number_is_limited(renderer: FaceRenderer, value: float) -> None:
    frame = np.full(CONTROL_COUNT, value, np.float32)
    assert np.isfinite(clipped(frame)).all()
    renderer.render(frame)


def test_values_beyond_their_range_are_limited(renderer: FaceRenderer) -> None:
    beyond = np.array([10 * RANGES[control].high for control in Control], np.float32)
    limit = np.array([RANGES[control].high for control in Control], np.float32)
    assert np.array_equal(renderer.render(beyond), renderer.render(limit))


@pytest.mark.parametrize("shape", [(CONTROL_COUNT - 1,), (1, CONTROL_COUNT), ()])
def test_a_frame_of_another_shape_is_refused(renderer: FaceRenderer, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="A frame has 24 controls"):
        renderer.render(np.zeros(shape, np.float32))


def test_the_same_controls_give_the_same_frame(rig: Rig) -> None:
    """Whatever was drawn before."""
    frame = controls(JAW=0.5, YAW_DEG=3, BLINK_LEFT=0.6, BLINK_RIGHT=0.4, GAZE_X=0.02, BROW=0.03, BREATH=1)
    first, second = FaceRenderer(rig), FaceRenderer(rig)
    expected = first.render(frame).copy()
    for other in (AA, MM, controls(YAW_DEG=-6, GAZE_Y=0.03), rest()):
        second.render(other)
    assert np.array_equal(second.render(frame), expected)


def test_a_frame_outlives_the_next_two(renderer: FaceRenderer) -> None:
    frames = [renderer.render(controls(JAW=jaw)) for jaw in (0.0, 0.4, 0.8)]
    kept = [frame.copy() for frame in frames]
    assert len({frame.ctypes.data for frame in frames}) == ROTATION
    assert all(np.array_equal(frame, copy) for frame, copy in zip(frames, kept, strict=True))
    assert renderer.render(rest()).ctypes.data == frames[0].ctypes.data


def test_two_renderers_of_a_rig_do_not_disturb_each_other(rig: Rig) -> None:
    before = rig.portrait.picture.copy()
    one, other = FaceRenderer(rig), FaceRenderer(rig)
    expected = one.render(AA).copy()
    one.render(AA)
    other.render(controls(BLINK_LEFT=1, BLINK_RIGHT=1))
    assert np.array_equal(one.render(AA), expected)
    assert np.array_equal(rig.portrait.picture, before)


@pytest.mark.parametrize(
    "frame", [AA, MM, controls(ROUND=1, JAW=0.3, RELAX=1), controls(SMILE=1), controls(TUCK=1, RELAX=1)]
)
def test_a_mouth_moves_nothing_but_its_region(renderer: FaceRenderer, frame: np.ndarray) -> None:
    fields = renderer.rig.fields
    rows, columns = fields.shape
    # A smile that is taken back takes the cheeks along, which no other part of a mouth does.
    unsmiled = drawn(renderer, controls(RELAX=frame[Control.RELAX]))
    changed = np.abs(drawn(renderer, frame).astype(int) - unsmiled).max(axis=2) > 0
    assert changed.any()
    top, left = fields.row * STEP_PX, fields.column * STEP_PX
    changed[top : top + rows * STEP_PX, left : left + columns * STEP_PX] = False
    assert not changed.any()


@pytest.mark.parametrize("frame", [controls(BLINK_LEFT=1, BLINK_RIGHT=1), controls(GAZE_X=0.03, GAZE_Y=-0.02)])
def test_eyes_move_nothing_but_their_boxes(renderer: FaceRenderer, frame: np.ndarray) -> None:
    changed = np.abs(drawn(renderer, frame).astype(int) - renderer.rig.portrait.picture).max(axis=2) > 0
    assert changed.any()
    for eye in renderer.rig.eyes:
        changed[eye.box] = False
    assert not changed.any()


def test_the_background_stands_still_behind_a_moving_head(renderer: FaceRenderer) -> None:
    """Far from the character, where the matte is empty and stays so, not a pixel changes by much."""
    portrait = renderer.rig.portrait
    far = cv2.erode((portrait.matte == 0).astype(np.uint8), np.ones((49, 49), np.uint8)) > 0
    assert far.sum() > 1000
    frame = controls(YAW_DEG=5, PITCH_DEG=-4, ROLL_DEG=3, SHIFT_X=0.04, BREATH=1)
    moved = np.abs(drawn(renderer, frame).astype(int) - portrait.plate)[far]
    assert moved.max() <= 1


@pytest.mark.parametrize("control", HEAD)
def test_the_head_moves_and_comes_back(renderer: FaceRenderer, control: Control) -> None:
    frame = rest()
    frame[control] = RANGES[control].high
    assert np.abs(drawn(renderer, frame).astype(int) - renderer.rig.portrait.picture).mean() > 0.3
    assert np.array_equal(drawn(renderer, rest()), renderer.rig.portrait.picture)


@pytest.mark.parametrize(("control", "axis"), [(Control.SHIFT_X, 0), (Control.SHIFT_Y, 1)])
def test_a_shift_is_as_long_as_it_says(renderer: FaceRenderer, control: Control, axis: int) -> None:
    frame = rest()
    frame[control] = 0.05
    before = renderer.rig.portrait.landmarks
    face = Perception.shared().refine(drawn(renderer, frame), before)
    assert face is not None
    moved = (
        np.median(face.landmarks[:, :2] - before[:, :2], axis=0)
        @ [renderer.rig.frame.right, renderer.rig.frame.down][axis]
    )
    assert moved / renderer.rig.frame.iod_px == pytest.approx(0.05, abs=0.012)


def test_yaw_and_roll_are_found_again(renderer: FaceRenderer) -> None:
    at_rest = Perception.shared().refine(drawn(renderer, rest()), renderer.rig.portrait.landmarks)
    turned = Perception.shared().refine(
        drawn(renderer, controls(YAW_DEG=6, ROLL_DEG=4)), renderer.rig.portrait.landmarks
    )
    assert at_rest is not None
    assert turned is not None
    assert turned.pose_deg.yaw - at_rest.pose_deg.yaw > 2
    assert turned.pose_deg.roll - at_rest.pose_deg.roll == pytest.approx(4, abs=1.5)


def test_lips_are_seen_to_open_as_far_as_they_are_told(renderer: FaceRenderer) -> None:
    told = commanded_iod(renderer.rig, AA)
    seen = opening_iod(renderer, AA)
    assert told > 0.12
    # On a painting the finder of landmarks sees less.
    assert 0.5 * told < seen < 1.3 * told


@pytest.mark.parametrize(
    "frame", [MM, controls(JAW=0.8, SEAL=1, RELAX=1), controls(SEAL=1), controls(JAW=0.4, ROUND=0.8, SEAL=1)]
)
def test_a_seal_closes_the_lips_whatever_the_jaw_does(renderer: FaceRenderer, frame: np.ndarray) -> None:
    assert commanded_iod(renderer.rig, frame) < 1e-3
    assert opening_iod(renderer, frame) < 0.03


def test_the_jaw_opens_step_by_step(renderer: FaceRenderer) -> None:
    openings = [opening_iod(renderer, controls(JAW=jaw, RELAX=1)) for jaw in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert openings[-1] > openings[0] + 0.08
    assert all(later > earlier - 0.01 for earlier, later in pairwise(openings))


@pytest.mark.parametrize(("side", "at"), [("BLINK_LEFT", 0), ("BLINK_RIGHT", 1)])
def test_an_eye_blinks_and_the_other_does_not(renderer: FaceRenderer, side: str, at: int) -> None:
    portrait, eyes = renderer.rig.portrait, renderer.rig.eyes
    shut = drawn(renderer, controls(**{side: 1.0}))
    for iris, eye in zip((468, 473), eyes, strict=True):
        x, y = portrait.landmarks[iris, :2].round().astype(int)
        around = slice(y - 2, y + 3), slice(x - 2, x + 3)
        if eye is eyes[at]:
            # The skin of the lid is brighter than the iris.
            assert shut[around].mean() > portrait.picture[around].mean() + 25
        else:
            assert np.array_equal(shut[eye.box], portrait.picture[eye.box])


def test_a_blink_does_not_drag_what_is_above_the_eye_along() -> None:
    """The frame of glasses close above an eye, or a low brow: a dark bar that stays where it is."""
    portrait = rig_of(ASTRONAUT).portrait
    picture, eyes = portrait.picture.copy(), Rig.from_portrait(portrait).eyes
    bars = [(eye.y < eye.upper - 0.20) & (eye.y > eye.upper - 0.28) & (np.abs(eye.x) < 0.4) for eye in eyes]
    for eye, bar in zip(eyes, bars, strict=True):
        picture[eye.box][bar] = 20
    shut = drawn(
        FaceRenderer(Rig.from_portrait(replace(portrait, picture=picture))), controls(BLINK_LEFT=1, BLINK_RIGHT=1)
    )
    for eye, bar in zip(eyes, bars, strict=True):
        assert shut[eye.box][bar].mean() < 45
        lid = (eye.y > eye.upper - 0.10) & (eye.y < eye.lower - 0.10) & (np.abs(eye.x) < 0.3)
        assert np.percentile(shut[eye.box][lid].mean(axis=-1), 5) > 90


def test_a_blink_is_seen_as_one() -> None:
    """On a photograph; in a painting the finder of landmarks believes in open eyes."""
    renderer = FaceRenderer(rig_of(ASTRONAUT))
    shares = []
    for frame in (rest(), controls(BLINK_LEFT=1, BLINK_RIGHT=1)):
        face = Perception.shared().refine(drawn(renderer, frame), renderer.rig.portrait.landmarks)
        assert face is not None
        shares.append([np.hypot(*(face.landmarks[a, :2] - face.landmarks[b, :2])) for a, b in ((159, 145), (386, 374))])
    assert (np.divide(shares[1], shares[0]) < 0.5).all()


def test_an_iris_goes_where_it_looks(renderer: FaceRenderer) -> None:
    landmarks = renderer.rig.portrait.landmarks
    faces = [Perception.shared().refine(drawn(renderer, controls(GAZE_X=gaze)), landmarks) for gaze in (-0.05, 0.05)]
    left, right = (face.landmarks for face in faces if face is not None)
    for iris in (468, 473):
        moved = (right[iris, :2] - left[iris, :2]) @ renderer.rig.frame.right / renderer.rig.frame.iod_px
        assert 0.03 < moved < 0.12


def moved_iod(rig: Rig, frame: np.ndarray, landmark: int, *, below_iod: float = 0.0) -> np.ndarray:
    """How far the head's fields move the picture at or below a landmark, right and down, in IOD."""
    at = rig.portrait.landmarks[landmark, :2] + below_iod * rig.frame.iod_px * rig.frame.down
    column, row = (at / STEP_PX - 0.5).reshape(2, 1, 1)
    field = look_up(rig.head.displacement(frame), column, row)[0, 0]
    return np.array([field @ rig.frame.right, field @ rig.frame.down]) / rig.frame.iod_px


@pytest.mark.parametrize(("lower_lid", "pupil"), [(145, 468), (374, 473)])
def test_raised_cheeks_lift_the_lower_lids_and_not_the_pupils(rig: Rig, lower_lid: int, pupil: int) -> None:
    raised = controls(CHEEKS=1)
    cheek, lid, eye = (
        -moved_iod(rig, raised, at, below_iod=below)[1] for at, below in ((lower_lid, 0.13), (lower_lid, 0), (pupil, 0))
    )
    assert cheek > lid > 1.5 * eye >= 0
    assert 0.006 < lid < 0.024


def test_a_frown_draws_the_brows_together(rig: Rig) -> None:
    frown = controls(FROWN=1)
    left, right = moved_iod(rig, frown, 55), moved_iod(rig, frown, 285)
    assert left[0] > 0.008 > -0.008 > right[0]
    assert min(left[1], right[1]) > 0.008
    for still in (468, 473, 152, 13):
        assert np.abs(moved_iod(rig, frown, still)).max() < 0.005


@pytest.mark.parametrize("gesture", GESTURES)
def test_lips_that_the_speech_closes_are_seen_closed_in_every_gesture(renderer: FaceRenderer, gesture: str) -> None:
    track = GESTURES[gesture].track
    largest = track[int(np.abs(track[:, Control.SMILE]).argmax()) or len(track) // 2]
    assert opening_iod(renderer, blended(MM, largest)) < 0.03


def test_teeth_that_rest_on_the_lower_lip_stand_in_the_light(rig: Rig) -> None:
    """What was seen of them in f and v was a dark slit."""
    x, y = np.meshgrid(np.linspace(-0.2, 0.2, 41, dtype=np.float32), np.linspace(-0.01, 0.012, 12, dtype=np.float32))
    upper, lower = np.full_like(x, -0.01), np.full_like(x, 0.012)
    seen = []
    for tuck in (1.0, 0.0):
        opening = Opening(x, y, upper, lower, 0.0, 0.024, 0.0, 0.0, 0.0, tuck, None, None)
        seen.append(float(draw_interior(opening, rig.palette, Kind.PHOTO, rig.frame.iod_px)[5:7, 18:23].mean()))
    assert seen[0] > 1.3 * seen[1]
