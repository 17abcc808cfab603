"""The language model behind an OpenAI-compatible address: the local brain, or any other."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import Any, Final, cast

import openai
import structlog
from openai import AsyncStream
from openai.types.chat import ChatCompletionChunk

from realtime.agent.protocols import Message, ProviderError, ReplyCutShort
from realtime.agent.providers.remote import client, told
from realtime.agent.tools import LONGEST_ARGUMENTS, ToolCall
from webapp.providers.endpoint import Endpoint
from webapp.providers.refusals import note_refusal

logger = structlog.get_logger(__name__)

WHAT: Final = "The language model"
# Nobody listens to more; a server that never ends is cut off here.
MOST_LETTERS: Final = 8000
MOST_CALLS: Final = 8
LONGEST_NAME: Final = 64
# What servers answer whose model takes no tools: Ollama 400, a router 404, others 422 or 501.
REFUSING: Final = frozenset({400, 404, 422, 501})
# Somebody may have loaded another model meanwhile.
TOOLS_AGAIN_S: Final = 600.0
READ_WITHIN_S: Final = 1.0


class OpenAiLanguageModel:
    """Streams replies.

    most_tokens: where a reply is cut. read_ahead: whether the server keeps what it has read, as the local brain does,
    so that reading the conversation early saves time later; elsewhere it would only cost. tools: whether to offer any.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        most_tokens: int = 200,
        read_ahead: bool = False,
        tools: bool = True,
        **options: Any,
    ) -> None:
        self._client = client(endpoint)
        self._endpoint = endpoint
        self._most_tokens = most_tokens
        self._read_ahead = read_ahead
        self._tools = tools
        self._refused_s: float | None = None
        self._options = options
        self._reading: list[tuple[list[Message], asyncio.Event]] = []

    async def close(self) -> None:
        """Let go of its connections."""
        await self._client.close()

    @property
    def calls_tools(self) -> bool:
        """Whether it takes tools. A server that refused them is asked again after ten minutes."""
        return self._tools and (self._refused_s is None or time.monotonic() - self._refused_s > TOOLS_AGAIN_S)

    async def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        """The reply's text as it comes."""
        async with aclosing(self._stream(messages)) as parts:
            async for part in parts:
                if isinstance(part, str):
                    yield part

    async def reply_or_call(
        self, messages: Sequence[Any], functions: Sequence[dict[str, Any]], *, may_call: bool
    ) -> AsyncGenerator[str | ToolCall, None]:
        """The reply's text as it comes, then the calls that it makes."""
        # With the tools even where none may be called: what was read already begins with them.
        more = {**_offered(functions), "tool_choice": "auto" if may_call else "none"}
        async with aclosing(self._stream(messages, **more)) as parts:
            async for part in parts:
                yield part

    async def _stream(self, messages: Sequence[Any], **more: Any) -> AsyncGenerator[str | ToolCall, None]:
        finish: str | None = None
        letters = 0
        calls = _Calls()
        await self._read(messages)
        with told(WHAT, self._endpoint):
            stream = await self._open(messages, more)
            try:
                async for chunk in stream:
                    if not chunk.choices:
                        continue
                    choice = chunk.choices[0]
                    finish = choice.finish_reason or finish
                    calls.add(choice.delta.tool_calls or ())
                    if choice.delta.content:
                        letters += len(choice.delta.content)
                        yield choice.delta.content
                    if letters > MOST_LETTERS:
                        break
            finally:
                await stream.close()
        # A stream that ends without saying why was cut off on its way.
        if finish in {None, "length"}:
            if letters:
                raise ReplyCutShort
            if calls.made:
                raise ProviderError(f"{WHAT} broke off its answer.")
        for call in calls.made:
            yield call

    async def _open(self, messages: Sequence[Any], more: dict[str, Any]) -> AsyncStream[ChatCompletionChunk]:
        """Ask. A server that wants no tools is asked without them, and believed where that helps."""
        try:
            return await self._ask(messages, **more)
        except openai.APIStatusError as error:
            if not more or error.status_code not in REFUSING or messages[-1]["role"] == "tool":
                raise
        stream = await self._ask(messages)
        self._refused_s = time.monotonic()
        logger.info("A language model refuses tools", model=self._endpoint.model)
        await asyncio.to_thread(note_refusal, self._endpoint)
        return stream

    async def _ask(self, messages: Sequence[Any], **more: Any) -> AsyncStream[ChatCompletionChunk]:
        stream = await self._client.chat.completions.create(
            model=self._endpoint.model,
            messages=list(messages),
            stream=True,
            max_tokens=self._most_tokens,
            **self._options,
            **more,
        )
        return cast(AsyncStream[ChatCompletionChunk], stream)

    async def _read(self, messages: Sequence[Any]) -> None:
        """Wait while the beginning of these is being read: asked beside that, the server would read it once more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(READ_WITHIN_S):
                for beginning, read in list(self._reading):
                    if list(messages[: len(beginning)]) == beginning:
                        await read.wait()

    async def prepare(self, messages: Sequence[Message]) -> None:
        """Let the local brain read the conversation before the user's last words are known."""
        await self.prepare_with(messages, ())

    async def prepare_with(self, messages: Sequence[Message], functions: Sequence[dict[str, Any]]) -> None:
        """The same, with the tools in front of it."""
        if not self._read_ahead:
            return
        reading = (list(messages), asyncio.Event())
        self._reading.append(reading)
        try:
            # Where this fails the reply itself will say what is wrong.
            with suppress(openai.APIError):
                await self._client.chat.completions.create(
                    model=self._endpoint.model,
                    messages=cast(Any, list(messages)),
                    max_tokens=1,
                    **_offered(functions),
                )
        finally:
            self._reading.remove(reading)
            reading[1].set()


class _Calls:
    """Puts calls together that come in pieces. Nothing of a piece is believed."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._arguments: dict[int, str] = {}

    def add(self, pieces: Sequence[Any]) -> None:
        """The next pieces. Some servers number them, others send whole calls without a number."""
        for piece in pieces:
            place = piece.index if isinstance(piece.index, int) else len(self._names)
            function = piece.function
            if function is None or (place not in self._names and len(self._names) >= MOST_CALLS):
                continue
            name, arguments = self._names.get(place, ""), self._arguments.get(place, "")
            self._names[place] = (name + _text(function.name))[:LONGEST_NAME]
            self._arguments[place] = (arguments + _text(function.arguments))[: LONGEST_ARGUMENTS + 1]

    @property
    def made(self) -> list[ToolCall]:
        return [ToolCall(name, self._arguments[place]) for place, name in self._names.items() if name]


def _text(value: Any) -> str:
    """Text where it is text; servers that send an object for the arguments mean its JSON."""
    if isinstance(value, dict):
        return json.dumps(value)
    return value if isinstance(value, str) else ""


def _offered(functions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"tools": [{"type": "function", "function": function} for function in functions]} if functions else {}
