"""espeak-ng as a library: sound with the time of every phoneme."""

import ctypes
from typing import Any, Final

import numpy as np

from avatars.engine.speech.spoken import Phone
from avatars.engine.speech.training.clips import Clip, clip_of, phones_of_ipa, split

LIBRARY: Final = "libespeak-ng.so.1"
# Of espeak-ng/speak_lib.h.
SYNCHRONOUS: Final = 2
PHONEME_EVENTS_IN_IPA: Final = 3
UTF8: Final = 1
IPA: Final = 2
RATE_WORDS_PER_MINUTE: Final = 1
PITCH: Final = 3
PITCH_RANGE: Final = 4
PHONEME: Final = 7


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_CALLBACK: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Espeak:
    """One per process: the library holds one state. Raises OSError where the library is not installed."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(LIBRARY)
        self._rate_hz = int(self._library.espeak_Initialize(SYNCHRONOUS, 0, None, PHONEME_EVENTS_IN_IPA))
        self._heard: list[Any] = []
        self._events: list[tuple[int, str]] = []
        self._callback = _CALLBACK(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples: Any, count: int, events: Any) -> int:
        if samples and count:
            self._heard.append(np.ctypeslib.as_array(samples, (count,)).copy())
        at = 0
        while events[at].type:
            if events[at].type == PHONEME:
                self._events.append((events[at].sample, bytes(events[at].id.string).decode("utf-8", "ignore")))
            at += 1
        return 0

    def say(self, text: str, voice: str, words_per_minute: int, pitch: int, melody: int) -> Clip:
        """Speak; `voice` is a language with a variant such as en-us+f3, pitch and melody are 0..99."""
        self._heard, self._events = [], []
        self._library.espeak_SetVoiceByName(voice.encode())
        for parameter, value in ((RATE_WORDS_PER_MINUTE, words_per_minute), (PITCH, pitch), (PITCH_RANGE, melody)):
            self._library.espeak_SetParameter(parameter, value, 0)
        letters = text.encode()
        self._library.espeak_Synth(letters, len(letters) + 1, 0, 1, 0, UTF8, None, None)
        self._library.espeak_Synchronize()
        samples = np.concatenate(self._heard).astype(np.float32) / 32768
        starts = [event[0] for event in self._events]
        phones: list[Phone] = []
        for (start, written), end in zip(self._events, [*starts[1:], len(samples)], strict=True):
            phones += split(phones_of_ipa(written), start / self._rate_hz, end / self._rate_hz)
        return clip_of(samples, self._rate_hz, phones)

    def letters(self, text: str, language: str) -> str:
        """The phonemes of a text in IPA, with stress marks and spaces."""
        self._library.espeak_SetVoiceByName(language.encode())
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        left = ctypes.c_char_p(text.encode())
        clauses = []
        while left.value:
            clauses.append(self._library.espeak_TextToPhonemes(ctypes.byref(left), UTF8, IPA).decode())
        return " ".join(clauses)
