"""What the minds of one avatar are given: its tools, its files, and the answers that its owner wrote."""

from dataclasses import replace

from realtime.agent.knowledge import InformedModel, Librarian
from realtime.agent.plain_requests import PlainRequests
from realtime.agent.protocols import AgentSettings, LanguageModel, Providers
from realtime.agent.tool_use import ToolUser
from realtime.agent.tools import Toolbox, toolbox_for
from realtime.agent.written_answers import WrittenAnswers


def instructed(providers: Providers, settings: AgentSettings) -> Providers:
    """Providers whose minds have all that the settings name. What is asked first stands last here."""
    toolbox = toolbox_for(settings)
    mind, meaning = providers.language_model, providers.meaning
    providers = _informed(_equipped(providers, toolbox), settings)
    model: LanguageModel = providers.language_model
    if toolbox:
        # Before the files: somebody who asks for the time does not ask for opening times.
        model = PlainRequests(model, mind, toolbox, settings.links)
    if settings.pairs and meaning is not None:
        model = WrittenAnswers(model, settings.pairs, meaning)
    return replace(providers, language_model=model)


def _equipped(providers: Providers, toolbox: Toolbox) -> Providers:
    if not toolbox:
        return providers
    return replace(
        providers,
        language_model=ToolUser(providers.language_model, toolbox),
        fallback_minds=tuple(ToolUser(mind, toolbox) for mind in providers.fallback_minds),
    )


def _informed(providers: Providers, settings: AgentSettings) -> Providers:
    meaning = providers.meaning
    if meaning is None or settings.knowledge is None:
        return providers
    librarian = Librarian(settings.knowledge, meaning, providers.knowledge_letters)
    return replace(
        providers,
        language_model=InformedModel(providers.language_model, librarian, reads_out=providers.small_model),
        fallback_minds=tuple(InformedModel(mind, librarian) for mind in providers.fallback_minds),
    )
