"""Answers that the avatar's owner wrote: given word for word when somebody asks what they belong to."""

from collections.abc import AsyncGenerator, Sequence
from typing import Final

import structlog

from realtime.agent.protocols import Attributed, LanguageModel, Meaning, Message, ProviderError, WrittenPair

logger = structlog.get_logger(__name__)

# Two sentences that mean the same score 0.75 and more, two about the same thing 0.5.
SAME: Final = 0.70


class Written(str):
    """Text that is spoken whole, however many sentences it has."""

    __slots__ = ()


class WrittenAnswers:
    """A language model that looks among the written answers first."""

    def __init__(self, model: LanguageModel, pairs: Sequence[WrittenPair], meaning: Meaning) -> None:
        self._model = model
        self._meaning = meaning
        self._questions = [question for pair in pairs for question in pair.questions]
        self._answers = [pair.answer for pair in pairs for _ in pair.questions]

    async def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        """The written answer to the last message, else the model's own reply."""
        asked = messages[-1]["content"]
        answer = await self._written(asked.words if isinstance(asked, Attributed) else asked)
        if answer is not None:
            yield Written(answer)
            return
        async for text in self._model.reply(messages):
            yield text

    async def prepare(self, messages: Sequence[Message]) -> None:
        """Learn the questions, and let the model read ahead."""
        await self._written("")
        await self._model.prepare(messages)

    async def _written(self, text: str) -> str | None:
        """The answer of the question that means the same; None where none does."""
        if not self._questions:
            return None
        try:
            scores = await self._meaning.embed(self._questions) @ (await self._meaning.embed([text]))[0]
        except ProviderError as error:
            logger.warning("Written answers cannot be looked up", reason=str(error))
            return None
        best = int(scores.argmax())
        return self._answers[best] if scores[best] >= SAME else None
