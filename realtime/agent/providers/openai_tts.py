"""Text to speech behind an OpenAI-compatible address: raw PCM, spoken while it still comes in."""

from collections.abc import AsyncGenerator
from typing import Final

import numpy as np

from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, Speech
from realtime.agent.protocols import ProviderError, Samples
from realtime.agent.providers.remote import client, told
from realtime.agent.providers.resampling import Resampler
from webapp.providers.endpoint import Endpoint

WHAT: Final = "The voice"
CHUNK_BYTES: Final = 4800
# The first part is short so that it is heard soon; later ones give the mouth more to look ahead at.
FIRST_PART_S: Final = 0.6
PART_S: Final = 2.0
# Parts are cut where it is quietest in their last stretch.
SEARCH_S: Final = 0.35
WINDOW_S: Final = 0.02
AUDIBLE: Final = 0.01
LEAD_S: Final = 0.02
# Nobody speaks more slowly than this.
LONGEST_S: Final = 5.0
SECONDS_A_LETTER: Final = 0.4
# How files begin that are no raw samples: WAV, MP3, Ogg, FLAC.
CONTAINERS: Final = (b"RIFF", b"ID3", b"\xff\xfb", b"\xff\xf3", b"OggS", b"fLaC")


def quietest_cut(samples: Samples) -> int:
    """Where to cut: the middle of the quietest 20 ms in the last `SEARCH_S`."""
    window, search = int(WINDOW_S * SAMPLE_RATE_HZ), int(SEARCH_S * SAMPLE_RATE_HZ)
    start = max(0, len(samples) - search)
    power = np.convolve(np.square(samples[start:]), np.ones(window), "valid")
    return start + int(np.argmin(power)) + window // 2


def without_lead(samples: Samples) -> Samples:
    """The sound from just before its first audible sample; empty where all is silent."""
    loud = np.flatnonzero(np.abs(samples) > AUDIBLE)
    return samples[max(0, int(loud[0]) - int(LEAD_S * SAMPLE_RATE_HZ)) :] if loud.size else samples[:0]


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
        waiting: Samples = np.zeros(0, np.float32)
        odd = b""
        begun = False
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
                    waiting = np.concatenate([waiting, resampler.push(fresh)])
                    if not begun:
                        waiting = without_lead(waiting)
                    if len(waiting) >= (PART_S if begun else FIRST_PART_S) * SAMPLE_RATE_HZ:
                        cut = quietest_cut(waiting)
                        yield Speech(waiting[:cut], None, "" if begun else text)
                        waiting, begun = waiting[cut:], True
        waiting = np.concatenate([waiting, resampler.finish()])
        if not begun:
            waiting = without_lead(waiting)
        if len(waiting):
            yield Speech(waiting, None, "" if begun else text)
        elif not begun:
            raise ProviderError(f"{WHAT} answered with silence.")


def _check_kind(kind: str) -> None:
    """Refuse what is plainly no sound; many servers call raw samples by some other name."""
    if kind.startswith(("text/", "application/json", "application/xml")):
        raise ProviderError(f"{WHAT} answered with text where sound was asked for.")
