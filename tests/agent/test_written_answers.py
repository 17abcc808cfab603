"""Answers word for word: found by what is meant, left alone by what is not, and spoken whole."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from avatars.demo import demo_avatars
from avatars.meaning import minilm_folder, read_safetensors
from realtime.agent.protocols import Message, ProviderError, Samples, WrittenPair
from realtime.agent.providers.minilm import MiniLm
from realtime.agent.reply import WHOLE
from realtime.agent.sentences import Splitter
from realtime.agent.written_answers import SAME, WrittenAnswers
from tests.agent.fakes import FakeLanguageModel
from tests.agent.virtual_time import run_virtually

PAIRS = (WrittenPair(("Who are you?", "Your name?"), "I am Ada. I keep the light. It is warm here."),)


class FakeMeaning:
    """Two texts mean the same where they begin with the same letter."""

    def __init__(self) -> None:
        self.broken = False

    async def embed(self, texts: Sequence[str]) -> Samples:
        if self.broken:
            raise ProviderError("There is no model of meaning.")
        return np.stack([np.eye(128, dtype=np.float32)[ord(text[0]) if text else 0] for text in texts])


async def answer(model: WrittenAnswers, text: str) -> list[str]:
    messages: list[Message] = [{"role": "system", "content": "s"}, {"role": "user", "content": text}]
    return [part async for part in model.reply(messages)]


def test_what_means_the_same_gets_the_written_answer() -> None:
    mind = FakeLanguageModel()
    model = WrittenAnswers(mind, PAIRS, FakeMeaning())
    assert run_virtually(answer(model, "Whoever might you be?")) == [PAIRS[0].answer]
    assert run_virtually(answer(model, "Yours truly?")) == [PAIRS[0].answer]
    assert mind.asked == []


def test_what_means_something_else_is_left_to_the_model() -> None:
    mind = FakeLanguageModel()
    parts = run_virtually(answer(WrittenAnswers(mind, PAIRS, FakeMeaning()), "Tea, please."))
    assert "".join(parts).startswith("You said Tea, please")


def test_without_meaning_the_model_answers_everything() -> None:
    mind, meaning = FakeLanguageModel(), FakeMeaning()
    meaning.broken = True
    assert len(run_virtually(answer(WrittenAnswers(mind, PAIRS, meaning), "Who are you?"))) > 1


def test_a_written_answer_is_spoken_whole() -> None:
    splitter = Splitter(WHOLE)
    pieces = [*splitter.push(PAIRS[0].answer), *splitter.finish(cut_short=False)]
    assert " ".join(piece.text for piece in pieces) == PAIRS[0].answer


@pytest.fixture(scope="module")
def minilm() -> MiniLm:
    return MiniLm(minilm_folder())


def score(minilm: MiniLm, one: str, other: str) -> float:
    first, second = minilm.embed_now([one, other])
    return float(first @ second)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Who painted you?", "Who made this painting of you?"),
        ("Why are you smiling?", "Can you tell me why you smile?"),
        ("What is your favourite food?", "What food do you like the most?"),
        ("Do you know a joke?", "Do you know any jokes?"),
        ("What is the weather like?", "What's the weather like?"),
    ],
)
def test_the_real_model_hears_the_same_meaning(minilm: MiniLm, one: str, other: str) -> None:
    assert score(minilm, one, other) >= SAME


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Who are you?", "How are you?"),
        ("What is the capital of France?", "What is your favourite food?"),
        ("Why does it rain?", "Why is the sky blue?"),
        ("Who painted you?", "Who built the Eiffel Tower?"),
        ("Tell me a joke.", "Tell me about the moon."),
    ],
)
def test_the_real_model_hears_another_meaning(minilm: MiniLm, one: str, other: str) -> None:
    assert score(minilm, one, other) < SAME


def test_vectors_are_of_length_one_whatever_the_text(minilm: MiniLm) -> None:
    vectors = minilm.embed_now(["", "?!", "word " * 500, "日本語", "\x00"])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)


def test_the_demo_avatars_do_not_answer_each_other_wrongly(minilm: MiniLm) -> None:
    for avatar in demo_avatars():
        answers = {question: pair.answer for pair in avatar.pairs for question in pair.questions.splitlines()}
        vectors = minilm.embed_now(list(answers))
        for index, (question, wanted) in enumerate(answers.items()):
            nearest = int(np.argsort(vectors @ vectors[index])[-1])
            assert list(answers.values())[nearest] == wanted, (avatar.key, question)


def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"\xff" * 64)
    with pytest.raises(ValueError, match="not a safetensors file"):
        read_safetensors(path)
