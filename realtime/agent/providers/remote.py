"""What the providers behind an OpenAI-compatible address have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import openai

from realtime.agent.protocols import ProviderError

TIMEOUT_S: Final = 30.0
CONNECT_WITHIN_S: Final = 5.0


def client(url: str, key: str) -> openai.AsyncOpenAI:
    """A client for the address that ends in /v1."""
    # The library insists on a key; servers that need none ignore it.
    return openai.AsyncOpenAI(
        base_url=url,
        api_key=key or "none",
        timeout=openai.Timeout(TIMEOUT_S, connect=CONNECT_WITHIN_S),
        max_retries=1,
    )


@contextmanager
def told(what: str, setting: str) -> Iterator[None]:
    """Turn the library's errors into a sentence each. what: "The language model"; setting: the variable to look at."""
    try:
        yield
    except openai.APITimeoutError as error:
        raise ProviderError(f"{what} did not answer in time.") from error
    except openai.APIConnectionError as error:
        raise ProviderError(f"{what} cannot be reached. Whoever runs this site should check {setting}.") from error
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        raise ProviderError(f"{what} refused the key it was given. Whoever runs this site should check it.") from error
    except openai.RateLimitError as error:
        raise ProviderError(f"{what} is busy. Try again in a moment.") from error
    except openai.NotFoundError as error:
        raise ProviderError(
            f"{what} is unknown to its server. Whoever runs this site should check its name."
        ) from error
    except openai.APIError as error:
        raise ProviderError(f"{what} failed with an error of its own.") from error
