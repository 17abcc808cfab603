"""The loop of a face from a video against the seconds of the clip it was made from."""

from pathlib import Path

import numpy as np
import pytest

from avatars.build.clip import open_clip
from avatars.engine.face.i420 import i420_of
from avatars.quality.idle import ANOTHER, OTHER_RATE, Motion, filmed
from tests.clips import QUIET_FRAMES, SIDE_PX, moving_pictures, painted_clip, write_clip

QUIET = moving_pictures()[:QUIET_FRAMES]


def recipe(path: Path) -> dict[str, object]:
    clip = open_clip(path)
    source = {"width": clip.width, "height": clip.height, "rate_hz": round(clip.rate_hz, 3)}
    return {"source": source, "frame": [0, 0, SIDE_PX, SIDE_PX], "loop": {"first": 10, "last": 60}}


def test_the_clip_itself_moves_as_it_does() -> None:
    seen = filmed(painted_clip(), recipe(painted_clip()), (SIDE_PX, SIDE_PX))
    assert isinstance(seen, Motion)
    drawn = Motion.of(i420_of(picture)[:SIDE_PX] for picture in QUIET[10:61])
    # The film's own coding adds a little.
    assert drawn.step_levels == pytest.approx(seen.step_levels, rel=0.3)
    assert drawn.abruptness == pytest.approx(seen.abruptness, rel=0.3)


def test_shimmer_and_trembling_are_told_from_motion() -> None:
    lumas = [i420_of(picture)[:SIDE_PX] for picture in QUIET[:30]]
    noise = np.random.default_rng(0).integers(-2, 3, (len(lumas), SIDE_PX, SIDE_PX))
    steady, shimmering = (Motion.of(each) for each in (lumas, np.clip(lumas + noise, 0, 255).astype(np.uint8)))
    assert shimmering.step_levels > 1.5 * steady.step_levels
    assert shimmering.abruptness > 1.15 * steady.abruptness


def test_another_film_is_not_compared(tmp_path: Path) -> None:
    wanted = recipe(painted_clip())
    smaller = write_clip(tmp_path / "smaller.mp4", [picture[:256, :256] for picture in QUIET])
    assert filmed(smaller, wanted, (SIDE_PX, SIDE_PX)) == ANOTHER
    assert filmed(tmp_path / "missing.mp4", wanted, (SIDE_PX, SIDE_PX)) == ANOTHER
    slow = write_clip(tmp_path / "slow.mp4", QUIET[::2], rate_hz=12)
    assert filmed(slow, recipe(slow), (SIDE_PX, SIDE_PX)) == OTHER_RATE
