"""The model of meaning beside the event loop, which remembers what it was asked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from avatars.meaning import Array, MeaningMissing, MiniLmModel
from realtime.agent.protocols import ProviderError
from realtime.agent.providers.worker import Worker

KEPT: Final = 1024


class MiniLm:
    """Loads at the first question; 5 ms of processor time for a short sentence, none for one it knows."""

    def __init__(self, folder: Path) -> None:
        self._model = MiniLmModel(folder)
        self._known: dict[str, Array] = {}
        self._worker = Worker("meaning")

    async def embed(self, texts: Sequence[str]) -> Array:
        """A vector of length 1 for each text, (n, 384): texts that mean alike have a product near 1."""
        return await self._worker.run(lambda: self.embed_now(texts))

    def embed_now(self, texts: Sequence[str]) -> Array:
        """The same, in the calling thread. Raises ProviderError where the model is missing or broken."""
        if len(self._known) > KEPT:
            self._known.clear()
        try:
            for text in texts:
                if text not in self._known:
                    self._known[text] = self._model.vectors([text])[0]
        except MeaningMissing as error:
            raise ProviderError(str(error)) from error
        return np.stack([self._known[text] for text in texts])
