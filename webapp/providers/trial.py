"""Trying a provider out: one small question, and what became of it in words."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final

import structlog

from webapp.providers.endpoint import Endpoint
from webapp.providers.models import Provider

logger = structlog.get_logger(__name__)

Kind = Provider.Kind

WITHIN_S: Final = 20.0
TOOL_WITHIN_S: Final = 8.0
SENTENCE: Final = "Hello, this is how I sound."
SHOWN_LETTERS: Final = 120


@dataclass(frozen=True, slots=True)
class Verdict:
    """How it went, in one or two sentences."""

    ok: bool
    message: str


async def try_out(kind: str, endpoint: Endpoint) -> Verdict:
    """Ask a provider something of its kind. Never raises; takes `WITHIN_S` at most."""
    from realtime.agent.protocols import ProviderError

    trial = {Kind.STT: _hear, Kind.LLM: _think, Kind.TTS: _speak, Kind.REALTIME: _converse}[Kind(kind)]
    try:
        async with asyncio.timeout(WITHIN_S):
            return await trial(endpoint)
    except ProviderError as error:
        return Verdict(False, str(error))
    except TimeoutError:
        return Verdict(False, f"There was no whole answer within {WITHIN_S:.0f} s.")
    except Exception:
        logger.exception("A provider could not be tried out")
        return Verdict(False, "It could not be tried out. The log says why.")


def _shown(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SHOWN_LETTERS else f"{text[:SHOWN_LETTERS].rsplit(' ', 1)[0]} …"


def _ms(since_s: float) -> int:
    return round((time.monotonic() - since_s) * 1000)


async def _think(endpoint: Endpoint) -> Verdict:
    from realtime.agent.protocols import ReplyCutShort
    from realtime.agent.providers.openai_llm import OpenAiLanguageModel

    model = OpenAiLanguageModel(endpoint, most_tokens=40)
    started_s = time.monotonic()
    first_ms, text = 0, ""
    try:
        async for part in model.reply([{"role": "user", "content": "Say hello in one short sentence."}]):
            first_ms = first_ms or _ms(started_s)
            text += part
    except ReplyCutShort:
        pass
    finally:
        await model.close()
    if not text.strip():
        return Verdict(False, f"It answered after {_ms(started_s)} ms, and said nothing.")
    words = f"It said “{_shown(text)}”. First word after {first_ms} ms, the whole after {_ms(started_s)} ms."
    return Verdict(True, f"{words} {await _use_a_tool(endpoint)}")


async def _use_a_tool(endpoint: Endpoint) -> str:
    """Whether it calls a tool that it needs, in a sentence."""
    from realtime.agent.protocols import AgentSettings, ProviderError, ReplyCutShort
    from realtime.agent.providers.openai_llm import OpenAiLanguageModel
    from realtime.agent.tools import ToolCall, toolbox_for

    model = OpenAiLanguageModel(endpoint, most_tokens=200)
    offered = toolbox_for(AgentSettings(tools=frozenset({"time"}))).functions()
    called = False
    question = {"role": "user", "content": "What time is it? Look at the clock with your tool."}
    try:
        async with asyncio.timeout(TOOL_WITHIN_S):
            async for part in model.reply_or_call([question], offered, may_call=True):
                called = called or isinstance(part, ToolCall)
    except TimeoutError:
        return "With a tool in its hands it took too long."
    except (ProviderError, ReplyCutShort):
        return "With a tool in its hands it failed."
    finally:
        await model.close()
    if not model.calls_tools:
        return "It refuses tools, so avatars can do little with it besides talking."
    return "It can use tools." if called else "It did not use the tool it was offered."


async def _speak(endpoint: Endpoint) -> Verdict:
    from avatars.voices import voice_choices
    from realtime.agent.providers.openai_tts import OpenAiTextToSpeech

    voice = OpenAiTextToSpeech(endpoint)
    started_s = time.monotonic()
    first_ms, seconds = 0, 0.0
    try:
        async for speech in voice.speak(SENTENCE, voice_choices()[0][0]):
            first_ms = first_ms or _ms(started_s)
            seconds += speech.duration_s
    finally:
        await voice.close()
    words = f"It spoke for {seconds:.1f} s; the first sound came after {first_ms} ms."
    if not 0.8 <= seconds <= 6:
        return Verdict(False, f"{words} That is not how long the sentence takes: is the rate of the samples right?")
    return Verdict(True, words)


async def _hear(endpoint: Endpoint) -> Verdict:
    from realtime.agent.providers.openai_stt import OpenAiSpeechToText
    from realtime.agent.utterance import words_of

    samples, said = await asyncio.to_thread(_recording)
    ears = OpenAiSpeechToText(endpoint)
    started_s = time.monotonic()
    try:
        heard = await ears.transcribe(samples)
    finally:
        await ears.close()
    took = f"after {_ms(started_s)} ms"
    if not heard:
        return Verdict(False, f"It answered {took}, and heard nothing.")
    wanted = words_of(said)
    right = sum(word in words_of(heard) for word in wanted) / len(wanted)
    if right < 0.5 and endpoint.language == "en":
        return Verdict(False, f"It answered {took}, but heard “{_shown(heard)}” where “{said}” was said.")
    return Verdict(True, f"It heard “{_shown(heard)}” {took}.")


async def _converse(endpoint: Endpoint) -> Verdict:
    from realtime.agent.providers.openai_realtime import try_line

    started_s = time.monotonic()
    await try_line(endpoint)
    return Verdict(True, f"A conversation could begin after {_ms(started_s)} ms.")


def _recording() -> tuple[Any, str]:
    """A recording of somebody speaking, at the rate of the ears, and what is said in it."""
    import wave

    import numpy as np
    import soxr

    from avatars.voices import SAMPLE, VoiceSilent, find_sample, voice_choices
    from realtime.agent.protocols import HEARING_RATE_HZ, ProviderError

    try:
        with wave.open(str(find_sample(voice_choices()[0][0]))) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
            return soxr.resample(samples, file.getframerate(), HEARING_RATE_HZ), SAMPLE
    except VoiceSilent as error:
        raise ProviderError(str(error)) from error
