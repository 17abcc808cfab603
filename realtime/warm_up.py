"""Doing everything once before the first visitor comes: what runs for the first time is slow."""

import numpy as np
import structlog

from avatars.engine.performer import Line
from realtime.agent import Providers
from realtime.agent.protocols import HEARING_RATE_HZ, ProviderError
from realtime.agent.vad import FRAME_SAMPLES

logger = structlog.get_logger(__name__)


# Long enough to use every part of the voice; also the first words of the brain's cache.
SENTENCE = "Good day, and welcome. What would you like to talk about?"


async def warm_up(providers: Providers) -> None:
    """Say a sentence, hear silence, judge it.

    A provider that fails is named in the log, and asked again when needed.
    """
    second = np.zeros(HEARING_RATE_HZ, np.float32)
    providers.voice_activity().probability(second[:FRAME_SAMPLES])
    try:
        async for speech in providers.text_to_speech.speak(SENTENCE, ""):
            Line.prepare(speech)
        await providers.speech_to_text.transcribe(second)
        if providers.meaning is not None:
            await providers.meaning.embed([SENTENCE])
        if providers.turn_judge is not None:
            await providers.turn_judge.finished(second)
    except ProviderError as error:
        logger.warning("A provider is not there yet", reason=str(error))


async def think_once(providers: Providers) -> None:
    """Think of nothing. The brain may still be loading: nobody has to wait for this."""
    await providers.language_model.prepare([{"role": "user", "content": SENTENCE}])
