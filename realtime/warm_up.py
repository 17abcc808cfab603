"""Doing everything once before the first visitor comes: what runs for the first time is slow."""

import asyncio

import numpy as np
import structlog

from realtime.agent import Providers
from realtime.agent.protocols import HEARING_RATE_HZ, ProviderError
from realtime.agent.vad import FRAME_SAMPLES

logger = structlog.get_logger(__name__)


def warm_up(providers: Providers) -> None:
    """Say a word, hear silence, judge it. A provider that fails is named in the log, and asked again when needed."""
    asyncio.run(_warm_up(providers))


async def _warm_up(providers: Providers) -> None:
    second = np.zeros(HEARING_RATE_HZ, np.float32)
    providers.voice_activity().probability(second[:FRAME_SAMPLES])
    try:
        async for _ in providers.text_to_speech.speak("Hello.", ""):
            pass
        await providers.speech_to_text.transcribe(second)
        if providers.turn_judge is not None:
            await providers.turn_judge.finished(second)
    except ProviderError as error:
        logger.warning("A provider is not there yet", reason=str(error))
