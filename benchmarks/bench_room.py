"""Viewers of one room: what each further one costs the media worker. Nobody talks, so that the rest stays the same."""

import argparse
import asyncio
import time
from typing import Any

from benchmarks.measure import print_result
from benchmarks.processes import Neighbours, cpu_s
from benchmarks.product import MeasuredProduct, product
from benchmarks.visitor import Visitor

VIEWERS = (1, 3, 8)
WARM_UP_S = 4.0
ROOM = (
    "from avatars.models import Avatar; from realtime.models import Room; "
    "print(Room.objects.create(avatar=Avatar.objects.get(code='{code}')).watch_code)"
)


async def watch(running: MeasuredProduct, code: str, seconds: float) -> list[dict[str, Any]]:
    """A row for each number of viewers, the same ones and more."""
    viewers: list[Visitor] = []
    media, rows = running.processes()["media"], []
    for count in VIEWERS:
        while len(viewers) < count:
            viewers.append(Visitor(running.url, code, room=True))
            await viewers[-1].join()
        if count == VIEWERS[0]:
            await viewers[0].greeted()
        await asyncio.sleep(WARM_UP_S)
        before = [viewer.received.copy() for viewer in viewers]
        start_s, used_s, neighbours = time.monotonic(), cpu_s(media), Neighbours([media])
        await asyncio.sleep(seconds)
        neighbours_cores, wall_s = neighbours.cores([media]), time.monotonic() - start_s
        used_s = cpu_s(media) - used_s
        arrived = [viewer.received - earlier for viewer, earlier in zip(viewers, before, strict=True)]
        rows.append(
            {
                "viewers": count,
                "media_core_percent": round(100 * used_s / wall_s, 1),
                "fps_min": round(min(counts["pictures"] for counts in arrived) / wall_s, 2),
                "audio_packets_per_s_min": round(min(counts["audio_packets"] for counts in arrived) / wall_s, 2),
                "neighbours_cores": neighbours_cores,
            }
        )
    for viewer in viewers:
        await viewer.leave()
    return rows


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each row is measured")
    arguments = parser.parse_args()
    with product(MEDIA_WORKERS="1") as running:
        avatar = next(iter(running.avatars().values()))
        running.settle()
        code = running.manage("shell", "-v", "0", "-c", ROOM.format(code=avatar)).split()[-1]
        rows = asyncio.run(watch(running, code, arguments.seconds))
    first, last = rows[0], rows[-1]
    further = (last["media_core_percent"] - first["media_core_percent"]) / (last["viewers"] - first["viewers"])
    print_result("room", rows=rows, core_percent_per_further_viewer=round(further, 2))


if __name__ == "__main__":
    main()
