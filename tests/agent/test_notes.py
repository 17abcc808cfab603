"""A long conversation: what is folded into notes and when, and what becomes of it where no notes can be written."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from realtime.agent.dialogue import NOTES, Dialogue
from realtime.agent.notes import NOTES_LETTERS, REST_S, noted
from realtime.agent.protocols import Message, ProviderError, ReplyCutShort
from realtime.agent.tokens import tokens_in
from tests.agent.fakes import Conversation, FakeLanguageModel
from tests.agent.test_conversation import virtually
from tests.agent.virtual_time import run_virtually


@dataclass
class NotingModel(FakeLanguageModel):
    """Writes `notes` where it is asked for notes; they are an exception where it cannot."""

    notes: list[str | Exception] = field(default_factory=lambda: ["The visitor likes tea."])
    notes_s: float = 1.0
    asked_for_notes: list[str] = field(default_factory=list)
    given_up: int = 0

    async def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        if not messages[0]["content"].startswith("You keep notes"):
            async for text in FakeLanguageModel.reply(self, messages):
                yield text
            return
        self.asked_for_notes.append(messages[-1]["content"])
        try:
            await asyncio.sleep(self.notes_s)
        except (asyncio.CancelledError, GeneratorExit):
            self.given_up += 1
            raise
        notes = self.notes.pop(0) if len(self.notes) > 1 else self.notes[0]
        if isinstance(notes, Exception):
            raise notes
        yield notes


def talking(**mind: Any) -> Conversation:
    return Conversation(
        *(f"This is what I have to say about number {n}." for n in range(40)),
        mind=NotingModel(lambda question: "Go on, for nobody else ever told me any such thing.", **mind),
        history_tokens=120,
    )


async def turns(talk: Conversation, count: int, silence_ms: int = 6000) -> None:
    for _ in range(count):
        await talk.speak()
        await talk.silence(silence_ms)


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("word", 1), ("a word or two", 4), ("größer", 2), ("привет", 3), ("你好世界", 4)]
)
def test_tokens_are_estimated(text: str, tokens: int) -> None:
    assert tokens_in(text) == tokens


def dialogue(*lengths: int, budget: int = 100) -> Dialogue:
    """Turns by turns of user and avatar, each so many tokens long."""
    made = Dialogue("You are Ada.", budget)
    for place, length in enumerate(lengths):
        (made.avatar_was_heard if place % 2 else made.user_said)("word" * length)
    return made


@pytest.mark.parametrize(
    ("lengths", "folded"),
    [
        ((), 0),
        ((20, 20, 20, 20), 0),
        ((20, 20, 20, 20, 10, 10), 4),
        ((10, 10, 10, 10, 10, 10, 10, 20), 6),
        # One answer has to remain, for it may still be taken up again.
        ((50, 50), 0),
        ((50, 50, 50), 0),
        ((50, 50, 50, 50), 2),
    ],
)
def test_what_is_folded(lengths: tuple[int, ...], folded: int) -> None:
    assert len(dialogue(*lengths).overflowing()) == folded


def test_notes_take_the_place_of_the_oldest_turns() -> None:
    said = dialogue(20, 20, 20, 20, 10, 10)
    old = said.overflowing()
    said.fold(old, "They like tea.")
    system, *rest = said.prompt("And now?")
    assert system["content"] == f"You are Ada.\n{NOTES} They like tea."
    assert [len(message["content"]) // 4 for message in rest[:-1]] == [10, 10]
    # What was folded already, or has changed meanwhile, is left alone.
    said.fold(old, "Something else.")
    assert said.notes == "They like tea."


@virtually
async def test_older_turns_become_notes_while_nobody_waits() -> None:
    async with talking() as talk:
        await turns(talk, 10)
        assert len(talk.mind.asked_for_notes) >= 2
        assert "Visitor: This is what I have to say about number 0.\nYou: Go on," in talk.mind.asked_for_notes[0]
        system = talk.mind.asked[-1][0]["content"]
        assert system.endswith(f"{NOTES} The visitor likes tea.")
        assert "number 0" not in str(talk.mind.asked[-1])
        # Asked for again only when as much has been said again, with the old notes in it.
        assert len(talk.mind.asked_for_notes) < 4
        assert "The visitor likes tea." in talk.mind.asked_for_notes[-1]


@virtually
async def test_between_two_foldings_the_beginning_stays_as_it_was() -> None:
    async with talking() as talk:
        await turns(talk, 12)
        kept = [
            later[: len(before) - 1] == before[:-1]
            for before, later in zip(talk.mind.asked, talk.mind.asked[1:], strict=False)
        ]
        assert kept.count(False) == len(talk.mind.asked_for_notes)


@virtually
async def test_who_speaks_does_not_wait_for_notes() -> None:
    async with talking(notes_s=30.0) as talk:
        await turns(talk, 8)
        assert talk.mind.given_up >= 3
        assert len(talk.stage.captions("avatar")) == 8
        assert NOTES not in talk.mind.asked[-1][0]["content"]
        # As much as there is room for is told all the same.
        assert sum(tokens_in(message["content"]) for message in talk.mind.asked[-1][1:-1]) <= 120


@virtually
async def test_the_notes_end_with_the_conversation() -> None:
    async with talking(notes_s=30.0) as talk:
        await turns(talk, 5)
        given_up = talk.mind.given_up
    assert talk.mind.given_up == given_up + 1


@virtually
async def test_without_notes_the_oldest_turns_are_forgotten_and_nobody_notices() -> None:
    async with talking(notes=[ProviderError("The language model cannot be reached.")]) as talk:
        await turns(talk, 8)
        # Not asked again at once.
        assert len(talk.mind.asked_for_notes) == 1
        assert len(talk.stage.captions("avatar")) == 8
        assert not talk.stage.of_type("notice")
        assert "number 0" not in str(talk.mind.asked[-1])
        talk.mind.notes = ["Tea."]
        await asyncio.sleep(REST_S)
        await turns(talk, 2)
        assert talk.mind.asked[-1][0]["content"].endswith("Tea.")


@virtually
async def test_the_tiny_model_keeps_no_notes() -> None:
    talk = talking()
    talk.agent._providers = type(talk.agent._providers)(
        talk.ears, talk.mind, talk.voice, lambda: talk.voice_activity, turn_judge=talk.judge, small_model=True
    )
    async with talk:
        await turns(talk, 8)
        assert not talk.mind.asked_for_notes


@dataclass
class Says:
    """A mind that says these parts; an exception among them is raised."""

    parts: list[str | Exception]

    async def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            yield part

    async def prepare(self, messages: Sequence[Message]) -> None: ...


@pytest.mark.parametrize(
    ("parts", "notes"),
    [
        (["They like", " tea.\nAnd books."], "They like tea. And books."),
        (["They like tea. And also boo", ReplyCutShort()], "They like tea."),
        (["Tea. " * 1000], ("Tea. " * (NOTES_LETTERS // 5)).strip()),
        ([""], None),
        (["and so on and so"], None),
        ([ProviderError("Away.")], None),
    ],
)
def test_what_counts_as_notes(parts: list[str | Exception], notes: str | None) -> None:
    if notes is None:
        with pytest.raises(ProviderError):
            run_virtually(noted(Says(parts), "", []))
    else:
        assert run_virtually(noted(Says(parts), "", [])) == notes
