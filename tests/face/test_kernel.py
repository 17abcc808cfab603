"""The kernel draws what the readable renderer draws."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avatars.build.preview import small
from avatars.engine.controls import CONTROL_COUNT, MOUTH, RANGES, Control, rest
from avatars.engine.face import FaceRenderer, Rig, renderer_of
from avatars.engine.face.i420 import bgr_of
from avatars.engine.face.kernel import KernelRenderer, available
from avatars.engine.face.kernel.compile import SOURCE, find_compiler, flags
from avatars.engine.face.weights import shape_weights
from avatars.engine.motion import Activity, Motion
from avatars.engine.portrait import Kind, Portrait
from tests.face.test_renderer import AA, MM, controls
from tests.portraits import ASTRONAUT, MONA_LISA, rig_of

MOUTH_BOX_DB = 45
WHOLE_DB = 50
# Of 255, the mean of eight by eight pixels.
LARGEST_BLOCK_DIFFERENCE = 5
SHAPES = {
    "rest": controls(),
    "aa": AA,
    "mm": MM,
    "uu": controls(JAW=0.3, ROUND=1.0, RELAX=0.85),
    "ff": controls(JAW=0.15, TUCK=1.0, UPPER_LIP=0.35, RELAX=0.85),
    "th": controls(JAW=0.25, TONGUE=1.0, WIDE=0.2, RELAX=0.85),
    "smile": controls(SMILE=1.0, WIDE=0.5, JAW=0.2),
    "blink": controls(BLINK_LEFT=1.0, BLINK_RIGHT=0.4),
    "looking": controls(GAZE_X=0.05, GAZE_Y=-0.03, BROW=0.05, CHEEKS=1.0, FROWN=1.0),
    "turned": controls(YAW_DEG=6, PITCH_DEG=-5, ROLL_DEG=4, SHIFT_X=0.05, SHIFT_Y=-0.05, BREATH=1.0),
    "all at once": controls(
        **{"JAW": 0.8, "WIDE": 0.4, "RELAX": 0.85, "YAW_DEG": -5, "ROLL_DEG": -3, "BLINK_LEFT": 0.5, "BREATH": -1.0}
    ),
}

pytestmark = pytest.mark.skipif(
    find_compiler() is None and not available(), reason="there is no C compiler to make the face kernel with"
)


def of_kind(kind: Kind) -> Rig:
    return Rig.from_portrait(replace(rig_of(ASTRONAUT).portrait, kind=kind))


def a_drawing_with_round_eyes() -> Rig:
    """Its lids are painted, not drawn down."""
    rig = of_kind(Kind.DRAWING)
    eyes = [replace(eye, paint_bgr=rig.palette.skin) for eye in rig.eyes]
    return replace(rig, eyes=(eyes[0], eyes[1]))


def a_small_one() -> Rig:
    """Its sides are no multiples of the grid's step, and its eyes are a few pixels wide."""
    return Rig.from_portrait(small(rig_of(MONA_LISA).portrait, 150))


def a_tight_one() -> Rig:
    """The picture ends at the lips, at the cheeks and above the eyes."""
    portrait = rig_of(ASTRONAUT).portrait
    frame = rig_of(ASTRONAUT).frame
    left, top = (frame.origin - frame.iod_px * np.array([0.7, 1.3])).astype(int) // 2 * 2
    right, bottom = left + int(1.4 * frame.iod_px) // 2 * 2, top + int(1.5 * frame.iod_px) // 2 * 2
    picture, matte, plate = (
        np.ascontiguousarray(layer[top:bottom, left:right])
        for layer in (portrait.picture, portrait.matte, portrait.plate)
    )
    landmarks = portrait.landmarks - np.array([left, top, 0], np.float32)
    return Rig.from_portrait(Portrait(picture, landmarks, matte, plate))


def a_tilted_one(degrees: float) -> Rig:
    portrait = rig_of(ASTRONAUT).portrait
    centre = (float(rig_of(ASTRONAUT).frame.origin[0]), float(rig_of(ASTRONAUT).frame.origin[1]))
    turn = cv2.getRotationMatrix2D(centre, degrees, 1.0).astype(np.float32)
    picture, matte, plate = (
        cv2.warpAffine(layer, turn, (portrait.width, portrait.height), borderMode=cv2.BORDER_REPLICATE)
        for layer in (portrait.picture, portrait.matte, portrait.plate)
    )
    landmarks = portrait.landmarks.copy()
    landmarks[:, :2] = landmarks[:, :2] @ turn[:, :2].T + turn[:, 2]
    return Rig.from_portrait(Portrait(picture, landmarks, matte, plate))


