"""The report: every driver on every set of voices, as a table."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from avatars.engine.speech.audio_driver import AudioDriver
from avatars.engine.speech.coarticulation import mouth_from_phones
from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from avatars.engine.speech.training import recordings
from avatars.engine.speech.training.clips import Array, Clip, load
from avatars.engine.speech.training.loudness import mouth_from_loudness
from avatars.engine.speech.training.score import Driver, score, shuffled

SYNTHETIC: Final = {
    "espeak-test": "espeak, other text",
    "flite-test": "flite, other text",
    "parlo-test": "Parlo's voice, other text",
    "flite-slt-test": "slt (flite), unknown voice",
    "piper-test": "Piper's joe, unknown engine",
    "festival-slt-test": "slt (Festival HTS), unknown voice",
}


def _by_phones(clip: Clip) -> Array:
    return mouth_from_phones(clip.phones, clip.duration_s)


def _by_loudness(clip: Clip) -> Array:
    return mouth_from_loudness(clip.samples)


def _heard(*, low_latency: bool) -> Driver:
    def drive(clip: Clip) -> Array:
        driver = AudioDriver(low_latency=low_latency)
        return np.concatenate([driver.push(clip.samples), driver.finish()])

    return drive


def table(folder: Path, sounds: Sequence[Path]) -> str:
    """A table in Markdown. What is not installed of the recordings is left out."""
    sets = {label: load(folder / f"{name}.npz") for name, label in SYNTHETIC.items()}
    people = recordings.listed("test", sounds)
    sets[f"people, {len(people)} recordings"] = people
    choosing = recordings.listed("choose", sounds)
    sets[f"people, {len(choosing)} recordings used to choose thresholds"] = choosing
    try:
        prompts = recordings.prompts()
        sets[f"a professional speaker, {len(prompts)} telephone prompts"] = prompts
    except FileNotFoundError:
        pass
    rows = ["| voices | driver | jaw r | rounding r | closures | recall | precision | F1 | jitter |", "|" + "---|" * 9]
    for label, clips in sets.items():
        if not clips:
            continue
        full = _heard(low_latency=False)
        drivers = {
            "phones": _by_phones,
            "audio driver, 120 ms": full,
            "audio driver, 80 ms": _heard(low_latency=True),
            "plain loudness": _by_loudness,
            "audio driver, other sound": shuffled(full, clips),
        }
        for name, driver in drivers.items():
            s = score(clips, driver)
            numbers = f"{s.jaw:.2f} | {s.round:.2f} | {s.closures} | {s.recall:.2f} | {s.precision:.2f} | {s.f1:.2f}"
            rows.append(f"| {label} | {name} | {numbers} | {s.jitter:.3f} |")
    return "\n".join(rows)


def speed() -> str:
    """CPU time on this machine: of 40 ms that come alone, and of a second in a whole minute."""
    sound = np.random.default_rng(1).normal(0, 0.1, 60 * SAMPLE_RATE_HZ).astype(np.float32)
    driver = AudioDriver()
    driver.push(sound[:SAMPLE_RATE_HZ])
    spent = []
    for at in range(0, len(sound), SAMPLES_PER_FRAME):
        begun = time.thread_time()
        driver.push(sound[at : at + SAMPLES_PER_FRAME])
        spent.append(1000 * (time.thread_time() - begun))
    begun = time.thread_time()
    AudioDriver().push(sound)
    whole = 1000 * (time.thread_time() - begun) / 60
    median, high = np.percentile(spent, (50, 95))
    return f"{median:.2f} ms of CPU for 40 ms (p95 {high:.2f}), {whole:.1f} ms for each second of a minute at once"
