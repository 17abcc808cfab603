"""The agent: it hears, takes turns, thinks and speaks."""

from realtime.agent.agent import Agent
from realtime.agent.cues import Cue, SaidBy, Trigger
from realtime.agent.facts import drawn_facts
from realtime.agent.facts import same as same_fact
from realtime.agent.protocols import (
    AgentSettings,
    Attributed,
    Converser,
    Knowledge,
    KnownPassage,
    Link,
    Message,
    ProviderError,
    Providers,
    Recollection,
    Stage,
    Talker,
    WrittenPair,
)
from realtime.agent.providers import build_providers, with_own
from realtime.agent.speech_to_speech import SpeechToSpeechAgent

__all__ = [
    "Agent",
    "AgentSettings",
    "Attributed",
    "Converser",
    "Cue",
    "Knowledge",
    "KnownPassage",
    "Link",
    "Message",
    "ProviderError",
    "Providers",
    "Recollection",
    "SaidBy",
    "Stage",
    "Talker",
    "Trigger",
    "WrittenPair",
    "agent_for",
    "build_providers",
    "drawn_facts",
    "same_fact",
    "with_own",
]


def agent_for(settings: AgentSettings, providers: Providers, stage: Stage) -> Converser:
    """The kind of agent that the providers are for. A model that hears and speaks itself hears one microphone alone."""
    if providers.conversing is not None and not settings.several:
        return SpeechToSpeechAgent(settings, providers, stage, providers.conversing)
    return Agent(settings, providers, stage)