RIGS = {
    "astronaut": lambda: rig_of(ASTRONAUT),
    "monalisa": lambda: rig_of(MONA_LISA),
    "animal": lambda: of_kind(Kind.ANIMAL),
    "drawing": lambda: of_kind(Kind.DRAWING),
    "painted lids": a_drawing_with_round_eyes,
    "small": a_small_one,
    "tight": a_tight_one,
}


@pytest.fixture(scope="module", params=RIGS)
def rig(request: pytest.FixtureRequest) -> Rig:
    return RIGS[request.param]()


def psnr_db(one: np.ndarray, other: np.ndarray) -> float:
    error = float(np.mean(np.square(one.astype(np.float64) - other)))
    return 100.0 if error == 0 else 10 * float(np.log10(255**2 / error))


def mouth_of(rig: Rig, picture: np.ndarray) -> np.ndarray:
    reach = 0.55 * rig.frame.iod_px
    (left, top), (right, bottom) = (np.maximum(rig.frame.origin + sign * reach, 0).astype(int) for sign in (-1, 1))
    return picture[: rig.portrait.height][top:bottom, left:right]


@pytest.mark.parametrize("scalar", [False, True], ids=["vector", "scalar"])
@pytest.mark.parametrize("name", SHAPES)
def test_it_draws_what_the_readable_renderer_draws(rig: Rig, name: str, *, scalar: bool) -> None:
    truth, drawn = FaceRenderer(rig).render(SHAPES[name]), KernelRenderer(rig, scalar=scalar).render(SHAPES[name])
    assert drawn.shape == truth.shape
    assert psnr_db(truth, drawn) >= WHOLE_DB
    assert psnr_db(mouth_of(rig, truth), mouth_of(rig, drawn)) >= MOUTH_BOX_DB


@pytest.mark.parametrize("degrees", [25.0, -20.0])
@pytest.mark.parametrize("shape", [controls(JAW=1.2, UPPER_LIP=0.5, LOWER_LIP=0.4, RELAX=0.85), MM, SHAPES["uu"]])
def test_no_edge_shows_beside_the_mouth_of_a_tilted_head(shape: np.ndarray, degrees: float) -> None:
    """Where skin below the seam went with the upper lip, a box was seen in the cheek: too small for the whole to tell."""
    rig = a_tilted_one(degrees)
    size = rig.portrait.width // 8, rig.portrait.height // 8
    truth, drawn = (r.render(shape)[: rig.portrait.height] for r in (FaceRenderer(rig), KernelRenderer(rig)))
    blocks = cv2.resize(cv2.absdiff(truth, drawn), size, interpolation=cv2.INTER_AREA)
    assert int(blocks.max()) <= LARGEST_BLOCK_DIFFERENCE


@pytest.mark.parametrize("renderer", [FaceRenderer, KernelRenderer])
def test_no_lip_is_made_of_the_other(renderer: type[FaceRenderer] | type[KernelRenderer]) -> None:
    """Between the ends of the opening and the corners of the mouth a light fleck was seen: skin from above the upper lip."""
    portrait, frame = rig_of(MONA_LISA).portrait, rig_of(MONA_LISA).frame
    rows, columns = np.mgrid[: portrait.height, : portrait.width].astype(np.float32)
    local = frame.to_face(np.stack([columns, rows], axis=-1))
    mouth = rig_of(MONA_LISA).mouth
    picture = np.full_like(portrait.picture, (0, 0, 160))
    picture[local[..., 1] < mouth.seam(local[..., 0])] = (0, 160, 0)
    rig = replace(rig_of(MONA_LISA), portrait=replace(portrait, picture=picture))
    shout = controls(JAW=1.2, UPPER_LIP=0.5, LOWER_LIP=0.4)
    drawn = bgr_of(renderer(rig).render(shout)).astype(int)
    upper, lower = rig.fields.contours(shape_weights(shout, Kind.PHOTO, rig.mouth))
    below = (local[..., 1] - np.interp(local[..., 0], upper[:, 0], (upper[:, 1] + lower[:, 1]) / 2)) * frame.iod_px
    beside = np.abs(local[..., 0]) < upper[-1, 0]
    green = drawn[..., 1] - drawn[..., 2]
    assert green[beside & (below > 1.5)].max() < 70
    assert green[beside & (below < -1.5)].min() > -70


