"""Spoken questions to the whole product: through the microphone of a visitor, while the face is drawn and streamed."""

import asyncio
import time
from typing import Any

from benchmarks.measure import Spread
from benchmarks.processes import Neighbours
from benchmarks.product import MeasuredProduct, product
from benchmarks.visitor import MICROPHONE_RATE_HZ, Ear, Visitor
from realtime.agent.protocols import Samples

MARKS = ("transcript", "turn_decided", "first_token", "first_audio", "first_frame")
BEFORE_S = 1.0


async def converse(running: MeasuredProduct, questions: list[Samples], ends_s: list[float]) -> dict[str, Any]:
    """One conversation; the first question is asked once more before, to warm up.

    questions: each (n,) at `MICROPHONE_RATE_HZ`. ends_s: where the speech in each ends.
    """
    visitor = Visitor(running.url, next(iter(running.avatars().values())))
    visitor.on_voice = ear = Ear()
    await visitor.join()
    await visitor.greeted()
    neighbours = Neighbours(running.processes().values())
    heard_ms: list[float] = []
    begun = 0
    pictures = start_s = 0.0
    for number, (question, end_s) in enumerate([(questions[0], ends_s[0]), *zip(questions, ends_s, strict=True)]):
        await asyncio.sleep(BEFORE_S)
        if number == 1:
            begun, heard_ms = len(visitor.events), []
            pictures, start_s = visitor.received["pictures"], time.monotonic()
        ear.loud_s = None
        visitor.microphone.say(question)
        await visitor.until("speaking")
        await visitor.until("listening")
        spoken_s = visitor.microphone.finished_s - len(question) / MICROPHONE_RATE_HZ + end_s
        if ear.loud_s is not None:
            heard_ms.append((ear.loud_s - spoken_s) * 1000)
    fps = (visitor.received["pictures"] - pictures) / (time.monotonic() - start_s)
    stats, neighbours_cores = visitor.last("stats"), neighbours.cores(running.processes().values())
    await visitor.leave()
    events = visitor.events[begun:]
    marks = [event["marks"] for event in events if event["type"] == "latency"]
    said = [(event["who"], event["text"]) for event in events if event["type"] == "caption" and event["final"]]
    return {
        "turns": len(questions),
        "latency_events": len(marks),
        "speech_end_to_sound_at_visitor_ms": Spread.of(heard_ms).as_dict(),
        "marks_ms": {name: Spread.of([float(mark[name]) for mark in marks]).as_dict() for name in MARKS},
        "fps": round(fps, 2),
        "frames_skipped": stats["frames_skipped"],
        "neighbours_cores": neighbours_cores,
        "heard": [text for who, text in said if who == "user"],
        "answers": [text for who, text in said if who == "avatar"],
    }


def live_talk(questions: list[Samples], ends_s: list[float]) -> dict[str, Any]:
    """The same in a product of its own, with the local ears, brain and voice."""
    with product() as running:
        running.avatars()
        running.settle()
        return asyncio.run(converse(running, questions, ends_s))
