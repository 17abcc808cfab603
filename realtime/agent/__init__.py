"""The agent: it hears, takes turns, thinks and speaks."""

from realtime.agent.agent import Agent
from realtime.agent.cues import Cue, SaidBy, Trigger
from realtime.agent.protocols import AgentSettings, ProviderError, Providers, Stage, WrittenPair
from realtime.agent.providers import build_providers, with_own

__all__ = [
    "Agent",
    "AgentSettings",
    "Cue",
    "ProviderError",
    "Providers",
    "SaidBy",
    "Stage",
    "Trigger",
    "WrittenPair",
    "build_providers",
    "with_own",
]
