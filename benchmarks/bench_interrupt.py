"""Twenty interruptions in a row: from the visitor's first sound to the avatar's silence, at Chromium's loudspeaker.

The brain is a stub that answers at once and at length, so that there is always something to interrupt; ears and voice are the
local ones, and the face is drawn and streamed.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatars.engine.speech import SAMPLE_RATE_HZ, LocalVoice
from benchmarks.bench_serve import REPLY
from benchmarks.measure import Spread, print_result
from benchmarks.processes import Neighbours
from benchmarks.product import MeasuredProduct, product
from tests.agent.stub_server import stub_server
from tests.browser.visitor import LOUDNESS, at_the_loudspeaker, visitor, write_microphone

TIMES = 20
WORDS = (
    "Hold on a moment please. I would like to ask you something else.",
    "Stop there, that is enough. Tell me about the weather instead.",
    "But what about the doctor? You did not say where she lives.",
    "Excuse me, I have another question about the boat.",
    "Wait, I did not understand that. Say it in other words, please.",
)
STYLES = ("man", "deep_man", "alto", "child")
BEFORE_S = 18.0
EVERY_S = 8.5
# Of what is loudest, but for clicks: what counts as the visitor's voice, as the avatar's, and as all that is left of it.
VISITOR_SHARE, VOICE_SHARE, SILENT_SHARE = 0.15, 0.2, 0.02
WITHIN_MS = 1500.0


def interruptions(times: int) -> list[NDArray[np.float32] | float]:
    """What the microphone plays: silence, words, silence, words."""
    parts: list[NDArray[np.float32] | float] = [BEFORE_S]
    for number in range(times):
        words = LocalVoice.shared().say(WORDS[number % len(WORDS)], STYLES[number % len(STYLES)]).samples
        parts += [words, EVERY_S - len(words) / SAMPLE_RATE_HZ]
    return parts


def interrupt(running: MeasuredProduct, times: int, folder: Path) -> dict[str, Any]:
    """One conversation, in which the visitor speaks over the avatar again and again."""
    microphone = folder / "interruptions.wav"
    write_microphone(microphone, *interruptions(times), 60.0, rate_hz=SAMPLE_RATE_HZ)
    code = next(iter(running.avatars().values()))
    running.settle()
    with visitor(microphone, measuring=True) as page:
        page.goto(f"{running.url}/a/{code}/talk/")
        page.click("#talk")
        page.wait_for_selector("[data-state=speaking]", timeout=20_000)
        page.evaluate(LOUDNESS)
        page.fill("#message", "Tell me a story.")
        page.click("#send")
        neighbours = Neighbours(running.processes().values())
        page.wait_for_timeout((BEFORE_S + times * EVERY_S) * 1000)
        neighbours_cores = neighbours.cores(running.processes().values())
        loudness = page.evaluate("window.loudness")
        events = page.evaluate("window.parlo.events")
        still_answers = page.evaluate("document.documentElement.dataset.state") in {"speaking", "thinking"}
    return {
        "times": times,
        **reaction(np.array(loudness["visitor"]), at_the_loudspeaker(loudness), events),
        "answers_after_the_last": still_answers,
        "neighbours_cores": neighbours_cores,
    }


def reaction(visitor: NDArray[np.float64], avatar: NDArray[np.float64], events: list[dict[str, Any]]) -> dict[str, Any]:
    """How soon the avatar fell silent. visitor, avatar: (n, 2), a time in milliseconds and how loud it was then."""
    spoke = visitor[visitor[:, 1] > VISITOR_SHARE * np.percentile(visitor[:, 1], 99), 0]
    begun_ms = spoke[np.r_[True, np.diff(spoke) > 2000]]
    loudest = np.percentile(avatar[:, 1], 98)
    voice_ms, sound_ms = (avatar[avatar[:, 1] > share * loudest, 0] for share in (VOICE_SHARE, SILENT_SHARE))
    told_ms = np.array([event["receivedMs"] for event in events if event["type"] == "interrupted"])
    rows = []
    for begin in begun_ms:
        told = told_ms[(told_ms > begin) & (told_ms < begin + WITHIN_MS)]
        # Who pauses just then is neither slow nor fast.
        if len(told) and ((voice_ms > begin) & (voice_ms < told[0] + WITHIN_MS)).any():
            lowered, silent = (heard[heard < told[0] + WITHIN_MS].max() for heard in (voice_ms, sound_ms))
            rows.append((lowered - begin, told[0] - begin, silent - begin, silent - told[0]))
    if not rows:
        raise SystemExit("The avatar was never interrupted while it spoke: run it on a quieter machine.")
    lowered, noticed, silent, after_that = (list(map(float, column)) for column in zip(*rows, strict=True))
    return {
        "spoken_over": len(begun_ms),
        "interrupted": len(told_ms),
        "judged": len(rows),
        "first_sound_to_low_voice_ms": Spread.of(lowered).as_dict(),
        "first_sound_to_notice_ms": Spread.of(noticed).as_dict(),
        "first_sound_to_silence_ms": Spread.of(silent).as_dict(),
        "notice_to_silence_ms": Spread.of(after_that).as_dict(),
        "every_first_sound_to_silence_ms": [round(value) for value in silent],
    }


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=TIMES)
    arguments = parser.parse_args()
    with stub_server() as stub, tempfile.TemporaryDirectory(prefix="parlo-bench-") as folder:
        stub.says(*REPLY)
        with product(LLM_URL=stub.url, LLM_MODEL="stub", MEDIA_WORKERS="1") as running:
            figures = interrupt(running, arguments.times, Path(folder))
    print_result("interrupt", **figures)


if __name__ == "__main__":
    main()
