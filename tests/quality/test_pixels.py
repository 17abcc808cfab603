"""Formulas on pictures find what was changed, and nothing where nothing was."""

import cv2
import numpy as np
import pytest

from avatars.quality import pixels
from avatars.quality.bars import BARS
from avatars.quality.metrics import jitter_px
from tests.portraits import ASTRONAUT, portrait_of

ALL = np.ones((64, 64), np.bool_)


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (64, 64, 3)).astype(np.uint8)


def test_one_level_of_one_colour_is_a_change() -> None:
    picture = noise()
    other = picture.copy()
    other[3, 4, 1] ^= 1
    assert pixels.changed_share(picture, picture, ALL) == 0
    assert pixels.changed_share(picture, other, ALL) == pytest.approx(1 / 4096)
    assert np.isnan(pixels.changed_share(picture, other, ~ALL))


def test_noise_in_decibels() -> None:
    grey = np.full((64, 64, 3), 100, np.uint8)
    assert pixels.psnr_db(grey, grey, ALL) == 100
    assert pixels.psnr_db(grey, grey + np.uint8(1), ALL) == pytest.approx(48.13, abs=0.01)
    assert np.isnan(pixels.psnr_db(grey, grey, ~ALL))


def test_structure_counts_and_brightness_hardly_does() -> None:
    picture = cv2.GaussianBlur(noise(), (0, 0), 2)
    assert pixels.ssim(picture, picture, ALL) == pytest.approx(1)
    assert pixels.ssim(picture, cv2.add(picture, np.full_like(picture, 5)), ALL) > 0.98
    assert pixels.ssim(picture, cv2.GaussianBlur(noise(1), (0, 0), 2), ALL) < 0.7


def test_points_are_followed_by_their_pixels_whatever_the_mouth_does() -> None:
    picture = cv2.GaussianBlur(np.kron(noise(), np.ones((4, 4, 1), np.uint8)), (0, 0), 3)
    points = np.array([[70.0, 60.0], [180.0, 70.0], [128.0, 110.0]], np.float32)
    talking = picture.copy()
    talking[180:] = 0
    assert np.abs(pixels.followed(points, picture, talking, 8) - points).max() < 0.01
    moved = cv2.warpAffine(picture, np.array([[1, 0, 0.7], [0, 1, -0.4]], np.float32), (256, 256))
    assert np.allclose(pixels.followed(points, picture, moved, 8) - points, (0.7, -0.4), atol=0.08)


def test_eyes_that_tremble_are_seen_to() -> None:
    """The control of the jitter: one eye moves to and fro by a pixel and a half."""
    picture = cv2.GaussianBlur(np.kron(noise(), np.ones((4, 4, 1), np.uint8)), (0, 0), 3)
    points = np.array([[60.0, 60.0], [190.0, 60.0], [128.0, 120.0], [128.0, 150.0]], np.float32)
    tracks = {"calm": [points], "trembling": [points]}
    for step in range(20):
        eye = cv2.warpAffine(picture, np.array([[1, 0, 1.5 * (-1) ** step], [0, 1, 0]], np.float32), (256, 256))
        trembling = picture.copy()
        trembling[40:80, 40:80] = eye[40:80, 40:80]
        tracks["calm"].append(pixels.followed(points, picture, picture, 8))
        tracks["trembling"].append(pixels.followed(points, picture, trembling, 8))
    bar = BARS["jitter_px"]
    assert bar.holds(jitter_px(np.stack(tracks["calm"])))
    assert not bar.holds(jitter_px(np.stack(tracks["trembling"])))


def test_the_most_moved_cell_is_where_it_moved() -> None:
    before, after = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)
    after[8:16, 24:32] = 40
    grid = pixels.difference_grid(before, after)
    assert grid.shape == (8, 8)
    assert grid[1, 3] == 40
    assert grid.sum() == 40
    assert pixels.flicker(before, after, ALL) == pytest.approx(40 / 64)


def test_a_pasted_region_has_a_seam_and_a_faded_one_has_none() -> None:
    rest = cv2.GaussianBlur(noise(), (0, 0), 3)
    region = np.zeros((64, 64), np.bool_)
    region[20:44, 20:44] = True
    pasted, faded = rest.astype(np.int16), rest.astype(np.int16)
    pasted[region] += 20
    inside = cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, 5)
    faded += (20 * np.clip((inside - 7) / 5, 0, 1))[..., None].astype(np.int16)
    border = pixels.Border.of(region)
    edge, step = pixels.seam(pasted.astype(np.uint8), rest, border)
    assert edge > 3
    assert step > 4
    assert pixels.seam(faded.astype(np.uint8), rest, border) == (pytest.approx(0, abs=0.6), pytest.approx(0, abs=0.6))
    assert pixels.seam(rest, rest, border) == (0, 0)


def test_regions_of_a_face() -> None:
    portrait = portrait_of(ASTRONAUT)
    size = portrait.height, portrait.width
    moving, upper, skin = (
        region(portrait.landmarks, size) for region in (pixels.moving_region, pixels.upper_face, pixels.forehead)
    )

    def holds(region: np.ndarray, point: int) -> bool:
        column, row = portrait.landmarks[point, :2].round().astype(int)
        return bool(region[row, column])

    assert [holds(moving, point) for point in (13, 14, 61, 291, 152, 145, 10, 151)] == [True] * 6 + [False] * 2
    assert [holds(upper, point) for point in (105, 334, 151, 159, 13)] == [True] * 3 + [False] * 2
    assert [holds(skin, point) for point in (151, 159, 386, 13)] == [True] + [False] * 3
    outside = pixels.around(portrait.matte, 10)
    assert not (outside & (portrait.matte > 0)).any()


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_texture_is_that_of_the_open_mouth_at_any_size(scale: float) -> None:
    portrait = portrait_of(ASTRONAUT)
    smooth = cv2.GaussianBlur(portrait.picture, (0, 0), 4)
    size = (round(512 * scale), round(512 * scale))
    big, soft = (cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (portrait.picture, smooth))
    landmarks = portrait.landmarks * np.float32(scale)
    reference = pixels.oral_texture(portrait.picture, portrait.landmarks)
    assert pixels.oral_texture(big, landmarks) == pytest.approx(reference, rel=0.3)
    assert pixels.oral_texture(soft, landmarks) < 0.6 * reference
    closed = landmarks.copy()
    closed[[87, 14, 317]] = closed[[82, 13, 312]]
    assert np.isnan(pixels.oral_texture(big, closed))
