"""Viewers of one room: what each further one costs the media worker. Nobody talks, so that the rest stays the same.

With `--janus` they are served by a Janus, which is started for that and has to be installed.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.measure import print_result
from benchmarks.processes import Neighbours, cpu_s
from benchmarks.product import MeasuredProduct, product
from benchmarks.visitor import Visitor
from tests.rtc.janus_server import Janus, janus

VIEWERS = (1, 3, 8)
VIEWERS_OF_JANUS = (1, 3, 10)
WARM_UP_S = 4.0
ROOM = (
    "from avatars.models import Avatar; from realtime.models import Room; "
    "print(Room.objects.create(avatar=Avatar.objects.get(code='{code}')).watch_code)"
)


async def watch(running: MeasuredProduct, code: str, seconds: float, server: Janus | None) -> list[dict[str, Any]]:
    """A row for each number of viewers, the same ones and more."""
    viewers: list[Visitor] = []
    media, rows = running.processes()["media"], []
    measured = [media, *([server.pid] if server else [])]
    counts_of_viewers = VIEWERS_OF_JANUS if server else VIEWERS
    for count in counts_of_viewers:
        while len(viewers) < count:
            viewers.append(Visitor(running.url, code, room=True))
            await viewers[-1].join()
        if count == counts_of_viewers[0]:
            await viewers[0].greeted()
        await asyncio.sleep(WARM_UP_S)
        before = [viewer.received.copy() for viewer in viewers]
        start_s, used_s, neighbours = time.monotonic(), [cpu_s(one) for one in measured], Neighbours(measured)
        await asyncio.sleep(seconds)
        neighbours_cores, wall_s = neighbours.cores(measured), time.monotonic() - start_s
        used_s = [cpu_s(one) - before_s for one, before_s in zip(measured, used_s, strict=True)]
        arrived = [viewer.received - earlier for viewer, earlier in zip(viewers, before, strict=True)]
        rows.append(
            {
                "viewers": count,
                "media_core_percent": round(100 * used_s[0] / wall_s, 1),
                **({"janus_core_percent": round(100 * used_s[1] / wall_s, 1)} if server else {}),
                "fps_min": round(min(counts["pictures"] for counts in arrived) / wall_s, 2),
                "audio_packets_per_s_min": round(min(counts["audio_packets"] for counts in arrived) / wall_s, 2),
                "neighbours_cores": neighbours_cores,
            }
        )
    for viewer in viewers:
        await viewer.leave()
    return rows


@contextmanager
def started_janus() -> Iterator[Janus]:
    """A Janus in a folder of its own; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="parlo-janus-") as folder, janus(Path(folder)) as server:
        yield server


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each row is measured")
    parser.add_argument("--janus", action="store_true", help="let a Janus serve the viewers")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        server = stack.enter_context(started_janus()) if arguments.janus else None
        running = stack.enter_context(product(MEDIA_WORKERS="1", **(server.settings if server else {})))
        avatar = next(iter(running.avatars().values()))
        running.settle()
        code = running.manage("shell", "-v", "0", "-c", ROOM.format(code=avatar)).split()[-1]
        rows = asyncio.run(watch(running, code, arguments.seconds, server))
    first, last = rows[0], rows[-1]
    further = (last["media_core_percent"] - first["media_core_percent"]) / (last["viewers"] - first["viewers"])
    print_result("room", rows=rows, janus=arguments.janus, core_percent_per_further_viewer=round(further, 2))


if __name__ == "__main__":
    main()
