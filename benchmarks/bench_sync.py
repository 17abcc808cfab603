"""Picture and sound at the visitor: a flash and a beep of the same moment, as Chromium shows the one and plays the other.

The media worker's clock, encoders, outlet, tracks and connection send a face with a square that is white now and then, and a
beep in place of a voice.
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import print_result
from benchmarks.processes import Neighbours, descendants
from tests.browser.flash_and_beep import Seen, watched

MINUTES = 2.0
# A browser needs so long to bring picture and sound together.
SETTLING_MS = 20_000.0
FIRST_MS = 10_000.0
FRAME_MS = 40.0
FREEZE_MS = 100.0
FEW = 20


def offsets(pairs: NDArray[np.float64]) -> dict[str, Any]:
    """How much later flashes are shown than their beeps are played. pairs: (n, 2), when and how much, in milliseconds."""
    later = pairs[:, 1]
    quarter = len(later) // 4
    p10, p50, p90 = (round(float(value), 1) for value in np.percentile(later, (10, 50, 90)))
    return {
        "count": len(later),
        "p10": p10,
        "p50": p50,
        "p90": p90,
        "last_quarter_against_first": round(float(np.median(later[-quarter:]) - np.median(later[:quarter])), 1),
    }


def figures(seen: Seen, begun_ms: float, received_before: dict[str, Any]) -> dict[str, Any]:
    """What the browser saw once it had settled, and how it was in the first seconds."""
    settled_ms = begun_ms + SETTLING_MS
    pairs, first = seen.offsets(settled_ms), seen.offsets(begun_ms)
    if len(pairs) < FEW:
        raise SystemExit(
            f"Only {len(pairs)} flashes came with their beeps: run it for longer, or on a quieter machine."
        )
    first = first[first[:, 0] < begun_ms + FIRST_MS]
    waits = seen.waits_ms(settled_ms)
    frozen = waits[waits > FRAME_MS + FREEZE_MS]
    lags = seen.lags[seen.lags[:, 0] > settled_ms][:, 1]
    picture, before = seen.received["picture"], received_before["picture"]
    sound, sound_before = seen.received["sound"], received_before["sound"]

    def later(name: str) -> float:
        return round(float(picture.get(name, 0)) - float(before.get(name, 0)), 3)

    return {
        "picture_after_sound_ms": offsets(pairs),
        "in_the_first_seconds_ms": round(float(np.median(first[:, 1])), 1) if len(first) else None,
        "the_browser_thinks_ms": round(float(np.nanmedian(lags)), 1),
        "flashes": int((seen.flashes > settled_ms).sum()),
        "pictures": len(waits),
        "freezes": len(frozen),
        "longest_wait_ms": round(float(waits.max()), 1),
        "freezes_as_the_browser_counts": later("freezeCount"),
        "frozen_s_as_the_browser_counts": later("totalFreezesDuration"),
        "key_frames": picture["keyFramesDecoded"],
        "key_frames_after_settling": later("keyFramesDecoded"),
        "key_frames_asked_for": picture["pliCount"],
        "pictures_dropped": later("framesDropped"),
        "sound_concealed_ms": round((sound["concealedSamples"] - sound_before["concealedSamples"]) / 48, 1),
    }


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="how long is measured, after the first seconds")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="parlo-bench-") as folder, watched(Path(folder)) as (page, studio):
        begun_ms = page.evaluate("performance.now()")
        page.wait_for_timeout(SETTLING_MS)
        before = Seen.by(page).received
        neighbours = Neighbours(descendants(os.getpid()))
        page.wait_for_timeout(arguments.minutes * 60_000)
        neighbours_cores = neighbours.cores(descendants(os.getpid()))
        seen = Seen.by(page)
    print_result(
        "sync",
        minutes=arguments.minutes,
        **figures(seen, begun_ms, before),
        rung_changes=studio.rung_changes,
        neighbours_cores=neighbours_cores,
        load=os.getloadavg()[0],
    )


if __name__ == "__main__":
    main()
