"""A small mind that stands in for a larger one."""

from collections.abc import AsyncGenerator, Sequence
from typing import Final

from realtime.agent.protocols import LanguageModel, Message

SYSTEM_LETTERS: Final = 300
RULE: Final = "Answer in one short sentence."


class Briefed:
    """Tells it in short who it is and what was asked last: it would lose the thread of more, and take long to read it."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    async def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        """The reply to the last message."""
        async for text in self._model.reply(brief(messages)):
            yield text

    async def prepare(self, messages: Sequence[Message]) -> None:
        """Read ahead the same."""
        await self._model.prepare(brief(messages))


def brief(messages: Sequence[Message]) -> list[Message]:
    """The beginning of what it is, and the last message."""
    system = messages[0]["content"][:SYSTEM_LETTERS].replace("\n", " ")
    whole = system.rpartition(".")[0] or system
    return [{"role": "system", "content": f"{whole}. {RULE}"}, *messages[1:][-1:]]
