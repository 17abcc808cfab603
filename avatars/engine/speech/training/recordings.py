"""Recordings of people, for the scores alone: their words are known, and pocketsphinx finds when each phone was said.

pocketsphinx agrees with known times to 8 ms in the median and 30 ms for nine in ten.
"""

import gzip
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import soxr

from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, Phone
from avatars.engine.speech.training.clips import Array, Clip, clip_of, phones_of_arpabet, split

ALIGNER_RATE_HZ: Final = 16_000
FRAME_S: Final = 0.010
# The aligner's times are those of where its windows begin.
WINDOW_CENTRE_S: Final = 0.008
LISTING: Final = Path(__file__).with_name("recordings.json")
# Debian's asterisk-core-sounds-en-g722 and asterisk-core-sounds-en.
PROMPTS: Final = "usr/share/asterisk/sounds/en_US_f_Allison"
PROMPT_WORDS: Final = "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"
PROMPT_LETTERS: Final = (30, 140)
MARGIN_S: Final = 0.25
_PLAIN: Final = re.compile(r"[A-Za-z' ,.;:!?-]+")


def listed(group: str, folders: Sequence[Path]) -> list[Clip]:
    """The recordings of a group of `LISTING` that lie in these folders and can be aligned."""
    clips = []
    for entry in json.loads(LISTING.read_text())[group]:
        path = next((folder / entry["file"] for folder in folders if (folder / entry["file"]).is_file()), None)
        if path is None:
            continue
        samples = decoded(path)
        start, end = (round(entry.get(key, limit) * SAMPLE_RATE_HZ) for key, limit in (("from_s", 0), ("until_s", 1e6)))
        clip = aligned(samples[start:end], entry["words"])
        if clip is not None:
            clips.append(clip)
    return clips


def prompts(root: Path = Path("/")) -> list[Clip]:
    """The telephone prompts of Asterisk, spoken by Allison Smith, that are whole sentences and can be aligned."""
    clips = []
    with gzip.open(root / PROMPT_WORDS, "rt", encoding="utf-8", errors="ignore") as lines:
        for line in lines:
            name, _, words = line.strip().partition(": ")
            path = root / PROMPTS / f"{name}.g722"
            if _PLAIN.fullmatch(words) and PROMPT_LETTERS[0] <= len(words) <= PROMPT_LETTERS[1] and path.is_file():
                margin = np.zeros(int(MARGIN_S * SAMPLE_RATE_HZ), np.float32)
                samples = np.concatenate([margin, decoded(path), margin])
                clip = aligned(samples, " ".join(re.findall(r"[a-z']+", words.lower())))
                if clip is not None:
                    clips.append(clip)
    return clips


def decoded(path: Path) -> Array:
    """The samples (n,) of a sound file, mono at `SAMPLE_RATE_HZ`."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
    with av.open(str(path)) as container:
        parts = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
    parts += resampler.resample(None)
    return np.concatenate([piece.to_ndarray().reshape(-1) for piece in parts]).astype(np.float32)


def aligned(samples: Array, words: str) -> Clip | None:
    """A clip of these words; None where they cannot be found in the sound.

    samples: (n,) float32 at `SAMPLE_RATE_HZ`.
    """
    from pocketsphinx import Decoder

    peak = float(np.abs(samples).max()) or 1.0
    heard = np.round(soxr.resample(samples, SAMPLE_RATE_HZ, ALIGNER_RATE_HZ) / peak * 29_000).astype("<i2").tobytes()
    decoder = Decoder(samprate=ALIGNER_RATE_HZ, bestpath=False, loglevel="FATAL", dither=False)
    try:
        decoder.set_align_text(words.lower())
        _decode(decoder, heard)
        # The first pass finds the words, the second the phones in them.
        decoder.set_alignment()
        _decode(decoder, heard)
        phones: list[Phone] = []
        for word in decoder.get_alignment():
            for phone in word:
                start_s = phone.start * FRAME_S + WINDOW_CENTRE_S
                phones += split(phones_of_arpabet(phone.name), start_s, start_s + phone.duration * FRAME_S)
    except RuntimeError:
        return None
    return clip_of(samples, SAMPLE_RATE_HZ, phones)


def _decode(decoder: Any, heard: bytes) -> None:
    decoder.start_utt()
    decoder.process_raw(heard, full_utt=True)
    decoder.end_utt()
