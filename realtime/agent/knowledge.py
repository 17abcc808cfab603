"""What the avatar's files say about what was just asked: found by meaning, told to the mind, and cited."""

import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import structlog

from avatars.knowledge.passages import sentences, under
from realtime.agent.protocols import (
    Attributed,
    Knowledge,
    KnownPassage,
    LanguageModel,
    Meaning,
    Message,
    ProviderError,
    Samples,
)
from realtime.agent.tools import Deed

logger = structlog.get_logger(__name__)

# A question and the passage that answers it score 0.27 and more, two that have nothing to do with each other 0.25 at most.
ABOUT: Final = 0.26
# What scores so much less than the best is there by chance.
BESIDE_BEST: Final = 0.16
MOST_PASSAGES: Final = 4
READ_OUT_PASSAGES: Final = 2
# Of two sentences that score so much alike, either may be the answer.
SENTENCE_BESIDE_BEST: Final = 0.10
TOLD: Final = "Answer from these facts where they fit, and do not mention them:"
# Who says one of these may mean what was spoken of before.
_REFERRING: Final = frozenset(
    re.findall(r"\w+", "it its that this these those they them their there he him his she her then")
)
_COMMON_WORDS: Final = (
    "about also answer anything because been cannot could does each from have help here into just know like many more most"
    " much only other over please same should some such sure than thank that their them then there these they this those"
    " very want well were what when where which while will with would your yours"
)
_STEM_LETTERS: Final = 5
_COMMON: Final = frozenset(word[:_STEM_LETTERS] for word in _COMMON_WORDS.split())


def content_words(text: str) -> frozenset[str]:
    """Its numbers, and its words of some length by their beginnings: "founded" and "founder" are the same."""
    words = re.findall(r"\d+|[^\W\d_]{4,}", text.lower())
    return frozenset(word[:_STEM_LETTERS] for word in words) - _COMMON


@dataclass(frozen=True, slots=True)
class Found:
    """Passages about something that was asked, the best first."""

    asked: str = ""
    passages: tuple[KnownPassage, ...] = ()

    def told(self, messages: Sequence[Message]) -> list[Message]:
        """The messages with the passages in front of the last one.

        What was said before stays as it was, so that a server which keeps what it has read need not read it again.
        """
        facts = "\n".join(under(passage.heading, passage.text) for passage in self.passages)
        last = messages[-1]
        return [*messages[:-1], {"role": last["role"], "content": f"{TOLD}\n{facts}\n\n{last['content']}"}]

    def cited(self, answer: str) -> list[dict[str, str | int]]:
        """Where the answer has its words from, as the page is told: files and pages (0 for none), each once.

        A passage that the mind was told and did not use is not cited: it has to hold a word or a number of the answer
        that was not in the question already.
        """
        new = content_words(answer) - content_words(self.asked)
        used = (passage for passage in self.passages if new & content_words(passage.text))
        sources = dict.fromkeys((passage.file, passage.page) for passage in used)
        return [{"file": file, "page": page} for file, page in sources]


class Informed(str):
    """Text by somebody who had passages in mind."""

    found: Found

    def __new__(cls, text: str, found: Found) -> "Informed":
        """Put both together."""
        informed = super().__new__(cls, text)
        informed.found = found
        return informed


class Librarian:
    """Looks in what one avatar knows. budget_letters: how much of it a mind is told at most."""

    def __init__(self, knowledge: Knowledge, meaning: Meaning, budget_letters: int) -> None:
        self._knowledge = knowledge
        self._meaning = meaning
        self._budget = budget_letters

    async def wake(self) -> None:
        """Let the model of meaning load. Never raises."""
        await self._meant([""])

    async def find(self, messages: Sequence[Message]) -> Found | None:
        """The passages about the last message; None where nothing is known of it, or where meaning cannot be told."""
        asked = _asked(messages)
        if not asked or not self._knowledge.passages or (vectors := await self._meant(asked)) is None:
            return None
        scores = (self._knowledge.vectors @ vectors.T).max(axis=1)
        chosen: list[KnownPassage] = []
        left = self._budget
        for index in np.argsort(-scores)[:MOST_PASSAGES]:
            passage = self._knowledge.passages[index]
            if scores[index] < max(ABOUT, float(scores.max()) - BESIDE_BEST) or (chosen and len(passage.text) > left):
                break
            chosen.append(passage)
            left -= len(passage.text)
        return Found(asked[0], tuple(chosen)) if chosen else None

    async def read_out(self, messages: Sequence[Message]) -> Informed | None:
        """The sentence of the passages that answers the last message, or two where it may be either."""
        found = await self.find(messages)
        if found is None:
            return None
        candidates = [
            (passage, sentence)
            for passage in found.passages[:READ_OUT_PASSAGES]
            for sentence in sentences(passage.text)
        ]
        vectors = await self._meant(_asked(messages))
        meant = await self._meant([under(passage.heading, sentence) for passage, sentence in candidates])
        if vectors is None or meant is None:
            return None
        scores = (meant @ vectors.T).max(axis=1)
        best = np.argsort(-scores)[:2]
        chosen = sorted(index for index in best if scores[index] >= scores[best[0]] - SENTENCE_BESIDE_BEST)
        passages = dict.fromkeys(candidates[index][0] for index in chosen)
        return Informed(" ".join(candidates[index][1] for index in chosen), Found("", tuple(passages)))

    async def _meant(self, texts: Sequence[str]) -> Samples | None:
        try:
            return await self._meaning.embed(texts)
        except ProviderError as error:
            logger.warning("Knowledge cannot be looked up", reason=str(error))
            return None


class InformedModel:
    """A language model that knows what its avatar's files say.

    reads_out: a very small model would garble it, so what a file says is read out in the model's place.
    """

    def __init__(self, model: LanguageModel, librarian: Librarian, *, reads_out: bool = False) -> None:
        self._model = model
        self._librarian = librarian
        self._reads_out = reads_out

    async def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        """The model's reply; what was found goes with every piece of it."""
        if self._reads_out:
            answer = await self._librarian.read_out(messages)
            if answer is not None:
                yield answer
                return
        found = None if self._reads_out else await self._librarian.find(messages)
        async for text in self._model.reply(messages if found is None else found.told(messages)):
            yield text if found is None or isinstance(text, Deed) else Informed(text, found)

    async def prepare(self, messages: Sequence[Message]) -> None:
        """Let the model of meaning load, and the other read ahead."""
        await self._librarian.wake()
        await self._model.prepare(messages)


def _asked(messages: Sequence[Message]) -> list[str]:
    """What to look for: the last message, and where that refers to the one before, both of them."""
    said = [_words(message["content"]) for message in messages if message["role"] == "user"]
    if len(said) > 1 and _REFERRING & set(re.findall(r"\w+", said[-1].lower())):
        return [said[-1], f"{said[-2]} {said[-1]}"]
    return said[-1:]


def _words(content: str) -> str:
    """What was said, without the name of who said it."""
    return content.words if isinstance(content, Attributed) else content
