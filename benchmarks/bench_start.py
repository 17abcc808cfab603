"""Wall seconds until Parlo is ready, the first time and the second; and from the click to the first picture in Chromium."""

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Spread, print_result
from benchmarks.processes import Neighbours, cpu_s
from benchmarks.product import MeasuredProduct
from tests.browser.visitor import visitor

CLICKS = 8
STARTS = 4
FIRST_PICTURE = """
async () => {
  const video = document.getElementById('avatar-video');
  const start = performance.now();
  document.getElementById('talk').click();
  await new Promise((shown) => video.requestVideoFrameCallback(shown));
  return performance.now() - start;
}
"""


def start(running: MeasuredProduct) -> dict[str, float]:
    """Start it, again if it runs, and wait until it is ready and quiet."""
    running.stop()
    start_s, neighbours = time.monotonic(), Neighbours()
    running.start()
    processes = running.processes().values()
    taken = {
        "wall_s": round(time.monotonic() - start_s, 1),
        "cpu_s": round(sum(map(cpu_s, processes)), 1),
        "neighbours_cores": neighbours.cores(processes),
    }
    running.avatars()
    running.settle()
    return taken


def click_to_picture_ms(running: MeasuredProduct, clicks: int) -> list[float]:
    """A fresh page for each click, in one browser; the first one loads the face as well."""
    code = next(iter(running.avatars().values()))
    taken_ms = []
    with visitor(None) as page:
        for _ in range(clicks):
            page.goto(f"{running.url}/a/{code}/talk/")
            page.wait_for_timeout(1000)
            taken_ms.append(round(page.evaluate(FIRST_PICTURE)))
            page.click("#hangup")
            page.wait_for_timeout(500)
    return taken_ms


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=CLICKS)
    parser.add_argument("--starts", type=int, default=STARTS, help="how many after the first")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="parlo-bench-") as folder:
        running = MeasuredProduct(Path(folder) / "data")
        try:
            first, *later = [start(running) for _ in range(1 + arguments.starts)]
            clicks_ms = click_to_picture_ms(running, arguments.clicks)
        finally:
            running.stop()
    print_result(
        "start",
        first_start=first,
        # The run that was disturbed least.
        second_start=min(later, key=lambda taken: taken["neighbours_cores"]),
        second_starts=later,
        first_click_to_picture_wall_ms=clicks_ms[0],
        click_to_picture_wall_ms=Spread.of(clicks_ms[1:]).as_dict(),
    )


if __name__ == "__main__":
    main()
