"""A mouth drawn over footage: where the face is, and nowhere else."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from avatars.engine.controls import CONTROL_COUNT, Control, rest
from avatars.engine.face import FaceRenderer, Rig, renderer_of
from avatars.engine.face.footage import FootageRenderer
from avatars.engine.face.frame import FaceFrame
from avatars.engine.face.i420 import bgr_of, i420_of, planes
from avatars.engine.face.kernel import KernelFootageRenderer, available
from avatars.engine.footage import Footage, FootageDamaged, Reel, encode, split
from avatars.engine.recorded import RecordedGesture
from tests.clips import SIDE_PX, moving_pictures
from tests.face.test_kernel import psnr_db
from tests.portraits import ASTRONAUT, MONA_LISA, portrait_of

FRAMES = 12
DRIFT_PX = (3.0, -2.0)
SPEAKING = rest()
SPEAKING[[Control.JAW, Control.UPPER_LIP, Control.LOWER_LIP, Control.RELAX]] = 0.78, 0.2, 0.2, 1.0

SEALED = rest()
SEALED[[Control.JAW, Control.SEAL, Control.PRESS, Control.RELAX]] = 0.3, 1.0, 0.6, 0.9


def poses() -> np.ndarray:
    """Each picture a little farther, larger and more turned than the one before."""
    found = []
    for number in range(FRAMES):
        turn, scale = 0.01 * number, 1 + 0.004 * number
        cos, sin = scale * np.cos(turn), scale * np.sin(turn)
        middle = np.array([256, 256])
        matrix = np.array([[cos, -sin], [sin, cos]])
        shift = middle - matrix @ middle + np.array(DRIFT_PX) * number
        found.append(np.column_stack([matrix, shift]))
    return np.stack(found).astype(np.float32)


@pytest.fixture(scope="module")
def footage() -> Footage:
    picture = portrait_of(MONA_LISA).picture
    flags = cv2.INTER_LINEAR
    moving = [cv2.warpAffine(picture, pose, (512, 512), flags=flags, borderMode=cv2.BORDER_REFLECT) for pose in poses()]
    return Footage(tuple(encode((i420_of(one) for one in moving), 512, 512)), poses())


@pytest.fixture(scope="module")
def rig(footage: Footage) -> Rig:
    return Rig.from_portrait(replace(portrait_of(MONA_LISA), footage=footage))


def test_coding_adds_no_movement_of_its_own() -> None:
    """Pictures that get better one after the other make a still wall shimmer."""
    pictures = [i420_of(one) for one in moving_pictures()[:40]]
    packets = tuple(encode(iter(pictures), SIDE_PX, SIDE_PX))
    reel = Reel(Footage(packets, np.zeros((len(packets), 2, 3), np.float32)), SIDE_PX, SIDE_PX)
    decoded = [reel.next()[1] for _ in packets]
    filmed, shown = (
        np.mean([cv2.absdiff(a[:SIDE_PX], b[:SIDE_PX]).mean() for a, b in pairwise(each)])
        for each in (pictures, decoded)
    )
    assert shown == pytest.approx(filmed, rel=0.07)


def test_footage_is_drawn_by_a_renderer_of_its_own(rig: Rig) -> None:
    assert isinstance(renderer_of(rig), KernelFootageRenderer if available() else FootageRenderer)
    with pytest.raises(ValueError, match="still picture"):
        FootageRenderer(Rig.from_portrait(portrait_of(MONA_LISA)))


@pytest.mark.skipif(not available(), reason="the face kernel has not been compiled")
@pytest.mark.parametrize("scalar", [False, True], ids=["vector", "scalar"])
@pytest.mark.parametrize(("blur_px", "inside"), [(0.0, None), (1.6, None), (1.6, (0.85, 5, 10, 30))])
@pytest.mark.parametrize("source", [MONA_LISA, ASTRONAUT], ids=["closed", "open"])
def test_the_kernel_draws_what_the_readable_renderer_draws(
    footage: Footage, source: Path, blur_px: float, inside: tuple[float, ...] | None, *, scalar: bool
) -> None:
    colours = None if inside is None else np.array(inside, np.float32)
    posed = replace(footage, blur_px=blur_px, inside=colours)
    rig = Rig.from_portrait(replace(portrait_of(source), footage=posed))
    truth, kernel = FootageRenderer(rig), KernelFootageRenderer(rig, scalar=scalar)
    for number in range(FRAMES):
        frame = (SPEAKING, SEALED, rest())[number % 3]
        expected, drawn = truth.render(frame), kernel.render(frame)
        assert psnr_db(expected, drawn) >= 50
        x, y = (int(value) for value in footage.poses[number] @ [*rig.frame.origin, 1])
        reach = int(0.55 * rig.frame.iod_px)
        mouth = slice(y - reach, y + reach), slice(x - reach, x + reach)
        assert psnr_db(expected[:512][mouth], drawn[:512][mouth]) >= 45


def with_gesture(footage: Footage, *, lips: float, free: np.ndarray | None) -> Rig:
    """A face that does in a gesture what it does in its loop, with something in front of it."""
    apart = np.zeros(FRAMES, np.float32)
    long = Footage(footage.packets + footage.packets, np.concatenate([footage.poses] * 2))
    cells = None if free is None else np.stack([free] * len(long))
    gesture = RecordedGesture("wave", "Wave", long, np.full(len(long), lips, np.float32), apart, apart, cells)
    return Rig.from_portrait(replace(portrait_of(MONA_LISA), footage=footage, recorded=(gesture,)))


def renderers(rig: Rig) -> list[FootageRenderer | KernelFootageRenderer]:
    return [FootageRenderer(rig), *([KernelFootageRenderer(rig)] if available() else [])]


def in_the_gesture(renderer: FootageRenderer | KernelFootageRenderer) -> None:
    """Wind on to where nothing but the gesture is seen."""
    renderer.projector.play(renderer.projector.gestures[0])
    for _ in range(FRAMES):
        renderer.render(rest())


@pytest.mark.skipif(not available(), reason="the face kernel has not been compiled")
def test_both_renderers_keep_away_from_a_hand_in_the_same_way(footage: Footage) -> None:
    free = np.full((64, 64), 255, np.uint8)
    free[36:] = np.linspace(255, 0, 28).astype(np.uint8)[:, None]
    rig = with_gesture(footage, lips=0.7, free=free)
    truth, kernel = renderers(rig)
    for renderer in (truth, kernel):
        in_the_gesture(renderer)
    for _ in range(6):
        expected, drawn = truth.render(SPEAKING), kernel.render(SPEAKING)
        assert psnr_db(expected, drawn) >= 50


def test_what_is_in_front_of_the_face_is_not_moved(footage: Footage) -> None:
    free = np.full((64, 64), 255, np.uint8)
    free[:, :32] = 0
    for lips, held in ((1.0, True), (0.0, False)):
        rig = with_gesture(footage, lips=lips, free=free if held else None)
        for renderer in renderers(rig):
            in_the_gesture(renderer)
            still = with_gesture(footage, lips=1.0, free=None)
            silent = FootageRenderer(still)
            in_the_gesture(silent)
            spoken, quiet = renderer.render(SPEAKING).copy(), silent.render(rest())
            changed = np.abs(spoken[:512].astype(int) - quiet[:512]).max(axis=0)
            if held:
                # Beside the lips, which are drawn themselves; the readable renderer goes there and back by way of BGR.
                beside = int(rig.frame.origin[0] - 0.5 * rig.frame.iod_px)
                assert changed[:beside].max() <= (0 if isinstance(renderer, KernelFootageRenderer) else 12)
                assert changed[beside:].max() > 40
            else:
                assert not changed.any()


@pytest.mark.skipif(not available(), reason="the face kernel has not been compiled")
def test_the_kernel_leaves_a_silent_face_to_the_bit(rig: Rig, footage: Footage) -> None:
    kernel, reel = KernelFootageRenderer(rig), Reel(footage, 512, 512)
    for _ in range(FRAMES + 3):
        assert np.array_equal(kernel.render(rest()), reel.next()[1])


def test_packets_are_one_picture_each(footage: Footage) -> None:
    assert len(footage) == FRAMES
    assert split(b"".join(footage.packets)) == footage.packets


def test_the_loop_goes_round(footage: Footage) -> None:
    reel = Reel(footage, 512, 512)
    shown = [(number, picture.copy()) for number, picture in (reel.next() for _ in range(2 * FRAMES))]
    assert [number for number, _ in shown] == [*range(FRAMES), *range(FRAMES)]
    for (_, first), (_, again) in zip(shown[:FRAMES], shown[FRAMES:], strict=True):
        assert np.array_equal(first, again)


def test_damaged_footage_is_noticed(footage: Footage) -> None:
    damaged = Footage((footage.packets[0][:40], *footage.packets[1:]), footage.poses)
    with pytest.raises(FootageDamaged):
        Reel(damaged, 512, 512).next()
    with pytest.raises(FootageDamaged):
        Reel(footage, 256, 256).next()


def test_a_silent_face_is_the_footage_to_the_bit(rig: Rig, footage: Footage) -> None:
    renderer, reel = FootageRenderer(rig), Reel(footage, 512, 512)
    moved = rest()
    moved[[Control.YAW_DEG, Control.BLINK_LEFT, Control.GAZE_X, Control.BREATH]] = 5, 1, 0.05, 1
    for _ in range(FRAMES + 3):
        assert np.array_equal(renderer.render(moved), reel.next()[1])


def test_outside_its_region_a_speaking_mouth_changes_nothing(rig: Rig, footage: Footage) -> None:
    renderer, reel = FootageRenderer(rig), Reel(footage, 512, 512)
    for number in range(FRAMES):
        drawn, still = planes(renderer.render(SPEAKING), 512, 512), planes(reel.next()[1], 512, 512)
        rows, columns = np.nonzero(drawn[0] != still[0])
        face = rig.frame.to_face(portrait_points(footage.poses[number], columns, rows))
        assert len(rows) > 500
        assert np.abs(face[:, 0]).max() < 1.6
        assert face[:, 1].min() > -1.4


def portrait_points(pose: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    points = np.stack([columns, rows], axis=-1).astype(np.float32) - pose[:, 2]
    return (points @ np.linalg.inv(pose[:, :2]).T).astype(np.float32)


def test_in_the_portraits_own_pose_it_is_what_the_still_renderer_draws(rig: Rig) -> None:
    drawn = bgr_of(FootageRenderer(rig).render(SPEAKING)).astype(int)
    still = FaceRenderer(Rig.from_portrait(portrait_of(MONA_LISA))).draw(SPEAKING)
    x, y = (int(value) for value in rig.frame.origin)
    reach = int(0.5 * rig.frame.iod_px)
    box = slice(y - reach, y + reach), slice(x - reach, x + reach)
    assert np.abs(drawn[box] - still[box]).mean() < 3


def test_the_mouth_goes_where_the_face_goes(rig: Rig, footage: Footage) -> None:
    """What is drawn in a later picture is what is drawn in the first, moved."""
    renderer, reel = FootageRenderer(rig), Reel(footage, 512, 512)
    changes = []
    for number in range(FRAMES):
        change = bgr_of(renderer.render(SPEAKING)).astype(np.float32) - bgr_of(reel.next()[1])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        changes.append(cv2.warpAffine(change, footage.poses[number], (512, 512), flags=flags))
    strength = np.abs(changes[0]).mean()
    for change in changes[1:]:
        assert np.abs(change - changes[0]).mean() < 0.35 * strength


def test_a_frame_outlives_the_next_two(rig: Rig) -> None:
    renderer = FootageRenderer(rig)
    first = renderer.render(SPEAKING)
    kept = first.copy()
    renderer.render(rest())
    renderer.render(rest())
    assert np.array_equal(first, kept)


def test_sessions_do_not_disturb_each_other(rig: Rig) -> None:
    alone, one, other = FootageRenderer(rig), FootageRenderer(rig), FootageRenderer(rig)
    for _ in range(FRAMES + 2):
        expected = alone.render(SPEAKING).copy()
        drawn = one.render(SPEAKING).copy()
        other.render(rest())
        assert np.array_equal(drawn, expected)


@pytest.mark.parametrize("shape", [(CONTROL_COUNT - 1,), (1, CONTROL_COUNT)])
def test_a_frame_of_another_shape_is_refused(rig: Rig, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="controls"):
        FootageRenderer(rig).render(np.zeros(shape, np.float32))


def test_borrowed_teeth_are_seen(rig: Rig) -> None:
    teeth = np.zeros((512, 512, 4), np.uint8)
    teeth[..., 1], teeth[..., 3] = 255, 255
    green = Rig.from_portrait(replace(rig.portrait, teeth=teeth))
    with_own, without = (bgr_of(FootageRenderer(one).render(SPEAKING)).astype(int) for one in (green, rig))
    assert (with_own - without)[..., 1].max() > 60


def test_what_is_drawn_is_as_soft_as_the_footage(footage: Footage) -> None:
    sharp = portrait_of(MONA_LISA)
    picture = np.asarray(cv2.GaussianBlur(sharp.picture, (0, 0), 2.0), np.uint8)
    packets = tuple(encode(iter([i420_of(picture)] * 2), 512, 512))
    x, y = (int(value) for value in FaceFrame.of(sharp.landmarks).origin)

    def sharpness(blur_px: float) -> float:
        soft = Footage(packets, footage.poses[:1].repeat(2, axis=0), blur_px)
        rig = Rig.from_portrait(replace(sharp, picture=picture, footage=soft))
        luma = planes(FootageRenderer(rig).render(SPEAKING), 512, 512)[0]
        return float(np.abs(cv2.Laplacian(luma[y - 10 : y + 30, x - 30 : x + 30], cv2.CV_32F)).mean())

    assert sharpness(2.0) < 0.75 * sharpness(0.0)
