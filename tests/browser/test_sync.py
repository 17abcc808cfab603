"""Picture and sound in Chromium: a flash and its beep. What a quiet machine has to keep to is in `benchmarks/bench_sync.py`."""

from pathlib import Path

import numpy as np
import pytest

from tests.browser.flash_and_beep import Seen, watched

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(180)]

SETTLING_MS = 10_000
MEASURED_MS = 20_000
# A machine that does much else shows pictures when it gets round to it.
APART_MS = 120


def test_a_flash_is_seen_when_its_beep_is_heard(tmp_path: Path) -> None:
    with watched(tmp_path) as (page, studio):
        begun_ms = page.evaluate("performance.now()")
        page.wait_for_timeout(SETTLING_MS + MEASURED_MS)
        seen = Seen.by(page)
    pairs = seen.offsets(begun_ms + SETTLING_MS)
    assert len(pairs) >= 8, f"{len(pairs)} flashes came with their beeps, of {len(seen.flashes)} and {len(seen.beeps)}"
    later_ms = float(np.median(pairs[:, 1]))
    assert abs(later_ms) <= APART_MS, f"pictures are shown {later_ms:.0f} ms after their sound"
    picture = seen.received["picture"]
    assert picture["framesDecoded"] > 0.8 * 25 * (SETTLING_MS + MEASURED_MS) / 1000
    # One for who joins; every further one was asked for, or begins another rung.
    assert picture["keyFramesDecoded"] <= 1 + picture["pliCount"] + studio.rung_changes
