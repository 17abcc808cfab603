"""The person's matte and the filter that gives it edges."""

import cv2
import numpy as np

from avatars.engine.perception import Perception
from avatars.engine.perception.matte import guided_filter
from tests.material import ASTRONAUT


def test_person_is_cut_out() -> None:
    picture = np.asarray(cv2.imread(str(ASTRONAUT)), np.uint8)
    matte = Perception.shared().matte(picture)
    assert matte.shape == (512, 512)
    assert matte[120, 228] > 250  # nose
    assert matte[400, 220] > 250  # chest
    assert matte[60, 30] < 5  # wall
    assert 0.3 < (matte > 127).mean() < 0.7


def test_guided_filter_moves_a_blurred_edge_to_the_picture() -> None:
    guide = np.zeros((60, 80), np.float32)
    guide[:, 40:] = 1
    blurred = cv2.GaussianBlur(np.roll(guide, 3, axis=1), (0, 0), 4).astype(np.float32)
    fine = guided_filter(guide, blurred, 12, 1e-4)
    row = fine[30, 8:72]
    assert row[30] < 0.25 < 0.65 < row[33]
    assert abs(row[33] - row[30]) > 2.5 * abs(blurred[30, 41] - blurred[30, 38])


def test_guided_filter_keeps_a_constant() -> None:
    guide = np.random.default_rng(1).random((40, 40), np.float32)
    assert np.allclose(guided_filter(guide, np.full((40, 40), 0.3, np.float32), 5, 1e-4), 0.3, atol=1e-3)
