"""How many talk at once: one more session after the other, until what arrives is no longer smooth.

The visitors and the brain are those of `serve`, and nobody leaves; the avatars talk without a pause. A step fails when a
visitor gets fewer than 24.5 pictures a second, when frames are begun more than 40 ms late (95th percentile), when sound was left
out, or when a worker lets nobody in any more because it is strained.
"""

import argparse
import asyncio
import os
import time
from typing import Any

from benchmarks.bench_serve import REPLY, WARM_UP_S, WORKERS_WITHIN_S, come, measure
from benchmarks.measure import print_result
from benchmarks.product import MeasuredProduct, product
from benchmarks.visitor import TurnedAway, Visitor
from tests.agent.stub_server import stub_server

LEAST_FPS = 24.5
MOST_LATE_MS = 40.0
MOST = 16


def failings(row: dict[str, Any]) -> list[str]:
    """In what a step does not hold."""
    said = {
        "pictures": row["fps_min"] < LEAST_FPS,
        "late": row["late_ms_p95"] > MOST_LATE_MS,
        # Whatever is skipped leaves a gap in the sound; pictures alone are dropped without that.
        "sound": row["frames_skipped"] > 0,
    }
    return [name for name, failed in said.items() if failed]


async def climb(running: MeasuredProduct, codes: list[str], most: int, seconds: float) -> dict[str, Any]:
    """A row for each number of sessions up to the first that does not hold, and why the ramp ends."""
    visitors: list[Visitor] = []
    rows: list[dict[str, Any]] = []
    ended_by = ["most"]
    while len(visitors) < most:
        try:
            visitors.append(await come(running, codes[len(visitors) % len(codes)], talking=True))
        except TurnedAway:
            ended_by = ["turned away"]
            break
        await visitors[-1].until("speaking")
        await asyncio.sleep(WARM_UP_S)
        rows.append(await measure(running, visitors, talking=True, seconds=seconds))
        if failed := failings(rows[-1]):
            ended_by = failed
            break
    for visitor in visitors:
        await visitor.leave()
    held = [row["sessions"] for row in rows if not failings(row)]
    return {"held": max(held, default=0), "ended_by": ended_by, "rows": rows}


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long each step is measured")
    parser.add_argument("--most", type=int, default=MOST, help="so many sessions, and the ramp ends")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="media workers; one for each core")
    arguments = parser.parse_args()
    limits = {"MEDIA_WORKERS": str(arguments.workers), "MEDIA_WORKER_CAPACITY": str(arguments.most)}
    with stub_server() as stub:
        stub.says(*REPLY)
        with product(LLM_URL=stub.url, LLM_MODEL="stub", **limits) as running:
            codes = list(running.avatars().values())
            deadline_s = time.monotonic() + WORKERS_WITHIN_S
            while len(running.media_workers()) < arguments.workers and time.monotonic() < deadline_s:
                time.sleep(0.5)
            running.settle()
            figures = asyncio.run(climb(running, codes, arguments.most, arguments.seconds))
    print_result("ramp", workers=arguments.workers, cores=os.cpu_count(), **figures)


if __name__ == "__main__":
    main()
