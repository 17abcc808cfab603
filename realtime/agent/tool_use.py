"""A language model with tools in its hands: it calls them, is told what became of it, and goes on."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Final, Protocol, runtime_checkable

from realtime.agent.protocols import LanguageModel, Message, ProviderError
from realtime.agent.sentences import has_words
from realtime.agent.tools import GOODBYE, Farewell, Toolbox, ToolCall

# A model that has still not answered after so many rounds of calls has to do so in words.
MOST_ROUNDS: Final = 3
MOST_CALLS: Final = 4


@runtime_checkable
class ToolCaller(Protocol):
    """A language model that can be offered tools."""

    @property
    def calls_tools(self) -> bool:
        """Whether it takes them, as far as is known now."""
        ...

    def reply_or_call(
        self, messages: Sequence[Any], functions: Sequence[dict[str, Any]], *, may_call: bool
    ) -> AsyncGenerator[str | ToolCall, None]:
        """The reply as `LanguageModel.reply` gives it; the calls that it makes stand at its end.

        messages: those of a chat, with calls and their results among them. A server that takes no tools is asked
        without them. Raises as `reply` does.
        """
        ...

    async def prepare_with(self, messages: Sequence[Message], functions: Sequence[dict[str, Any]]) -> None:
        """Read ahead what such a reply begins with. Never raises."""
        ...


def calls_tools(mind: LanguageModel) -> bool:
    """Whether a mind takes tools."""
    return isinstance(mind, ToolCaller) and mind.calls_tools


class ToolUser:
    """The mind and the tools of one conversation. Closing the reply ends a tool that runs."""

    def __init__(self, model: LanguageModel, toolbox: Toolbox) -> None:
        self._model = model
        self._toolbox = toolbox
        self._functions = toolbox.functions()

    async def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        """The reply, and between its words what is done."""
        model = self._model
        if not isinstance(model, ToolCaller) or not model.calls_tools:
            async with aclosing(model.reply(messages)) as texts:
                async for text in texts:
                    yield text
            return
        chat: list[Any] = list(messages)
        leaving = spoke = False
        for left in reversed(range(MOST_ROUNDS + 1)):
            calls: list[ToolCall] = []
            said = ""
            try:
                async with aclosing(model.reply_or_call(chat, self._functions, may_call=left > 0)) as parts:
                    async for part in parts:
                        if isinstance(part, ToolCall):
                            calls.append(part)
                            continue
                        if spoke and not said:
                            # What follows on a call is a sentence of its own.
                            yield " "
                        said += part
                        yield part
            except ProviderError:
                if not leaving or said:
                    raise
                # Who hangs up need not apologise.
                break
            spoke = spoke or has_words(said)
            calls = calls[:MOST_CALLS] if left > 0 else []
            chat.append(_called(said, calls, left))
            for number, call in enumerate(calls):
                done = await self._toolbox.call(call)
                chat.append({"role": "tool", "tool_call_id": _name(number, left), "content": done.told})
                leaving = leaving or isinstance(done.deed, Farewell)
                if done.deed is not None:
                    yield done.deed
            if not calls or (leaving and spoke):
                break
        if leaving and not spoke:
            yield GOODBYE

    async def prepare(self, messages: Sequence[Message]) -> None:
        """Let the model read ahead, the tools included."""
        if isinstance(self._model, ToolCaller) and self._model.calls_tools:
            await self._model.prepare_with(messages, self._functions)
        else:
            await self._model.prepare(messages)


def _name(number: int, left: int) -> str:
    # Names of our own: those of servers are missing at times, or the same twice.
    return f"call_{MOST_ROUNDS - left}_{number}"


def _called(said: str, calls: Sequence[ToolCall], left: int) -> dict[str, Any]:
    made = [
        {
            "id": _name(number, left),
            "type": "function",
            # Servers read the arguments again, and some fail on what is no JSON.
            "function": {"name": call.name, "arguments": call.arguments if _is_object(call.arguments) else "{}"},
        }
        for number, call in enumerate(calls)
    ]
    return {"role": "assistant", "content": said, **({"tool_calls": made} if made else {})}


def _is_object(written: str) -> bool:
    try:
        return isinstance(json.loads(written), dict)
    except (ValueError, RecursionError):
        return False
