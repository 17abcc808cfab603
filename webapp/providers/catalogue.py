"""Language models that are known to do well behind an avatar on a processor, and where they lie on this machine.

Sizes and checksums are those that the hub states for the named revisions.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings


@dataclass(frozen=True, slots=True)
class BrainModel:
    """One file to download. path: under the hub's address, with the revision, so that it never changes.

    memory_bytes: what it takes when it runs. words: for whom it is.
    """

    name: str
    label: str
    words: str
    path: str
    size_bytes: int
    memory_bytes: int
    sha256: str
    licence: str

    @property
    def file(self) -> Path:
        """Where the whole and checked file lies."""
        return Path(settings.PARLO_DATA_DIR) / "models" / f"{self.name}.gguf"

    @property
    def part(self) -> Path:
        """Where it lies as long as it is neither."""
        return self.file.with_suffix(".part")

    @property
    def url(self) -> str:
        """Where it is fetched from."""
        return f"{settings.MODEL_HUB.rstrip('/')}/{self.path}"


CATALOGUE: Final = {
    model.name: model
    for model in (
        BrainModel(
            "qwen2.5-0.5b",
            "Qwen2.5 0.5B Instruct",
            "The smallest that follows a character; it knows little. Two cores will do.",
            "Qwen/Qwen2.5-0.5B-Instruct-GGUF/resolve/9217f5db79a29953eb74d5343926648285ec7e67/qwen2.5-0.5b-instruct-q4_k_m.gguf",
            491_400_032,
            730_000_000,
            "74a4da8c9fdbcd15bd1f6d01d621410d31c6fc00986f5eb687824e7b93d7a9db",
            "Apache-2.0",
        ),
        BrainModel(
            "qwen2.5-1.5b",
            "Qwen2.5 1.5B Instruct",
            "The one to begin with: it holds a conversation. Four cores or more.",
            "Qwen/Qwen2.5-1.5B-Instruct-GGUF/resolve/91cad51170dc346986eccefdc2dd33a9da36ead9/qwen2.5-1.5b-instruct-q4_k_m.gguf",
            1_117_320_736,
            1_560_000_000,
            "6a1a2eb6d15622bf3c96857206351ba97e1af16c30d7a74ee38970e434e9407e",
            "Apache-2.0",
        ),
        BrainModel(
            "qwen3-4b",
            "Qwen3 4B Instruct 2507",
            "The cleverest of the three. Eight fast cores or more, else every answer lets you wait.",
            "unsloth/Qwen3-4B-Instruct-2507-GGUF/resolve/a06e946bb6b655725eafa393f4a9745d460374c9/Qwen3-4B-Instruct-2507-Q4_K_M.gguf",
            2_497_281_120,
            3_500_000_000,
            "3605803b982cb64aead44f6c1b2ae36e3acdb41d8e46c8a94c6533bc4c67e597",
            "Apache-2.0",
        ),
    )
}
