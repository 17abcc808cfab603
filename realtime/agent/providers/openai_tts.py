"""Text to speech behind an OpenAI-compatible address: raw PCM, spoken while it still comes in."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Final

import numpy as np

from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, Speech
from realtime.agent.parts import Parts
from realtime.agent.protocols import ProviderError
from realtime.agent.providers.remote import client, told
from realtime.agent.providers.resampling import Resampler
from webapp.providers.endpoint import Endpoint

WHAT: Final = "The voice"
CHUNK_BYTES: Final = 4800
# Nobody speaks more slowly than this.
LONGEST_S: Final = 5.0
SECONDS_A_LETTER: Final = 0.4
# How files begin that are no raw samples: WAV, MP3, Ogg, FLAC.
CONTAINERS: Final = (b"RIFF", b"ID3", b"\xff\xfb", b"\xff\xf3", b"OggS", b"fLaC")


class OpenAiTextToSpeech:
    """Speaks with a remote voice; the mouth follows the sound, for no phone times come with it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._client = client(endpoint)
        self._endpoint = endpoint

    async def close(self) -> None:
        """Let go of its connections."""
        await self._client.close()

    async def speak(self, text: str, voice: str) -> AsyncGenerator[Speech, None]:
        """The sound in parts, cut at quiet places; the first part carries the text."""
        resampler = Resampler(self._endpoint.rate_hz)
        most = int((LONGEST_S + SECONDS_A_LETTER * len(text)) * SAMPLE_RATE_HZ)
        parts = Parts(audible_from_the_start=True)
        odd = b""
        taken = 0
        with told(WHAT, self._endpoint):
            async with self._client.audio.speech.with_streaming_response.create(
                model=self._endpoint.model, voice=self._endpoint.voice or voice, input=text, response_format="pcm"
            ) as response:
                _check_kind(response.headers.get("content-type", ""))
                async for chunk in response.iter_bytes(CHUNK_BYTES):
                    if not taken and chunk.startswith(CONTAINERS):
                        raise ProviderError(f"{WHAT} sends a sound file where raw samples (PCM) were asked for.")
                    taken += len(chunk)
                    data = odd + chunk
                    odd = data[len(data) - len(data) % 2 :]
                    fresh = np.frombuffer(data[: len(data) - len(odd)], "<i2").astype(np.float32) / np.float32(32768)
                    if taken > 2 * most:
                        raise ProviderError(f"{WHAT} does not come to an end.")
                    if part := parts.push(resampler.push(fresh)):
                        yield replace(part, text=text)
                        text = ""
        if part := parts.rest(resampler.finish()):
            yield replace(part, text=text)
        elif not parts.begun:
            raise ProviderError(f"{WHAT} answered with silence.")


def _check_kind(kind: str) -> None:
    """Refuse what is plainly no sound; many servers call raw samples by some other name."""
    if kind.startswith(("text/", "application/json", "application/xml")):
        raise ProviderError(f"{WHAT} answered with text where sound was asked for.")
