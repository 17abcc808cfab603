"""Which providers a session gets, as admins and creators choose."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from channels.db import database_sync_to_async

from avatars.models import Avatar
from realtime.agent import ProviderError, Providers
from realtime.agent.protocols import Message
from realtime.agent.providers.openai_llm import OpenAiLanguageModel
from realtime.agent.providers.openai_stt import OpenAiSpeechToText
from realtime.agent.providers.openai_tts import OpenAiTextToSpeech
from realtime.casting import Casting
from tests.agent.fakes import FakeLanguageModel, FakeSpeechToText, FakeVoice, FakeVoiceActivity
from webapp.providers.endpoint import Choice, Endpoint
from webapp.providers.models import Provider

pytestmark = pytest.mark.django_db(transaction=True)

Kind = Provider.Kind
URL = "https://api.example.org/v1"


@pytest.fixture
def local() -> Providers:
    return Providers(FakeSpeechToText([""]), FakeLanguageModel(), FakeVoice(), FakeVoiceActivity, demo_brain=True)


def choose(kind: Kind, **values: Any) -> Any:
    return database_sync_to_async(Provider.objects.update_or_create)(
        kind=kind, avatar=values.pop("avatar", None), defaults=values
    )


async def test_without_a_choice_all_is_local(local: Providers, avatar: Avatar) -> None:
    assert await Casting(local).providers_for(avatar) == local


async def test_an_avatars_own_come_first_and_those_of_all_stand_by(
    local: Providers, avatar: Avatar, make_avatar: Callable[..., Avatar]
) -> None:
    other = await database_sync_to_async(make_avatar)()
    for kind in (Kind.STT, Kind.LLM, Kind.TTS):
        await choose(kind, avatar=avatar, url=URL, model="m")
    casting = Casting(local)
    own = await casting.providers_for(avatar)
    assert isinstance(own.speech_to_text, OpenAiSpeechToText)
    assert isinstance(own.language_model, OpenAiLanguageModel)
    assert isinstance(own.text_to_speech, OpenAiTextToSpeech)
    assert own.fallback_ears == (local.speech_to_text,)
    assert own.fallback_minds == (local.language_model,)
    assert own.fallback_voices == (local.text_to_speech,)
    assert (own.demo_brain, own.fallback_demo, own.small_model) == (False, True, False)
    assert await casting.providers_for(other) == local
    again = await casting.providers_for(avatar)
    assert again.language_model is own.language_model, "connections are kept"


async def test_the_demo_brain_that_stands_in_is_told_little(local: Providers, avatar: Avatar) -> None:
    await choose(Kind.LLM, avatar=avatar, url=URL, model="m")
    (mind,) = (await Casting(replace(local, small_model=True)).providers_for(avatar)).fallback_minds
    persona = "You are Ada. " + "You know everything about ships. " * 100
    asked: list[Message] = [
        {"role": "system", "content": persona},
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Which ship is fastest?"},
    ]
    assert [text async for text in mind.reply(asked)]
    (told,) = local.language_model.asked  # type: ignore[attr-defined]
    assert told[1:] == asked[-1:]
    assert told[0]["content"].startswith("You are Ada. You know")
    assert len(told[0]["content"]) < 400
    await mind.prepare(asked)


async def test_what_an_avatar_chose_itself_comes_before_speech_to_speech_for_all(
    local: Providers, avatar: Avatar, make_avatar: Callable[..., Avatar]
) -> None:
    for_all = Endpoint("wss://all.example.org/v1", "m")
    casting = Casting(replace(local, conversing=for_all))
    assert (await casting.providers_for(avatar)).conversing == for_all
    await choose(Kind.LLM, avatar=avatar, url=URL, model="m")
    assert (await casting.providers_for(avatar)).conversing is None
    await choose(Kind.REALTIME, avatar=avatar, url="wss://own.example.org/v1", model="m")
    its_own = (await casting.providers_for(avatar)).conversing
    assert its_own
    assert (its_own.url, its_own.public_only) == ("wss://own.example.org/v1", True)


async def test_an_admins_choice_holds_from_the_next_session_on(
    local: Providers, avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Choice] = []

    def build(settings: Any, choice: Choice) -> Providers:
        built.append(choice)
        return replace(local, demo_brain=choice.demo_brain)

    monkeypatch.setattr("realtime.casting.build_providers", build)
    casting = Casting(local)
    assert (await casting.providers_for(avatar)).demo_brain
    await choose(Kind.LLM, url="http://127.0.0.1:11434/v1", model="llama")
    for _ in range(2):
        assert not (await casting.providers_for(avatar)).demo_brain
    (choice,) = built
    assert choice.thinking
    assert choice.thinking.model == "llama"
    assert not choice.thinking.public_only


async def test_a_choice_that_cannot_be_loaded_leaves_the_old_one(
    local: Providers, avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(settings: Any, choice: Choice) -> Providers:
        raise ProviderError("Whisper base is not installed.")

    monkeypatch.setattr("realtime.casting.build_providers", build)
    casting = Casting(local)
    await casting.providers_for(avatar)
    await choose(Kind.STT, model="base")
    assert await casting.providers_for(avatar) == local