def test_it_keeps_to_the_truth_through_a_performance(rig: Rig) -> None:
    """Eyes are painted only where they change, so that what one frame leaves behind must suit the next."""
    motion, truth, drawn = Motion(3), FaceRenderer(rig), KernelRenderer(rig)
    for index in range(60):
        frame = motion.next(Activity.SPEAKING)
        frame[MOUTH] = (AA if index % 10 < 5 else MM)[MOUTH]
        assert psnr_db(truth.render(frame), drawn.render(frame)) >= WHOLE_DB, index


def test_both_ways_of_fetching_pixels_are_one(rig: Rig) -> None:
    for frame in SHAPES.values():
        vector, scalar = KernelRenderer(rig).render(frame), KernelRenderer(rig, scalar=True).render(frame)
        assert np.abs(vector.astype(int) - scalar).max() <= 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(st.floats(width=32), st.sampled_from([edge for r in RANGES.values() for edge in (r.low, r.high)])),
        min_size=CONTROL_COUNT,
        max_size=CONTROL_COUNT,
    )
)
def test_no_controls_break_it(rig: Rig, values: list[float]) -> None:
    frame = np.array(values, np.float32)
    drawn = KernelRenderer(rig).render(frame)
    assert psnr_db(FaceRenderer(rig).render(frame), drawn) >= 38


def test_at_rest_the_picture_is_the_source_to_the_bit(rig: Rig) -> None:
    assert np.array_equal(KernelRenderer(rig).render(rest()), FaceRenderer(rig).render(rest()))


def test_a_moving_mouth_changes_nothing_outside_its_region(rig: Rig) -> None:
    still, drawn = KernelRenderer(rig).render(controls(RELAX=0.85)), KernelRenderer(rig).render(AA)
    rows, columns = rig.fields.shape
    top, left = rig.fields.row * 8 - 4, rig.fields.column * 8 - 4
    outside = np.ones((rig.portrait.height, rig.portrait.width), bool)
    outside[max(0, top) : top + rows * 8 + 8, max(0, left) : left + columns * 8 + 8] = False
    height = rig.portrait.height
    assert np.array_equal(still[:height][outside], drawn[:height][outside])


def test_sessions_share_the_avatar_and_do_not_disturb_each_other(rig: Rig) -> None:
    one, other = KernelRenderer(rig), KernelRenderer(rig)
    assert one._plan is other._plan
    blinking = one.render(SHAPES["blink"]).copy()
    assert np.array_equal(other.render(rest()), KernelRenderer(rig).render(rest()))
    assert np.array_equal(one.render(SHAPES["blink"]), blinking)


def test_a_frame_outlives_the_next_two(rig: Rig) -> None:
    renderer = KernelRenderer(rig)
    first = renderer.render(AA)
    kept = first.copy()
    renderer.render(MM)
    renderer.render(rest())
    assert np.array_equal(first, kept)


@pytest.mark.parametrize("shape", [(CONTROL_COUNT - 1,), (1, CONTROL_COUNT), ()])
def test_a_frame_of_another_shape_is_refused(rig: Rig, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="controls"):
        KernelRenderer(rig).render(np.zeros(shape, np.float32))


def test_it_is_what_draws_here(rig: Rig) -> None:
    assert isinstance(renderer_of(rig), KernelRenderer)


def test_values_beyond_their_range_are_limited(rig: Rig) -> None:
    wild, most = rest(), rest()
    for control in Control:
        wild[control], most[control] = 1e9, RANGES[control].high
    assert np.array_equal(KernelRenderer(rig).render(wild), KernelRenderer(rig).render(most))


def compile_in(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    for name in ("face.c", "compile.py"):
        shutil.copy(SOURCE.with_name(name), folder / name)
    return subprocess.run(
        [sys.executable, folder / "compile.py"], capture_output=True, text=True, env=environment, check=True
    )


@pytest.mark.skipif(find_compiler() is None, reason="there is no C compiler")
def test_it_compiles_without_a_warning(tmp_path: Path) -> None:
    command = [find_compiler(), *flags(), "-Wall", "-Wextra", "-Werror", SOURCE, "-o", tmp_path / "face.o"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_without_a_compiler_set_up_says_so_and_goes_on(tmp_path: Path) -> None:
    ran = compile_in(tmp_path, PATH=str(tmp_path))
    assert "no C compiler" in ran.stderr
    assert "apt-get install" in ran.stderr
    assert not list(tmp_path.glob("*.so"))


def test_a_compiler_that_fails_is_quoted(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho this is no compiler >&2\nexit 1\n")
    broken.chmod(0o755)
    ran = compile_in(tmp_path, PATH=f"{tmp_path}:/bin:/usr/bin", CC="broken")
    assert "this is no compiler" in ran.stderr
    assert not list(tmp_path.glob("*.so"))
