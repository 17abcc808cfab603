"""Lessons: what is heard and what the mouth should do, step by step of 20 ms, for the whole corpus.

They are made in passes: in each, every clip is heard once, in another place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from avatars.engine.controls import FRAME_MS, Control
from avatars.engine.speech.audio_driver import REGRESSED
from avatars.engine.speech.coarticulation import LEAD_S, frame_count, mouth_from_phones
from avatars.engine.speech.mel import PAST_SAMPLES, STEP_MS, STEP_SAMPLES, log_mel
from avatars.engine.speech.phones import SILENCE
from avatars.engine.speech.spoken import Phone
from avatars.engine.speech.training.alterations import altered, not_speech
from avatars.engine.speech.training.clips import SYMBOLS, Array, load
from avatars.engine.speech.training.corpus import SOURCES
from avatars.engine.speech.training.texts import Part

SEED: Final = 12
PASSES: Final = 2
NOT_SPEECH: Final = 0.04
CLOSED: Final = len(REGRESSED)
MOVING: Final = CLOSED + 1
TARGETS: Final = MOVING + 1
# A step is the mouth this long after the step's number times 20 ms.
OFFSET_S: Final = 0.010
STILL: Final = 1e-3


# What is heard is kept in steps of 1.25 dB, a quarter of how far noise varies from window to window; the mouth in hundredths.
HEARD_UNIT: Final = 1 / 16
HEARD_LOWEST: Final = -1.5
MOUTH_UNIT: Final = 1 / 100


@dataclass(frozen=True, slots=True)
class Lessons:
    """One long tape.

    heard: (steps, FEATURES) uint8, in `HEARD_UNIT` above `HEARD_LOWEST`. mouth: (steps, TARGETS) int8, in `MOUTH_UNIT`:
    the regressed controls, closed (0 or 1), moving (0 or 1). phone: (steps,) uint8, index into `SYMBOLS`.
    """

    heard: NDArray[np.uint8]
    mouth: NDArray[np.int8]
    phone: NDArray[np.uint8]

    def save(self, path: Path) -> None:
        """Write the tape into one file."""
        np.savez_compressed(path, heard=self.heard, mouth=self.mouth, phone=self.phone)


def load_lessons(paths: Sequence[Path]) -> Lessons:
    """The tapes in these files, one after the other. Raises FileNotFoundError."""
    tapes = [np.load(path, allow_pickle=False) for path in paths]
    return Lessons(*(np.concatenate([tape[name] for tape in tapes]) for name in ("heard", "mouth", "phone")))


def mouth_at_steps(phones: Sequence[Phone], duration_s: float) -> tuple[Array, NDArray[np.uint8]]:
    """Mouth (steps, TARGETS) and phone (steps,) at each step's moment: `OFFSET_S` + number * 20 ms."""
    frames = frame_count(duration_s)
    step_s = STEP_MS / 1000
    steps = np.zeros((frames * 2, TARGETS), np.float32)
    for phase in range(2):
        # Frames show the moment half a frame and the lead after they begin: move the phones so that it is the step's.
        later_s = FRAME_MS / 2000 + LEAD_S - OFFSET_S - phase * step_s
        moved = [Phone(p.symbol, p.start_s + later_s, p.end_s + later_s) for p in phones]
        track = mouth_from_phones([Phone(SILENCE, 0, later_s), *moved], duration_s)
        steps[phase::2, :CLOSED] = track[:, list(REGRESSED)]
        steps[phase::2, CLOSED] = track[:, Control.SEAL] >= 0.5
        steps[phase::2, MOVING] = np.abs(track[:, : Control.RELAX]).max(axis=1) > STILL
    moments = OFFSET_S + np.arange(len(steps)) * step_s
    ends = np.array([phone.end_s for phone in phones])
    at = np.minimum(np.searchsorted(ends, moments, side="right"), len(phones) - 1)
    names = np.array([SYMBOLS.index(phone.symbol) for phone in phones], np.uint8)
    return steps, names[at]


def hear(samples: Array, steps: int) -> Array:
    """Features (steps, FEATURES) of a whole clip."""
    wanted = steps * STEP_SAMPLES
    padded = np.zeros(PAST_SAMPLES + wanted, np.float32)
    samples = samples[:wanted]
    padded[PAST_SAMPLES : PAST_SAMPLES + len(samples)] = samples
    return log_mel(padded)


def make(folder: Path, number: int) -> Lessons:
    """The lessons of one pass through the corpus in `folder`, in an order that is always the same."""
    random = np.random.default_rng([SEED, number])
    clips = [
        clip for name, source in SOURCES.items() if source.part is Part.TRAIN for clip in load(folder / f"{name}.npz")
    ]
    heard: list[NDArray[np.uint8]] = []
    mouth: list[NDArray[np.int8]] = []
    phone: list[NDArray[np.uint8]] = []
    for index in random.permutation(len(clips)):
        if random.random() < NOT_SPEECH:
            samples = not_speech(random, 4.0)
            targets = np.zeros((len(samples) // STEP_SAMPLES, TARGETS), np.float32)
            names = np.full(len(targets), SYMBOLS.index(SILENCE), np.uint8)
        else:
            clip = altered(clips[index], clips, random)
            samples = clip.samples
            targets, names = mouth_at_steps(clip.phones, clip.duration_s)
        levels = (hear(samples, len(targets)) - HEARD_LOWEST) / HEARD_UNIT
        heard.append(np.clip(np.round(levels), 0, 255).astype(np.uint8))
        mouth.append(np.round(targets / MOUTH_UNIT).astype(np.int8))
        phone.append(names)
    return Lessons(np.concatenate(heard), np.concatenate(mouth), np.concatenate(phone))
