"""What the providers behind an OpenAI-compatible address have in common."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Final

import httpx2
import openai

from realtime.agent.protocols import ProviderError
from webapp.providers.addresses import is_public
from webapp.providers.endpoint import Endpoint

TIMEOUT_S: Final = 30.0
CONNECT_WITHIN_S: Final = 5.0
# A new connection takes two or three ways there and back, and between two turns more than the usual five seconds pass.
LIMITS: Final = httpx2.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=60.0)
# No honest answer to one sentence is longer.
LARGEST_ANSWER_BYTES: Final = 32 * 1024 * 1024


class AddressRefused(httpx2.ConnectError):
    """A creator's address leads into this network."""


async def public_address(host: str, port: int) -> str:
    """The address to connect to for `host`. Raises AddressRefused where any of its addresses is not a public one."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx2.ConnectError(f"{host} is unknown") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(is_public(address) for address in addresses):
        raise AddressRefused("not a public address")
    return addresses[0]


class _Answer(httpx2.AsyncByteStream):
    """An answer that ends, whatever its server does."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken = 0
        async for chunk in self._stream:
            taken += len(chunk)
            if taken > LARGEST_ANSWER_BYTES:
                raise httpx2.ReadError("the answer does not end")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


class Transport(httpx2.AsyncHTTPTransport):
    """Connects as asked; with `public_only` to the internet and never into this network.

    What a name leads to is looked up once and that very address is connected to, so that a name cannot mean one thing
    when it is checked and another when it is used. Redirects pass through here as well.
    """

    def __init__(self, *, public_only: bool) -> None:
        super().__init__(limits=LIMITS)
        self._public_only = public_only

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request."""
        if self._public_only:
            url = request.url
            if url.scheme != "https":
                raise AddressRefused("not https")
            address = await public_address(url.host, url.port or 443)
            request.extensions = {**request.extensions, "sni_hostname": url.host}
            request.url = url.copy_with(host=address)
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Answer(response.stream)
        return response


def client(endpoint: Endpoint) -> openai.AsyncOpenAI:
    """A client for an address."""
    timeout = openai.Timeout(TIMEOUT_S, connect=CONNECT_WITHIN_S)
    return openai.AsyncOpenAI(
        base_url=endpoint.url,
        # The library insists on a key; servers that need none ignore it.
        api_key=endpoint.key or "none",
        timeout=timeout,
        max_retries=1,
        http_client=openai.DefaultAsyncHttpxClient(
            transport=Transport(public_only=endpoint.public_only), timeout=timeout, trust_env=not endpoint.public_only
        ),
    )


@contextmanager
def told(what: str, endpoint: Endpoint) -> Iterator[None]:
    """Turn what goes wrong into a sentence each. what: "The language model"."""
    check = f"{endpoint.who} {endpoint.address}."
    try:
        yield
    except openai.APITimeoutError as error:
        raise ProviderError(f"{what} did not answer in time.") from error
    except openai.APIConnectionError as error:
        if isinstance(error.__cause__, AddressRefused):
            raise ProviderError(f"{what} has an address that avatars may not use. {check}") from error
        raise ProviderError(f"{what} cannot be reached. {check}") from error
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        raise ProviderError(f"{what} refused the key it was given. {endpoint.who} the key.") from error
    except openai.RateLimitError as error:
        raise ProviderError(f"{what} is busy. Try again in a moment.") from error
    except openai.NotFoundError as error:
        raise ProviderError(f"{what} is unknown to its server. {endpoint.who} its name.") from error
    except openai.APIError as error:
        raise ProviderError(f"{what} failed with an error of its own.") from error
    except httpx2.TimeoutException as error:
        raise ProviderError(f"{what} stopped in the middle of its answer.") from error
    except httpx2.HTTPError as error:
        raise ProviderError(f"{what} broke off its answer.") from error
    except (ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
        raise ProviderError(f"{what} answered with something that cannot be understood. {check}") from error
