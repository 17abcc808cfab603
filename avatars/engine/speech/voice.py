"""The voice that comes with Parlo: text to sound with exact phone times, on the processor, without a network."""

from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from avatars.engine.speech.alignment import align
from avatars.engine.speech.pauses import with_pauses
from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, Phone, Speech
from avatars.engine.speech.styles import STYLES, Spectrum, Style, restyled
from avatars.engine.speech.text import speakable

Array = NDArray[np.float32]

VOICE_STYLES: Final[dict[str, str]] = {key: style.label for key, style in STYLES.items()}
DEFAULT_STYLE: Final = "heart"
TEXT_LIMIT: Final = 4000
SAMPLES_PER_UNIT: Final = 600
# The network's durations run behind its own sound by two units, in every style: measured where s, z and sh between
# vowels begin and end to hiss.
DURATIONS_LATE_S: Final = 0.050
AUDIBLE: Final = 0.015
LEAD_S: Final = 0.020
TAIL_S: Final = 0.120
BETWEEN_SENTENCES_S: Final = 0.22
LOUDNESS_RMS: Final = 0.075
PEAK: Final = 0.97
SEED: Final = 7

# The network computes how long each phoneme lasts but does not say so. These bytes, appended to the model, name that
# tensor as one more output (a protobuf `graph.output` entry of type int64).
_DURATIONS: Final = "/Cast_32_output_0"


def _with_durations(model: bytes) -> bytes:
    def entry(number: int, payload: bytes) -> bytes:
        return bytes([number << 3 | 2, len(payload)]) + payload

    return model + entry(7, entry(12, entry(1, _DURATIONS.encode()) + entry(2, entry(1, b"\x08\x07"))))


class UnspeakableText(ValueError):
    """The text holds nothing that can be said, or too much of it."""


class LocalVoice:
    """Speaks English. Thread-safe; `shared()` holds the model once for the process."""

    _shared: ClassVar["LocalVoice | None"] = None
    _shared_lock: ClassVar[Lock] = Lock()

    def __init__(self) -> None:
        # Imported here: pages only want to know which styles there are.
        import onnxruntime
        from hibari import Hibari

        self._voice = Hibari(threads=1)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        model = _with_durations(Path(self._voice.model_path).read_bytes())
        self._session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        # The session of the library itself has no durations and is not needed beside ours.
        self._voice.sess = None
        self._lock = Lock()

    @classmethod
    def shared(cls) -> "LocalVoice":
        """The one instance of this process, loaded at the first call."""
        with cls._shared_lock:
            if cls._shared is None:
                cls._shared = cls()
            return cls._shared

    def say(self, text: str, style: str | Style = DEFAULT_STYLE) -> Speech:
        """Speak `text` in one of `VOICE_STYLES`, or any other; the silence before the first sound is cut off.

        Raises UnspeakableText where there is nothing to say or more than `TEXT_LIMIT` letters, KeyError for an unknown
        style.
        """
        chosen = STYLES[style] if isinstance(style, str) else style
        words = speakable(text)
        if not words:
            raise UnspeakableText("There is nothing in this text that could be spoken.")
        if len(words) > TEXT_LIMIT:
            raise UnspeakableText(
                f"This text is too long to be spoken at once: {len(words)} letters, {TEXT_LIMIT} at most."
            )
        with self._lock:
            sentences = [part for part in self._voice.phonemize(words) if part]
        parts: list[Array] = []
        phones: list[Phone] = []
        length = 0
        for sentence in sentences:
            samples, spoken = self._sentence(sentence, chosen)
            if not len(samples):
                continue
            if parts:
                parts.append(np.zeros(int(BETWEEN_SENTENCES_S * SAMPLE_RATE_HZ), np.float32))
                length += len(parts[-1])
            start_s = length / SAMPLE_RATE_HZ
            phones += [Phone(p.symbol, p.start_s + start_s, p.end_s + start_s, p.stress) for p in spoken]
            parts.append(samples)
            length += len(samples)
        if not parts:
            raise UnspeakableText("There is nothing in this text that could be spoken.")
        whole = np.concatenate(parts)
        return Speech(_levelled(whole), with_pauses(phones, whole), words)

    def _sentence(self, letters: str, style: Style) -> tuple[Array, list[Phone]]:
        """One sentence of phoneme letters: samples from just before the first sound, and its phones."""
        import hibari.dsp

        vocabulary = self._voice.vocab
        known = "".join(letter for letter in letters if letter in vocabulary)
        if not known:
            return np.zeros(0, np.float32), []
        ids = np.array([[0, *(vocabulary[letter] for letter in known), 0]], np.int64)
        *spectrum, units = self._session.run(None, {"ids": ids, "speed": np.array([style.pace], np.float32)})
        new = restyled(Spectrum(*(part[0] for part in spectrum)), style)
        noise = np.random.default_rng(SEED)
        samples = hibari.dsp.synth(new.harmonic, new.turn, new.noise, new.free, new.phase, new.f0, noise)
        samples = samples.astype(np.float32)
        durations_s = np.asarray(units).reshape(-1) * SAMPLES_PER_UNIT / SAMPLE_RATE_HZ
        if len(durations_s) != ids.size or round(float(durations_s.sum()) * SAMPLE_RATE_HZ) != len(samples):
            raise RuntimeError("The voice model's durations do not add up to its sound; is it the pinned version?")
        phones = align(known, durations_s[1:-1].tolist(), float(durations_s[0]) - DURATIONS_LATE_S)
        loud = np.flatnonzero(np.abs(samples) > AUDIBLE * float(np.abs(samples).max() + 1e-9))
        start = max(0, int(loud[0]) - int(LEAD_S * SAMPLE_RATE_HZ))
        end = min(len(samples), int(loud[-1]) + int(TAIL_S * SAMPLE_RATE_HZ))
        return samples[start:end], _cut(phones, start / SAMPLE_RATE_HZ, end / SAMPLE_RATE_HZ)


def _cut(phones: list[Phone], start_s: float, end_s: float) -> list[Phone]:
    """The phones of a stretch of sound, counted from its start."""
    return [
        Phone(p.symbol, max(p.start_s, start_s) - start_s, min(p.end_s, end_s) - start_s, p.stress)
        for p in phones
        if p.end_s > start_s and p.start_s < end_s
    ]


def _levelled(samples: Array) -> Array:
    """The same loudness for every style, never clipped."""
    sounding = samples[np.abs(samples) > 0.01]
    rms = float(np.sqrt(np.mean(np.square(sounding)))) if sounding.size else 1.0
    gain = min(LOUDNESS_RMS * 1.6 / rms, PEAK / max(float(np.abs(samples).max()), 1e-6))
    return (samples * gain).astype(np.float32)
