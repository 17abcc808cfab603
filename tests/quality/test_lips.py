"""Formulas on meshes find the movement that was put in, whatever the head does."""

import numpy as np
import pytest

from avatars.engine.speech import Phone
from avatars.quality import lips

RATE_HZ = 25.0


def face(gap: float = 0.0, wide: float = 0.76, seed: int = 2) -> np.ndarray:
    """One mesh (478, 2) with an eye distance of 100 pixels."""
    points = np.random.default_rng(seed).normal(0, 0.3, (478, 2))
    points[[33, 133]], points[[263, 362]] = (-0.5, 0), (0.5, 0)
    for upper, lower in ((82, 87), (13, 14), (312, 317)):
        points[upper], points[lower] = (0, 1), (0, 1 + gap)
    points[78], points[308] = (-wide / 2, 1), (wide / 2, 1)
    return (100 * points).astype(np.float32)


def track(*meshes: np.ndarray) -> np.ndarray:
    return np.stack(meshes)


def turned(mesh: np.ndarray, degrees: float, scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (scale * mesh @ turn.T + shift).astype(np.float32)


def test_openings_and_widths_are_in_eye_distances() -> None:
    mesh = track(face(0.1, 0.8), turned(face(0.1, 0.8), 20, 3, 50), np.full((478, 2), np.nan, np.float32))
    assert lips.openings(mesh) == pytest.approx([0.1, 0.1, np.nan], abs=1e-4, nan_ok=True)
    assert lips.widths(mesh) == pytest.approx([0.8, 0.8, np.nan], abs=1e-4, nan_ok=True)


def test_a_head_that_moves_is_no_mouth_that_moves() -> None:
    mesh = track(*(turned(face(), angle, 1 + angle / 50, angle) for angle in range(30)))
    moved = lips.aligned(mesh)
    assert np.ptp(moved, axis=0).max() < 1e-3
    assert lips.step_speed(moved, RATE_HZ) < 1e-2
    assert moved.shape == (30, 40, 2)


def test_a_mesh_without_a_face_is_unknown() -> None:
    assert np.isnan(lips.aligned(np.full((3, 478, 2), np.nan, np.float32))).all()


def test_lips_have_the_speed_they_were_given() -> None:
    points = np.zeros((50, 40, 2))
    points[:, :, 1] = 0.02 * np.arange(50)[:, None]
    assert lips.step_speed(points, RATE_HZ) == pytest.approx(0.5)


@pytest.mark.parametrize(("hertz", "share"), [(3.0, 0.0), (11.0, 1.0)])
def test_what_trembles_is_told_from_what_speaks(hertz: float, share: float) -> None:
    wave = np.sin(2 * np.pi * hertz * np.arange(200) / RATE_HZ)
    points = np.broadcast_to(wave[:, None, None], (200, 40, 2))
    assert lips.fast_share(points, RATE_HZ) == pytest.approx(share, abs=0.02)


def test_abruptness_does_not_grow_with_size() -> None:
    wave = np.sin(np.arange(100) * 0.5)[:, None, None] * np.ones((1, 40, 2))
    rough = wave + 0.2 * np.sin(np.arange(100) * 2.9)[:, None, None]
    assert lips.jerk(3 * wave, RATE_HZ) == pytest.approx(lips.jerk(wave, RATE_HZ))
    assert lips.jerk(rough, RATE_HZ) > 2 * lips.jerk(wave, RATE_HZ)
    assert np.isnan(lips.jerk(np.zeros((10, 40, 2)), RATE_HZ))


def test_sounds_are_told_by_the_shape_of_the_mouth() -> None:
    shapes = {"M": face(0.0), "AA": face(0.12), "IY": face(0.04, 0.82), "UW": face(0.04, 0.66), "AH": face(0.05, 0.75)}
    mesh = track(*(shape for shape in shapes.values() for _ in range(5)))
    groups = lips.shape_groups(mesh)
    assert [lips.GROUPS[groups[at]] for at in range(2, 25, 5)] == ["closed", "open", "spread", "round", "mid"]
    phones = [Phone(symbol, at / 5, (at + 1) / 5, 0) for at, symbol in enumerate(shapes)]
    table = lips.group_table(groups, phones, RATE_HZ, 0.0)
    assert lips.macro_f1(table) == 1
    assert table.sum(axis=1)[-1] == 0
    swapped = [
        Phone(phone.symbol, (phone.start_s + 0.2) % 0.8, (phone.start_s + 0.2) % 0.8 + 0.2, 0) for phone in phones
    ]
    assert lips.macro_f1(lips.group_table(groups, swapped, RATE_HZ, 0.0)) < 0.3
    assert np.isnan(lips.macro_f1(np.zeros((5, 5), np.intp)))


def test_two_faces_are_held_against_each_other_without_their_shapes() -> None:
    wave = 0.05 * np.sin(np.arange(50) * 0.6)
    one = np.zeros((50, 40, 2))
    one[..., 1] = wave[:, None]
    other = one + np.random.default_rng(0).normal(0, 1, (1, 40, 2))
    assert lips.landmark_distance(one, other) == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-9))
    apart, speed = lips.landmark_distance(one, -other)
    assert apart == pytest.approx(2 * np.abs(wave - wave.mean()).mean())
    assert speed == pytest.approx(2 * np.abs(np.diff(wave)).mean())


@pytest.mark.parametrize("late", [0, 2, 4])
def test_peaks_are_as_far_apart_as_they_were_moved(late: int) -> None:
    random = np.random.default_rng(4)
    wave = np.convolve(random.normal(0, 0.1, 150), np.hanning(9), "same")
    found = lips.extrema_apart_ms(wave, np.roll(wave, late), RATE_HZ)
    assert found == pytest.approx(40 * late, abs=25)


def test_a_range_of_widths() -> None:
    assert lips.width_range(np.linspace(0.6, 0.8, 101)) == pytest.approx(0.18)
    assert np.isnan(lips.width_range(np.array([np.nan])))
