"""What was said longer ago, kept as notes: written by the language model while nobody waits for it."""

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, Final

from realtime.agent.dialogue import Dialogue
from realtime.agent.protocols import Clock, LanguageModel, Message, ProviderError, ReplyCutShort

log = logging.getLogger(__name__)

NOTES_LETTERS: Final = 700
WITHIN_S: Final = 45.0
# Who failed is left alone for so long; meanwhile the oldest turns are forgotten as if there were no notes.
REST_S: Final = 120.0
WRITE: Final = (
    "You keep notes of a conversation for one of its speakers, who is called “You” in it. Write down in plain sentences what"
    " was told, asked, decided and promised, who the other is, and what is still open. Only what was said, nothing of"
    " your own. At most 80 words, no list, no heading."
)


def transcript(messages: Sequence[Message]) -> str:
    """What was said, a line for each time somebody spoke."""
    return "\n".join(f"{'You' if one['role'] == 'assistant' else 'Visitor'}: {one['content']}" for one in messages)


async def written(mind: LanguageModel, task: str, material: str, most_letters: int) -> str:
    """What a mind writes when it is set a task, cut at `most_letters`. Raises ProviderError and TimeoutError."""
    messages: list[Message] = [{"role": "system", "content": task}, {"role": "user", "content": material}]
    text = ""
    try:
        async with asyncio.timeout(WITHIN_S), aclosing(mind.reply(messages)) as parts:
            async for part in parts:
                text += part
                if len(text) > most_letters:
                    break
    except ReplyCutShort:
        pass
    return text[:most_letters]


async def noted(mind: LanguageModel, notes: str, turns: Sequence[Message]) -> str:
    """New notes in place of the old ones and these turns. Raises ProviderError and TimeoutError."""
    said = transcript(turns)
    material = (
        f"Notes so far:\n{notes or 'None.'}\n\nSaid since then:\n{said}\n\nWrite the notes anew, old and new together."
    )
    text = " ".join((await written(mind, WRITE, material, NOTES_LETTERS)).split())
    whole = re.match(r".*[.!?]", text)
    if whole is None:
        raise ProviderError("The language model wrote no notes.")
    return whole[0]


class NoteTaker:
    """Folds the oldest turns of a dialogue into its notes.

    mind: who writes them, without tools, files and written answers. speaker: the one that will be told them.
    """

    def __init__(
        self,
        dialogue: Dialogue,
        mind: LanguageModel,
        speaker: LanguageModel,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        clock: Clock,
    ) -> None:
        self._dialogue = dialogue
        self._mind = mind
        self._speaker = speaker
        self._spawn = spawn
        self._clock = clock
        self._writing: asyncio.Task[None] | None = None
        self._rests_until_s = clock()

    def consider(self) -> None:
        """Nobody needs the mind now: begin where there is something to fold. Returns at once."""
        busy = self._writing is not None and not self._writing.done()
        if busy or self._clock() < self._rests_until_s:
            return
        if turns := self._dialogue.overflowing():
            self._writing = self._spawn(self._fold(turns))

    def stop(self) -> None:
        """Somebody needs it: give up what was begun; it is begun again later."""
        if self._writing is not None:
            self._writing.cancel()

    async def _fold(self, turns: Sequence[Message]) -> None:
        try:
            notes = await noted(self._mind, self._dialogue.notes, turns)
        except Exception as error:
            # Never what was written: it is what people said.
            log.warning("notes could not be written: %s", type(error).__name__)
            self._rests_until_s = self._clock() + REST_S
            return
        self._dialogue.fold(turns, notes)
        # What it is told begins differently now: the local brain reads that before anybody waits.
        await self._speaker.prepare(self._dialogue.prompt())
