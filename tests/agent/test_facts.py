"""Facts about a user: what counts as one, what the model is asked, and what the avatar is told the next time."""

from typing import Any

import pytest

from realtime.agent import AgentSettings, Recollection
from realtime.agent.dialogue import MEMORIES, short_prompt, system_prompt
from realtime.agent.facts import LONGEST_FACT, MOST_FACTS, drawn_facts, facts_in
from realtime.agent.notes import written
from realtime.agent.protocols import Message, ProviderError
from tests.agent.fakes import Conversation, FakeLanguageModel
from tests.agent.test_conversation import virtually
from tests.agent.test_notes import Says
from tests.agent.virtual_time import run_virtually

TWO = ["The visitor is called Tom.", "The visitor lives in Bergen."]
MANY = [f"The visitor likes number {n}." for n in range(20)]
TURNS: tuple[Message, ...] = (
    {"role": "user", "content": "I am Tom, and I live in Bergen."},
    {"role": "assistant", "content": "Hello, Tom."},
)


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("\n".join(TWO), TWO),
        ("- The visitor likes tea.\n2) The visitor has a daughter.", ["The visitor likes tea.", "The visitor has a daughter."]),
        ("Here are the facts:\nThe visitor likes   tea.\n\nI hope this helps!", ["The visitor likes tea."]),
        ("NONE", []),
        ("", []),
        ("The visitor", []),
        ("The visitor likes tea.\nthe visitor likes tea", ["The visitor likes tea."]),
        ("The visitor knows everything already!", []),
        ("The visitor " + "x" * LONGEST_FACT, []),
        ("The visitor likes\x00 tea.\u202e", ["The visitor likes tea."]),
        ("\n".join(MANY), MANY[:MOST_FACTS]),
    ],
)  # fmt: skip
def test_what_counts_as_a_fact(text: str, facts: list[str]) -> None:
    assert facts_in(text, ["The visitor knows everything, already."]) == facts


def test_the_model_is_asked_with_what_is_known_and_what_was_said() -> None:
    mind = FakeLanguageModel(lambda question: "The visitor lives in Bergen.")
    recollection = Recollection("They spoke of whales.", TURNS)
    facts = run_virtually(drawn_facts(mind, ["The visitor is called Tom."], recollection, 1000))
    assert facts == ["The visitor lives in Bergen."]
    asked = mind.asked[0][-1]["content"]
    assert "- The visitor is called Tom." in asked
    assert "They spoke of whales." in asked
    assert "Visitor: I am Tom, and I live in Bergen.\nYou: Hello, Tom." in asked


def test_of_a_long_conversation_the_end_is_read() -> None:
    mind = FakeLanguageModel(lambda question: "NONE")
    turns: tuple[Message, ...] = tuple({"role": "user", "content": f"Number {n}."} for n in range(1000))
    assert run_virtually(drawn_facts(mind, [], Recollection("", turns), 500)) == []
    asked = mind.asked[0][-1]["content"]
    assert len(asked) < 700
    assert "Number 999." in asked


def test_a_model_that_does_not_end_is_cut_and_one_that_fails_is_told() -> None:
    assert len(run_virtually(written(Says(["word " * 100] * 1000), "", "", 300))) == 300
    with pytest.raises(ProviderError):
        run_virtually(drawn_facts(Says([ProviderError("Away.")]), [], Recollection("", TURNS), 1000))


def test_what_is_remembered_is_told_the_next_time() -> None:
    settings = AgentSettings("A lighthouse keeper.", memories=("The visitor likes tea.",))
    assert f"{MEMORIES}\n- The visitor likes tea." in system_prompt(settings)
    assert MEMORIES not in system_prompt(AgentSettings("A lighthouse keeper."))
    # The demo brain would only garble it.
    assert "tea" not in short_prompt(settings)


@virtually
async def test_an_agent_recollects_what_was_heard_also_after_its_end() -> None:
    async with Conversation("I am Tom.") as talk:
        await talk.speak()
        await talk.silence(4000)
    recollection: Any = talk.agent.recollection()
    assert [turn["content"] for turn in recollection.turns] == ["I am Tom.", "You said I am Tom. That is good to know."]
