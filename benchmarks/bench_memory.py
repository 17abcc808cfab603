"""Resident memory of every process: after the start, and while two avatars talk. Local ears, brain and voice."""

import asyncio
from typing import Any

from benchmarks.measure import print_result
from benchmarks.processes import memory, peak_mb
from benchmarks.product import MeasuredProduct, product
from benchmarks.visitor import Visitor

SESSIONS = 2
TURNS = 5
QUESTIONS = ("Who are you?", "What do you like best?", "Tell me something about the sea.")


def weigh(running: MeasuredProduct) -> dict[str, Any]:
    """Megabytes of each process, and of all."""
    found = {role: memory(process) for role, process in running.processes().items()}
    return {
        "pss_mb": {role: weight.pss_mb for role, weight in found.items()},
        "rss_mb": {role: weight.rss_mb for role, weight in found.items()},
        "all_pss_mb": round(sum(weight.pss_mb for weight in found.values())),
        "all_rss_mb": round(sum(weight.rss_mb for weight in found.values())),
    }


async def converse(running: MeasuredProduct, codes: list[str]) -> dict[str, Any]:
    """The weight in the middle of the last turn of conversations with these avatars."""
    visitors = [Visitor(running.url, code) for code in codes]
    for visitor in visitors:
        await visitor.join()
        await visitor.greeted()
    for turn in range(TURNS):
        for visitor in visitors:
            visitor.say(QUESTIONS[turn % len(QUESTIONS)])
        for visitor in visitors:
            await visitor.until("speaking")
        if turn < TURNS - 1:
            for visitor in visitors:
                await visitor.until("listening")
    weights = weigh(running)
    for visitor in visitors:
        await visitor.leave()
    return weights


def main() -> None:
    """Print one JSON object."""
    with product() as running:
        codes = list(running.avatars().values())[:SESSIONS]
        running.settle()
        built = weigh(running)
        # Started again: nothing is left of the builds.
        running.stop()
        running.start()
        running.settle()
        idle = weigh(running)
        talking = asyncio.run(converse(running, codes))
        peaks = {role: peak_mb(process) for role, process in running.processes().items()}
    print_result("memory", idle=idle, idle_after_builds=built, two_sessions_talking=talking, peak_rss_mb=peaks)


if __name__ == "__main__":
    main()
