"""What can be done for somebody without a language model that calls tools: requests so plain that words alone tell them."""

import json
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

from realtime.agent.protocols import Attributed, LanguageModel, Link, Message
from realtime.agent.tool_use import calls_tools
from realtime.agent.tools import Toolbox, ToolCall

_POLITE: Final = r"(?:(?:please|could you|can you|would you|will you|now|right now|today|for me|at the moment)\s+)*"
_TIME: Final = re.compile(
    r"(?:tell me |do you know |do you have )?(?:what time is it|what time it is|what(?:'s| is) the time|the time"
    r"|what day is (?:it|this)|which day is (?:it|this)|what day it is|(?:what(?:'s| is) )?(?:the|today's) date"
    r"|what(?:'s| is) today's date|what date is it)"
)
_HANG_UP: Final = re.compile(r"(?:you (?:can|may) )?(?:hang up|end (?:the|this|our) (?:call|conversation))")
_SUM: Final = re.compile(r"(?:tell me |do you know )?(?:what(?:'s| is)|how much is|calculate|compute|work out) (.+)")
_LINK: Final = re.compile(
    r"(?:show me|open|give me|show|i want to see|i'd like to see) (?:the )?(?:(?:link|page) (?:to|for|of) )?(?:the )?(.+)"
)
_SPOKEN: Final = (
    (r"\bthe square root of\b", "sqrt"),
    (r"\bmultiplied by\b|\btimes\b|(?<=\d)\s*x\s*(?=\d)", "*"),
    (r"\bdivided by\b|\bover\b", "/"),
    (r"\bplus\b", "+"),
    (r"\bminus\b|\bless\b", "-"),
    (r"(?:\bper ?cent\b|%) of\b", "% *"),
    (r"\bper ?cent\b", "%"),
    (r"\bto the power of\b", "^"),
    (r"\bsquared\b", "^2"),
    (r"\bcubed\b", "^3"),
)
_SIGN: Final = re.compile(r"[-+*/^%\u00d7\u00f7\u2212]|sqrt")
_ONES: Final = tuple(
    re.findall(
        r"\w+",
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
        " eighteen nineteen twenty",
    )
)
_NUMBER_WORD: Final = re.compile(rf"\b(?:{'|'.join(_ONES)})\b")


def plain_request(text: str, links: Sequence[Link] = ()) -> ToolCall | None:
    """The call that the words ask for; None where they are not plain, or ask for something else."""
    words = re.sub(r"\s+", " ", text.lower().replace("\u2019", "'")).strip().rstrip(".?! ")
    words = re.sub(rf"^{_POLITE}", "", words.replace(",", " , ") if not re.search(r"\d,\d", words) else words)
    words = re.sub(r"(?:\s*,?\s*(?:please|now|right now|today|for me|at the moment))+$", "", words).strip(" ,")
    if _TIME.fullmatch(words):
        return ToolCall("time", "{}")
    if _HANG_UP.fullmatch(words):
        return ToolCall("hang_up", "{}")
    if (asked := _SUM.fullmatch(words)) and (expression := _written(asked[1])):
        return ToolCall("calculator", json.dumps({"expression": expression}))
    if asked := _LINK.fullmatch(words):
        for link in links:
            if link.title.lower().removeprefix("the ").rstrip(".?! ") == asked[1]:
                return ToolCall("link", json.dumps({"title": link.title}))
    return None


def _written(spoken: str) -> str:
    """A sum in digits and signs; "" where other words are in it, or no sign at all."""
    for pattern, sign in _SPOKEN:
        spoken = re.sub(pattern, f" {sign} ", spoken)
    spoken = _NUMBER_WORD.sub(lambda match: str(_ONES.index(match[0])), spoken)
    bare = re.sub(r"sqrt", "", spoken)
    return spoken.strip() if _SIGN.search(spoken) and re.fullmatch(r"[\d\s.,()+*/^%\u00d7\u00f7\u2212-]+", bare) else ""


class PlainRequests:
    """Does what is plainly asked for, where the model behind cannot call tools; asks the model for all else."""

    def __init__(self, model: LanguageModel, mind: LanguageModel, toolbox: Toolbox, links: Sequence[Link]) -> None:
        self._model = model
        self._mind = mind
        self._toolbox = toolbox
        self._links = links

    async def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        """What was done in a sentence, or the model's own reply."""
        asked = messages[-1]["content"]
        call = None
        if not calls_tools(self._mind):
            call = plain_request(asked.words if isinstance(asked, Attributed) else asked, self._links)
        if call is not None and call.name in self._toolbox:
            done = await self._toolbox.call(call)
            if done.spoken:
                if done.deed is not None:
                    yield done.deed
                yield done.spoken
                return
        async with aclosing(self._model.reply(messages)) as texts:
            async for text in texts:
                yield text

    async def prepare(self, messages: Sequence[Message]) -> None:
        """Let the model read ahead."""
        await self._model.prepare(messages)
