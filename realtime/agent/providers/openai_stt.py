"""Speech to text behind an OpenAI-compatible address."""

import asyncio
import io
import wave
from typing import Final

import numpy as np

from realtime.agent.protocols import HEARING_RATE_HZ, Samples
from realtime.agent.providers.remote import client, told
from webapp.providers.endpoint import Endpoint

WHAT: Final = "The speech recognition"
MOST_LETTERS: Final = 4000


def wav_bytes(samples: Samples) -> bytes:
    """A WAV file of 16-bit mono samples at `HEARING_RATE_HZ`."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(HEARING_RATE_HZ)
        writer.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return file.getvalue()


class OpenAiSpeechToText:
    """Sends whole utterances."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._client = client(endpoint)
        self._endpoint = endpoint
        self._asking: set[asyncio.Task[str]] = set()

    async def close(self) -> None:
        """Let go of its connections."""
        for asking in self._asking:
            asking.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
        await self._client.close()

    async def transcribe(self, samples: Samples) -> str:
        """The words in (n,) samples at 16 kHz.

        Cancelled, the request comes to its end all the same: broken off it would take its connection with it, and the next
        words, which are the ones that count, would wait for a new one.
        """
        asking = asyncio.create_task(self._transcribe(samples))
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)
        return await asyncio.shield(asking)

    async def _transcribe(self, samples: Samples) -> str:
        with told(WHAT, self._endpoint):
            # Servers tell the format by the name's ending.
            answer = await self._client.audio.transcriptions.create(
                model=self._endpoint.model,
                file=("speech.wav", wav_bytes(samples), "audio/wav"),
                language=self._endpoint.language,
                response_format="json",
            )
            if not isinstance(answer.text, str):
                raise TypeError("no text")
        return answer.text.strip()[:MOST_LETTERS]
