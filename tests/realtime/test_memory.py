"""What avatars remember: kept only with consent, bounded, never logged, and gone when it is to be."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async

from avatars.models import Avatar
from realtime.agent import Providers, Recollection
from realtime.agent.facts import LONGEST_FACT
from realtime.agent.protocols import Message, ProviderError
from realtime.memory import Recollector, remember, remembered
from realtime.models import Acquaintance, Memory
from tests.agent.fakes import FakeLanguageModel, FakeSpeechToText, FakeVoice, FakeVoiceActivity
from tests.agent.test_notes import Says

pytestmark = pytest.mark.django_db

TEA, BERGEN = "The visitor likes tea.", "The visitor lives in Bergen."
SAID = Recollection("", ({"role": "user", "content": "I am Tom, and I live in Bergen."},))


@pytest.fixture
def nell(make_avatar: Callable[..., Avatar]) -> Avatar:
    return make_avatar(visibility=Avatar.Visibility.PUBLIC, remembers=True)


@pytest.fixture
def consent(nell: Avatar, user: Any) -> Acquaintance:
    return Acquaintance.objects.create(user=user, avatar=nell)


def providers(answer: str = BERGEN, fails: bool = False) -> Providers:
    mind = FakeLanguageModel(lambda question: answer, first_s=0, word_s=0, fails_after=0 if fails else None)
    return Providers(FakeSpeechToText([""]), mind, FakeVoice(), FakeVoiceActivity)


def recollect(user: Any, avatar: Avatar, with_: Providers, said: Recollection = SAID) -> FakeLanguageModel:
    known = remembered(user.pk, avatar)
    async_to_sync(Recollector(user.pk, avatar, known, with_).recollect)(said)
    mind: Any = with_.language_model
    return mind


def texts(user: Any) -> list[str]:
    return list(Memory.objects.filter(acquaintance__user=user).values_list("text", flat=True))


def test_facts_are_kept_and_told_the_next_time(nell: Avatar, user: Any, consent: Acquaintance) -> None:
    recollect(user, nell, providers())
    assert remembered(user.pk, nell) == (BERGEN,)
    mind = recollect(user, nell, providers(f"{BERGEN}"))
    assert BERGEN in mind.asked[0][-1]["content"]
    assert remembered(user.pk, nell) == (BERGEN,)


def test_without_consent_the_model_is_not_even_asked(nell: Avatar, user: Any) -> None:
    assert not recollect(user, nell, providers()).asked
    assert not Memory.objects.exists()


def test_nothing_said_is_nothing_to_remember(nell: Avatar, user: Any, consent: Acquaintance) -> None:
    said = Recollection("", ({"role": "assistant", "content": "Hello, I am Nell."},))
    assert not recollect(user, nell, providers(), said).asked


def test_where_the_owner_switched_it_off_nothing_is_told_or_added(
    nell: Avatar, user: Any, consent: Acquaintance
) -> None:
    remember(user.pk, nell.pk, [TEA])
    Avatar.objects.update(remembers=False)
    nell.refresh_from_db()
    assert remembered(user.pk, nell) == ()
    assert not recollect(user, nell, providers()).asked
    assert remember(user.pk, nell.pk, [BERGEN]) == 0
    # It is the user's to delete.
    assert texts(user) == [TEA]


def test_who_has_no_account_is_not_remembered(nell: Avatar) -> None:
    assert remembered(None, nell) == ()


def test_consent_withdrawn_while_the_model_writes_counts(nell: Avatar, user: Any, consent: Acquaintance) -> None:
    @dataclass
    class Withdrawing(FakeLanguageModel):
        async def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
            await database_sync_to_async(consent.delete)()
            yield BERGEN

    recollect(user, nell, replace(providers(), language_model=Withdrawing()))
    assert not Memory.objects.exists()


def test_what_was_deleted_during_a_conversation_does_not_come_back(
    nell: Avatar, user: Any, consent: Acquaintance
) -> None:
    remember(user.pk, nell.pk, [TEA])
    recollector = Recollector(
        user.pk, nell, remembered(user.pk, nell), replace(providers(), language_model=Says([f"{TEA}\n{BERGEN}"]))
    )
    Memory.objects.all().delete()
    async_to_sync(recollector.recollect)(SAID)
    assert texts(user) == [BERGEN]


def test_the_oldest_make_room(nell: Avatar, user: Any, consent: Acquaintance) -> None:
    for n in range(Memory.LIMIT + 5):
        assert remember(user.pk, nell.pk, [f"The visitor likes number {n}."]) == 1
    assert len(texts(user)) == Memory.LIMIT
    assert texts(user)[0] == "The visitor likes number 5."


def test_people_are_told_apart(nell: Avatar, user: Any, creator: Any, consent: Acquaintance) -> None:
    Acquaintance.objects.create(user=creator, avatar=nell)
    remember(user.pk, nell.pk, [TEA])
    assert remembered(creator.pk, nell) == ()


def test_a_fact_fits_into_its_column() -> None:
    assert Memory._meta.get_field("text").max_length == LONGEST_FACT


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_of_it_is_logged(
    nell: Avatar, user: Any, consent: Acquaintance, capfd: Any, caplog: Any, fails: bool
) -> None:
    recollect(user, nell, providers(fails=fails))
    assert texts(user) == ([] if fails else [BERGEN])
    logged = caplog.text + "".join(capfd.readouterr())
    assert "remembered" in logged
    assert "Bergen" not in logged
    assert "Tom" not in logged


def test_a_database_that_is_away_does_no_harm(
    nell: Avatar, user: Any, consent: Acquaintance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> Any:
        raise ProviderError("away")

    monkeypatch.setattr("realtime.memory.remember", away)
    recollect(user, nell, providers())


@pytest.mark.parametrize("what", ["user", "avatar", "consent"])
def test_memories_go_with_whom_they_belong_to(nell: Avatar, user: Any, consent: Acquaintance, what: str) -> None:
    remember(user.pk, nell.pk, [TEA])
    {"user": user, "avatar": nell, "consent": consent}[what].delete()
    assert not Memory.objects.exists()
    assert not Acquaintance.objects.exists()
