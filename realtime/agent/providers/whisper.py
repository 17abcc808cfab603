"""Speech to text by Whisper on this machine.

faster-whisper always pads to 30 s, while the network under it takes any length. A window of 10 s costs a quarter of the
time; much below that the smallest model starts to repeat itself, and even at 10 s a loop is possible, so the text is
checked and heard again in a longer window where it looks like one.
"""

import asyncio
import re
import threading
from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np

from realtime.agent.protocols import HEARING_RATE_HZ, ProviderError, Samples
from realtime.agent.providers.worker import Worker

# In feature frames of 10 ms. The last is what the network was trained on.
WINDOWS: Final = (1000, 1500, 3000)
FRAME_SAMPLES: Final = HEARING_RATE_HZ // 100
PADDING_FRAMES: Final = 100
MOST_TOKENS: Final = 160
SHORT_TOKENS: Final = 64
# Shorter sounds make Whisper invent words.
SHORTEST_S: Final = 0.25
NO_SPEECH: Final = 0.75
PHRASE_WORDS: Final = 4
PHRASE_TIMES: Final = 3
WORDS_A_SECOND: Final = 8.0


def windows_for(samples: int) -> tuple[int, ...]:
    """The windows to try for so many samples, each with at least a second of padding; never none."""
    needed = samples / FRAME_SAMPLES + PADDING_FRAMES
    return tuple(window for window in WINDOWS if window >= needed) or WINDOWS[-1:]


def looks_looped(text: str, speech_s: float) -> bool:
    """Whether a text repeats itself, or holds more words than anybody can say in the time."""
    words = re.findall(r"[\w']+", text.lower())
    if len(words) > max(4.0, WORDS_A_SECOND * speech_s):
        return True
    phrases = Counter(tuple(words[at : at + PHRASE_WORDS]) for at in range(len(words) - PHRASE_WORDS + 1))
    return any(times >= PHRASE_TIMES for times in phrases.values())


class Whisper:
    """English from a CTranslate2 folder of any size; other languages where the model knows them."""

    def __init__(self, folder: Path, language: str = "en") -> None:
        from faster_whisper import WhisperModel
        from faster_whisper.tokenizer import Tokenizer

        try:
            model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1, num_workers=1)
        except Exception as error:
            raise ProviderError("The speech recognition model cannot be loaded.") from error
        tokenizer = Tokenizer(
            model.hf_tokenizer, bool(model.model.is_multilingual), task="transcribe", language=language
        )
        self._model: Any = model
        self._tokenizer: Any = tokenizer
        self._prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        self._worker = Worker("hearing")

    async def transcribe(self, samples: Samples) -> str:
        """The words in (n,) samples at 16 kHz. Cancelled, it stops halfway: the next ones may wait already."""
        unwanted = threading.Event()
        try:
            return await self._worker.run(lambda: self.transcribe_now(samples, unwanted))
        except asyncio.CancelledError:
            unwanted.set()
            raise

    def transcribe_now(self, samples: Samples, unwanted: threading.Event | None = None) -> str:
        """The same, in the calling thread: about 0.1 s of processor time for the smallest model, half of it in vain
        where the words turn out to be `unwanted` meanwhile."""
        if len(samples) < SHORTEST_S * HEARING_RATE_HZ:
            return ""
        text = ""
        for window in windows_for(len(samples)):
            text = self._decode(samples, window, unwanted)
            if not looks_looped(text, len(samples) / HEARING_RATE_HZ):
                break
        return text

    def _decode(self, samples: Samples, window: int, unwanted: threading.Event | None) -> str:
        import ctranslate2

        padded = np.zeros(window * FRAME_SAMPLES, np.float32)
        padded[: len(samples)] = samples[: len(padded)]
        features = self._model.feature_extractor(padded, padding=0)[:, :window]
        encoded = self._model.model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(features[None])))
        if unwanted is not None and unwanted.is_set():
            return ""
        found = self._model.model.generate(
            encoded,
            [self._prompt],
            beam_size=1,
            max_length=SHORT_TOKENS if window == WINDOWS[0] else MOST_TOKENS,
            suppress_blank=True,
            suppress_tokens=[-1],
            return_no_speech_prob=True,
        )[0]
        if found.no_speech_prob > NO_SPEECH:
            return ""
        return str(self._tokenizer.decode(found.sequences_ids[0])).strip()
