"""What a media worker holds after many conversations, and in a long one: what grows there with no end is a leak.

One visitor after the other comes, is greeted, asks something, hears the answer and leaves; then one stays for long and asks
again and again. The brain is a stub that answers at once; ears and voice are the local ones. None of these figures is in
wall time, so the machine may do other things meanwhile.
"""

import argparse
import asyncio
import sys
import time
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.bench_serve import REPLY
from benchmarks.measure import print_result
from benchmarks.processes import held
from benchmarks.product import MeasuredProduct, product
from benchmarks.visitor import Visitor
from tests.agent.stub_server import stub_server

CYCLES = 50
MINUTES = 30.0
# What is loaded or kept at the first conversations is no leak.
SETTLED_AFTER_CYCLES = 10
SETTLED_AFTER_MINUTES = 5
OVER_WITHIN_S = 60.0
QUESTION = "What happened then?"


def look(running: MeasuredProduct) -> dict[str, float]:
    """What the media worker holds."""
    (worker,) = running.media_workers()
    return {**asdict(held(worker)), "tasks": gauge(running, "tasks")}


def gauge(running: MeasuredProduct, what: str) -> int:
    """One of the worker's own counts, as /metrics tells it."""
    lines = running.text("/metrics").splitlines()
    return int(float(next(line for line in lines if line.startswith(f"parlo_media_worker_{what}{{")).split()[-1]))


async def conversation(running: MeasuredProduct, code: str) -> bool:
    """Come, be greeted, ask, hear the answer, leave; until the worker has let go of it. False when the avatar fell silent."""
    visitor = Visitor(running.url, code)
    await visitor.join()
    answered = True
    try:
        await visitor.until("speaking")
        await visitor.until("listening")
        visitor.say(QUESTION)
        await visitor.until("speaking")
        await visitor.until("listening")
    except TimeoutError:
        # A connection may break where others work on the same machine. That nothing is left of it is wanted all the more.
        answered = False
        print(f"The avatar stays {visitor.state or 'away'}.\n{running.log_tail(600)}", file=sys.stderr, flush=True)
    await visitor.leave()
    await alone(running)
    return answered


async def alone(running: MeasuredProduct) -> None:
    """Wait until the worker holds nobody and has said so."""
    deadline_s = time.monotonic() + OVER_WITHIN_S
    # Told with a beat: what was counted before the end of the last conversation may still stand there for one.
    await asyncio.sleep(1.5)
    while await asyncio.to_thread(gauge, running, "sessions"):
        if time.monotonic() > deadline_s:
            raise SystemExit("The media worker does not let go of a conversation that is over.")
        await asyncio.sleep(0.5)


async def come_and_go(running: MeasuredProduct, codes: list[str], cycles: int) -> dict[str, Any]:
    """So many conversations, one after the other: what is held before the first and after each."""
    await alone(running)
    points, broken = [{"at": 0.0, **look(running)}], 0
    for number in range(cycles):
        broken += not await conversation(running, codes[number % len(codes)])
        points.append({"at": number + 1.0, **look(running)})
        print(points[-1], file=sys.stderr, flush=True)
    if broken > cycles / 10:
        raise SystemExit(f"Of {cycles} conversations {broken} broke off: there is something wrong besides leaks.")
    return {"broken_off": broken, **growth(points, SETTLED_AFTER_CYCLES)}


async def stay(running: MeasuredProduct, code: str, minutes: float) -> list[dict[str, float]]:
    """One conversation of so many minutes: what is held at its beginning and after each."""
    visitor = Visitor(running.url, code)

    def ask_again(event: dict[str, Any]) -> None:
        # Events are looked at one by one; hours of them are not to be kept here.
        visitor.events.clear()
        if event["type"] == "state" and event["state"] == "listening":
            visitor.say(QUESTION)

    visitor.on_event = ask_again
    await visitor.join()
    await visitor.until("speaking")
    start_s = time.monotonic()
    points = []
    for minute in range(int(minutes) + 1):
        await asyncio.sleep(max(0.0, start_s + 60 * minute - time.monotonic()))
        points.append({"at": float(minute), **await asyncio.to_thread(look, running)})
        print(points[-1], file=sys.stderr, flush=True)
    spoken_s = visitor.spoken_s()
    await visitor.leave()
    await alone(running)
    if spoken_s < 60 * minutes / 2:
        raise SystemExit(f"The avatar spoke for {spoken_s:.0f} s only: this was no conversation.")
    return points


def growth(points: list[dict[str, float]], settled_at: float) -> dict[str, Any]:
    """First, settled, last and most of everything held, and its slope for each conversation or minute, from settled on."""
    settled = [point for point in points if point["at"] >= min(settled_at, points[-1]["at"] / 2)]
    at = [point["at"] for point in settled]
    return {
        "count": points[-1]["at"],
        "settled_at": settled[0]["at"],
        "held": {
            name: {
                "first": points[0][name],
                "settled": settled[0][name],
                "last": points[-1][name],
                "most": max(point[name] for point in points),
                "slope": round(float(np.polyfit(at, [point[name] for point in settled], 1)[0]), 4)
                if len(at) > 1
                else 0.0,
            }
            for name in points[0]
            if name != "at"
        },
        "points": points,
    }


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=CYCLES, help="how many conversations, one after the other")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="how long the one after them lasts; 0 is none")
    arguments = parser.parse_args()
    parts: dict[str, Any] = {}
    with stub_server() as stub:
        limits = {"MEDIA_WORKERS": "1", "MEDIA_WORKER_CAPACITY": "1"}
        with product(LLM_URL=stub.url, LLM_MODEL="stub", **limits) as running:
            codes = list(running.avatars().values())
            running.settle()
            if arguments.cycles:
                stub.says(REPLY[0])
                parts["conversations"] = asyncio.run(come_and_go(running, codes, arguments.cycles))
            if arguments.minutes:
                stub.says(*REPLY)
                points = asyncio.run(stay(running, codes[0], arguments.minutes))
                parts["minutes"] = growth(points, SETTLED_AFTER_MINUTES)
    print_result("soak", **parts)


if __name__ == "__main__":
    main()
