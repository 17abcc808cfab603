"""What an avatar's files say: found by meaning, told to the mind within a budget, read out for a small one, cited."""

import asyncio
from typing import Any

import pytest

from avatars.knowledge.passages import cut
from avatars.meaning import minilm_folder
from realtime.agent.instruction import instructed
from realtime.agent.knowledge import TOLD, Found, Informed, InformedModel, Librarian
from realtime.agent.protocols import AgentSettings, Attributed, Knowledge, KnownPassage, Message, WrittenPair
from realtime.agent.providers.minilm import MiniLm
from tests.agent.fakes import Conversation, FakeLanguageModel
from tests.agent.test_written_answers import FakeMeaning

MUSEUM = """# Opening hours

We are open Tuesday to Sunday from 10 in the morning to 6 in the evening. On Mondays the museum is closed.

# Tickets

- Adults pay 14 euros
- Students pay 9 euros

# Getting here

Tram 4 stops in front of the museum. There is a car park behind the building, which costs 2 euros an hour.

# The collection

The steam tug Marjorie was built in 1911. The lighthouse lamp was made in Paris and could be seen from 30 kilometres away.

# Cafe

The cafe on the roof serves fish soup, cakes and coffee. Dogs are welcome on the terrace.

# Lost property

What was lost in the museum is kept at the desk for three months. Call Ms. Okafor at extension 212.
"""
ANSWERS = {
    "When are you open?": "Tuesday to Sunday",
    "What does a ticket for an adult cost?": "14",
    "How much do students pay?": "9 euros",
    "Which tram goes there?": "Tram 4",
    "How old is the steam tug?": "1911",
    "Where was the lighthouse lamp made?": "Paris",
    "What can I eat in the cafe?": "fish soup",
    "Can I bring my dog?": "terrace",
    "I lost my umbrella, who should I call?": "Okafor",
    "How much is parking?": "2 euros an hour",
}
UNKNOWN = [
    "Tell me a joke.",
    "What is the capital of France?",
    "How are you today?",
    "Thank you, goodbye.",
    "Do you like music?",
]


@pytest.fixture(scope="module")
def meaning() -> MiniLm:
    return MiniLm(minilm_folder())


@pytest.fixture(scope="module")
def knowledge(meaning: MiniLm) -> Knowledge:
    passages = cut([MUSEUM])
    known = tuple(KnownPassage(passage.text, "museum.pdf", 3, passage.heading) for passage in passages)
    return Knowledge(known, meaning.embed_now([passage.in_context for passage in passages]))


@pytest.fixture(scope="module")
def librarian(knowledge: Knowledge, meaning: MiniLm) -> Librarian:
    return Librarian(knowledge, meaning, 900)


def asked(*said: str) -> list[Message]:
    messages: list[Message] = [{"role": "system", "content": "You are Ada."}]
    for number, text in enumerate(said):
        messages.append({"role": "assistant" if number % 2 else "user", "content": text})
    return messages


@pytest.mark.parametrize(("question", "fact"), ANSWERS.items())
async def test_a_small_mind_reads_out_the_sentence_that_answers(librarian: Librarian, question: str, fact: str) -> None:
    mind = FakeLanguageModel()
    (answer,) = [text async for text in InformedModel(mind, librarian, reads_out=True).reply(asked(question))]
    assert fact in answer
    assert isinstance(answer, Informed)
    assert answer.found.cited(answer) == [{"file": "museum.pdf", "page": 3}]
    assert not mind.asked


@pytest.mark.parametrize(("question", "fact"), ANSWERS.items())
async def test_a_mind_is_told_the_passage_that_answers(librarian: Librarian, question: str, fact: str) -> None:
    found = await librarian.find(asked(question))
    assert found is not None
    assert any(fact in passage.text for passage in found.passages)
    system, last = found.told(asked(question))
    assert system["content"] == "You are Ada."
    assert last["content"].startswith(TOLD)
    assert last["content"].endswith(f"\n\n{question}")


@pytest.mark.parametrize("question", UNKNOWN)
async def test_of_what_is_not_in_the_files_the_mind_thinks_for_itself(librarian: Librarian, question: str) -> None:
    assert await librarian.find(asked(question)) is None
    assert await librarian.read_out(asked(question)) is None


