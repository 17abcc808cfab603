"""Clips: sound with phones, and whole collections of them in one file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soxr
from numpy.typing import NDArray

from avatars.engine.speech.pauses import with_pauses
from avatars.engine.speech.phones import LENGTH_MARK, SILENCE, TARGETS, phones_of
from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, Phone

Array = NDArray[np.float32]

SYMBOLS: Final = tuple(TARGETS)
_OUT_OF_ARPABET: Final = {
    **{"AY": "I", "EY": "A", "AW": "W", "OY": "Y"},
    **{"AX": "ə", "AXR": "ɚ", "IX": "ɪ", "UX": "u", "DX": "ɾ", "EL": "l", "EM": "m", "EN": "n", "NX": "n", "HV": "h"},
}
_JOINED: Final = {"tʃ": "ʧ", "dʒ": "ʤ", "eɪ": "A", "aɪ": "I", "oʊ": "O", "əʊ": "O", "aʊ": "W", "ɔɪ": "Y"}


@dataclass(frozen=True, slots=True)
class Clip:
    """samples: (n,) float32 in -1..1 at `SAMPLE_RATE_HZ`. phones: they cover the sound whole."""

    samples: Array
    phones: tuple[Phone, ...]

    @property
    def duration_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ


def clip_of(samples: NDArray[np.floating[Any]], rate_hz: int, phones: Sequence[Phone]) -> Clip:
    """A clip at our rate, at a common loudness, with the pauses that are heard. Stress is forgotten."""
    ours = soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ) if rate_hz != SAMPLE_RATE_HZ else samples
    level = float(np.sqrt(np.mean(np.square(ours[np.abs(ours) > 0.01]))) if (np.abs(ours) > 0.01).any() else 1.0)
    ours = np.clip(ours * (0.1 / level), -1, 1).astype(np.float32)
    plain = [Phone(p.symbol, p.start_s, p.end_s) for p in phones if p.end_s - p.start_s > 1e-4]
    return Clip(ours, with_pauses(plain, ours))


def phones_of_arpabet(name: str) -> tuple[tuple[str, float], ...]:
    """Our phones for a name of the ARPAbet family, with their shares of its time; silence for what is none."""
    name = name.upper().rstrip("012")
    if name in TARGETS:
        return ((name, 1.0),)
    return phones_of(_OUT_OF_ARPABET.get(name, "")) or ((SILENCE, 1.0),)


def phones_of_ipa(written: str) -> tuple[tuple[str, float], ...]:
    """Our phones for one phoneme in IPA, with their shares of its time; silence for what is none."""
    for pair, letter in _JOINED.items():
        written = written.replace(pair, letter)
    parts = [found for letter in written if letter != LENGTH_MARK and (found := phones_of(letter))]
    return tuple((symbol, share / len(parts)) for part in parts for symbol, share in part) or ((SILENCE, 1.0),)


def split(shares: tuple[tuple[str, float], ...], start_s: float, end_s: float) -> list[Phone]:
    """Phones that share a stretch of time."""
    phones, now_s = [], start_s
    for symbol, share in shares:
        until_s = now_s + share * (end_s - start_s)
        phones.append(Phone(symbol, now_s, until_s))
        now_s = until_s
    return phones


def save(clips: Sequence[Clip], path: Path) -> None:
    """Write clips into one file."""
    phones = [phone for clip in clips for phone in clip.phones]
    np.savez(
        path,
        samples=np.concatenate([np.round(clip.samples * 32767).astype(np.int16) for clip in clips]),
        lengths=np.array([len(clip.samples) for clip in clips]),
        counts=np.array([len(clip.phones) for clip in clips]),
        symbols=np.array([SYMBOLS.index(phone.symbol) for phone in phones], np.uint8),
        times_s=np.array([(phone.start_s, phone.end_s) for phone in phones], np.float32),
    )


def load(path: Path) -> list[Clip]:
    """Read what `save` wrote. Raises FileNotFoundError."""
    with np.load(path, allow_pickle=False) as stored:
        samples, symbols, times_s = stored["samples"], stored["symbols"], stored["times_s"].astype(float)
        ends, last = np.cumsum(stored["lengths"]), np.cumsum(stored["counts"])
    clips = []
    for start, end, first, until in zip([0, *ends[:-1]], ends, [0, *last[:-1]], last, strict=True):
        names = [SYMBOLS[index] for index in symbols[first:until]]
        spans = times_s[first:until].tolist()
        phones = tuple(Phone(name, *span) for name, span in zip(names, spans, strict=True))
        clips.append(Clip(samples[start:end].astype(np.float32) / 32767, phones))
    return clips
