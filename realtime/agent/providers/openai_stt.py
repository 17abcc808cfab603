"""Speech to text behind an OpenAI-compatible address."""

import io
import wave

import numpy as np

from realtime.agent.protocols import HEARING_RATE_HZ, Samples
from realtime.agent.providers.remote import client, told

WHAT = "The speech recognition"


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

    def __init__(self, url: str, model: str, key: str = "", language: str = "en") -> None:
        self._client = client(url, key)
        self._model = model
        self._language = language

    async def transcribe(self, samples: Samples) -> str:
        """The words in (n,) samples at 16 kHz."""
        with told(WHAT, "STT_URL"):
            # Servers tell the format by the name's ending.
            answer = await self._client.audio.transcriptions.create(
                model=self._model,
                file=("speech.wav", wav_bytes(samples), "audio/wav"),
                language=self._language,
                response_format="json",
            )
        return answer.text.strip()