async def test_who_says_it_means_what_was_spoken_of_before(librarian: Librarian) -> None:
    found = await librarian.find(
        asked("Tell me about the steam tug Marjorie.", "A fine ship.", "And when was it built?")
    )
    assert found is not None
    assert "1911" in found.passages[0].text


async def test_in_a_room_names_are_not_looked_for(librarian: Librarian) -> None:
    (message,) = asked("Tell me a joke.")[1:]
    message["content"] = Attributed("Fish Soup: Tell me a joke.", "Tell me a joke.")
    assert await librarian.find([message]) is None


@pytest.mark.parametrize(("budget_letters", "told"), [(1, 1), (19, 1), (20, 2), (35, 3), (1000, 4)])
async def test_the_budget_is_kept(budget_letters: int, told: int) -> None:
    """Six passages of ten letters that mean the same: the best is told whatever its length, and never more than four."""
    alike = await FakeMeaning().embed(["What?"] * 6)
    passages = tuple(KnownPassage("ten letter", f"{number}.txt") for number in range(6))
    found = await Librarian(Knowledge(passages, alike), FakeMeaning(), budget_letters).find(asked("Why?"))
    assert found is not None
    assert len(found.passages) == told


def test_only_what_was_used_is_cited() -> None:
    passages = (KnownPassage("Adults pay 14 euros.", "prices.txt"), KnownPassage("Tram 4 stops here.", "way.pdf", 2))
    found = Found("What do adults pay?", passages)
    assert found.cited("It is 14 for adults.") == [{"file": "prices.txt", "page": 0}]
    assert found.cited("Take the tram.") == [{"file": "way.pdf", "page": 2}]
    assert found.cited("Adults pay, I am sure.") == []


async def test_without_a_model_of_meaning_the_mind_is_asked(knowledge: Knowledge) -> None:
    broken = FakeMeaning()
    broken.broken = True
    mind = FakeLanguageModel()
    model = InformedModel(mind, Librarian(knowledge, broken, 900), reads_out=True)
    assert [text async for text in model.reply(asked("When are you open?"))]
    assert mind.asked


async def said(talk: Conversation, text: str) -> dict[str, Any]:
    """The last caption of the answer to a typed text."""
    talk.agent.read(text)
    async with asyncio.timeout(20):
        while True:
            await asyncio.sleep(0.02)
            for event in talk.stage.of_type("caption"):
                if event["who"] == "avatar" and event["final"]:
                    return event


async def test_the_transcript_names_the_source(knowledge: Knowledge, meaning: MiniLm) -> None:
    async with Conversation(knowledge=knowledge, meaning=meaning, small_model=True) as talk:
        caption = await said(talk, "Which tram goes to the museum?")
    assert caption["text"].startswith("Tram 4 stops")
    assert caption["sources"] == [{"file": "museum.pdf", "page": 3}]


async def test_a_larger_mind_answers_from_the_files_and_is_cited(knowledge: Knowledge, meaning: MiniLm) -> None:
    # This mind repeats what it was told, and so what stands in the files.
    async with Conversation(knowledge=knowledge, meaning=meaning) as talk:
        caption = await said(talk, "Which tram goes to the museum?")
    assert TOLD in talk.mind.asked[0][-1]["content"]
    assert caption["sources"] == [{"file": "museum.pdf", "page": 3}]
    # The history holds what was asked, and not what was told with it.
    assert talk.agent._dialogue.prompt()[1] == {"role": "user", "content": "Which tram goes to the museum?"}


async def test_an_answer_from_nowhere_cites_nothing(knowledge: Knowledge, meaning: MiniLm) -> None:
    async with Conversation(knowledge=knowledge, meaning=meaning) as talk:
        assert "sources" not in await said(talk, "Tell me a joke.")


async def test_written_answers_come_first_and_are_not_cited(knowledge: Knowledge, meaning: MiniLm) -> None:
    async with Conversation(meaning=meaning, small_model=True) as talk:
        settings = AgentSettings(knowledge=knowledge, pairs=(WrittenPair(("When are you open?",), "Always, for you."),))
        mind = instructed(talk.agent._providers, settings).language_model
    (answer,) = [text async for text in mind.reply(asked("When are you open?"))]
    assert answer == "Always, for you."
    assert not isinstance(answer, Informed)
