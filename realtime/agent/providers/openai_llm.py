"""The language model behind an OpenAI-compatible address: the local brain, or any other."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any, Final, cast

import openai
from openai.types.chat import ChatCompletionMessageParam

from realtime.agent.protocols import Message, ReplyCutShort
from realtime.agent.providers.remote import client, told
from webapp.providers.endpoint import Endpoint

WHAT: Final = "The language model"
# Nobody listens to more; a server that never ends is cut off here.
MOST_LETTERS: Final = 8000


class OpenAiLanguageModel:
    """Streams replies.

    most_tokens: where a reply is cut. read_ahead: whether the server keeps what it has read, as the local brain does,
    so that reading the conversation early saves time later; elsewhere it would only cost.
    """

    def __init__(self, endpoint: Endpoint, *, most_tokens: int = 200, read_ahead: bool = False, **options: Any) -> None:
        self._client = client(endpoint)
        self._endpoint = endpoint
        self._most_tokens = most_tokens
        self._read_ahead = read_ahead
        self._options = options

    async def close(self) -> None:
        """Let go of its connections."""
        await self._client.close()

    async def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        """The reply's text as it comes."""
        finish: str | None = None
        letters = 0
        with told(WHAT, self._endpoint):
            stream = await self._client.chat.completions.create(
                model=self._endpoint.model,
                messages=cast(list[ChatCompletionMessageParam], list(messages)),
                stream=True,
                max_tokens=self._most_tokens,
                **self._options,
            )
            try:
                async for chunk in stream:
                    if not chunk.choices:
                        continue
                    choice = chunk.choices[0]
                    finish = choice.finish_reason or finish
                    if choice.delta.content:
                        letters += len(choice.delta.content)
                        yield choice.delta.content
                    if letters > MOST_LETTERS:
                        break
            finally:
                await stream.close()
        # A stream that ends without saying why was cut off on its way.
        if letters and finish in {None, "length"}:
            raise ReplyCutShort

    async def prepare(self, messages: Sequence[Message]) -> None:
        """Let the local brain read the conversation before the user's last words are known."""
        if not self._read_ahead:
            return
        # Where this fails the reply itself will say what is wrong.
        with suppress(openai.APIError):
            await self._client.chat.completions.create(
                model=self._endpoint.model,
                messages=cast(list[ChatCompletionMessageParam], list(messages)),
                max_tokens=1,
            )
