"""Live sessions on one media worker and on one for each core: what arrives at the visitors, and what a session costs.

The visitors are light: they count packets, decode nothing, and their microphones play a quiet room. The brain is a stub that
answers at once and at length, so that the avatars talk without a pause; ears and voice are the local ones.
"""

import argparse
import asyncio
import os
import random
import time
from functools import partial
from typing import Any

from benchmarks.measure import print_result
from benchmarks.processes import Neighbours, cpu_s, main_thread_cpu_s
from benchmarks.product import MeasuredProduct, product
from benchmarks.visitor import Visitor
from tests.agent.stub_server import Stub, stub_server

SESSIONS = (1, 2, 4)
SESSIONS_ON_ALL_CORES = (4, 6, 8)
WORKERS_WITHIN_S = 60.0
WARM_UP_S = 6.0
APART_S = 0.4
PICTURES_PER_S = 25
REPLY = (
    "Last winter the old ferry stopped running, so my neighbours built a boat of their own. ",
    "It took them eleven weeks, a great deal of rope, and every plank that the mill could spare. ",
    "On the first morning half the village came down to the water to see whether it would float. ",
    "It did, although it leaned a little to the left, and nobody has dared to mention that since. ",
    "Now it carries bread, letters and the doctor, and on Sundays it carries whoever wants to sing. ",
    "Maybe you would like to come along and hear them, because they are better every month.",
)


async def serve(running: MeasuredProduct, codes: list[str], *, talking: bool, seconds: float) -> dict[str, Any]:
    """So many sessions at once, for so many seconds."""
    visitors = [await come(running, code, talking=talking) for code in codes]
    for visitor in visitors:
        await (visitor.until("speaking") if talking else visitor.greeted())
    await asyncio.sleep(WARM_UP_S)
    row = await measure(running, visitors, talking=talking, seconds=seconds)
    for visitor in visitors:
        await visitor.leave()
    return row


async def come(running: MeasuredProduct, code: str, *, talking: bool) -> Visitor:
    """One more visitor, who asks again whenever the avatar has answered if they talk."""
    visitor = Visitor(running.url, code)
    if talking:
        visitor.on_event = partial(_ask_again, visitor)
    await visitor.join()
    # Visitors do not come in step.
    await asyncio.sleep(APART_S + random.random() * APART_S)
    return visitor


async def measure(
    running: MeasuredProduct, visitors: list[Visitor], *, talking: bool, seconds: float
) -> dict[str, Any]:
    """What arrives at these visitors, and what they cost, over so many seconds."""
    media = running.media_workers()
    others = [process for role, process in running.processes().items() if role != "media"]
    before = [visitor.received.copy() for visitor in visitors]
    spoken_s = sum(visitor.spoken_s() for visitor in visitors)
    skipped = [visitor.last("stats")["frames_skipped"] for visitor in visitors]
    start_s, sinks_s = time.monotonic(), time.process_time()
    media_s, loop_s = sum(map(cpu_s, media)), sum(map(main_thread_cpu_s, media))
    others_s, neighbours = sum(map(cpu_s, others)), Neighbours([*media, *others])
    await asyncio.sleep(seconds)
    neighbours_cores = neighbours.cores([*media, *others])
    wall_s = time.monotonic() - start_s
    media_s, loop_s = sum(map(cpu_s, media)) - media_s, sum(map(main_thread_cpu_s, media)) - loop_s
    others_s, sinks_s = sum(map(cpu_s, others)) - others_s, time.process_time() - sinks_s
    spoken_s = sum(visitor.spoken_s() for visitor in visitors) - spoken_s
    arrived = [visitor.received - earlier for visitor, earlier in zip(visitors, before, strict=True)]
    stats = [visitor.last("stats") for visitor in visitors]

    def percent(spent_s: float) -> float:
        return round(100 * spent_s / wall_s / len(visitors), 1)

    pictures = [counts["pictures"] / wall_s for counts in arrived]
    frames_percent = round(stats[0]["work_ms_per_frame"] * PICTURES_PER_S / 10, 1)
    return {
        "workers": len(media),
        "sessions": len(visitors),
        "talking": talking,
        "speaking_share": round(spoken_s / wall_s / len(visitors), 2),
        "fps_min": round(min(pictures), 2),
        "fps_mean": round(sum(pictures) / len(pictures), 2),
        "audio_packets_per_s_min": round(min(counts["audio_packets"] for counts in arrived) / wall_s, 2),
        "video_kbit_s": round(sum(counts["video_bytes"] for counts in arrived) / wall_s / len(visitors) / 125),
        "media_core_percent_per_session": percent(media_s),
        "of_it_frames": frames_percent,
        "of_it_event_loop": percent(loop_s),
        "of_it_voice_and_the_rest": round(percent(media_s) - percent(loop_s) - frames_percent, 1),
        "work_ms_per_frame": stats[0]["work_ms_per_frame"],
        "late_ms_p95": max(stat["late_ms_p95"] for stat in stats),
        "frames_skipped": sum(stat["frames_skipped"] for stat in stats) - sum(skipped),
        "other_processes_core_percent": round(100 * others_s / wall_s, 1),
        "visitors_core_percent_each": percent(sinks_s),
        "neighbours_cores": neighbours_cores,
    }


def _ask_again(visitor: Visitor, event: dict[str, Any]) -> None:
    if event["type"] == "state" and event["state"] == "listening":
        visitor.say("What happened then?")


def measured(stub: Stub, workers: int, counts: list[tuple[int, bool]], seconds: float) -> list[dict[str, Any]]:
    """The product with so many media workers, and in it so many sessions at once, talking or not."""
    most = max(count for count, _ in counts)
    limits = {"MEDIA_WORKERS": str(workers), "MEDIA_WORKER_CAPACITY": str(-(-most // workers))}
    with product(LLM_URL=stub.url, LLM_MODEL="stub", **limits) as running:
        codes = list(running.avatars().values())
        deadline_s = time.monotonic() + WORKERS_WITHIN_S
        while len(running.media_workers()) < workers and time.monotonic() < deadline_s:
            time.sleep(0.5)
        rows = []
        for count, talking in counts:
            running.settle()
            chosen = [codes[number % len(codes)] for number in range(count)]
            rows.append(asyncio.run(serve(running, chosen, talking=talking, seconds=seconds)))
        return rows


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long each row is measured")
    parser.add_argument("--sessions", type=int, action="append", help="how many at once; may be given again")
    arguments = parser.parse_args()
    rows = []
    with stub_server() as stub:
        stub.says(*REPLY)
        one = arguments.sessions or SESSIONS
        rows += measured(stub, 1, [(1, False), *((count, True) for count in one)], arguments.seconds)
        if (cores := os.cpu_count() or 1) > 1:
            several = arguments.sessions or SESSIONS_ON_ALL_CORES
            rows += measured(stub, cores, [(count, True) for count in several], arguments.seconds)
    print_result("serve", rows=rows)


if __name__ == "__main__":
    main()
