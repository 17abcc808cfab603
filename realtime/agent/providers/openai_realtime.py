"""Speech to speech behind an address that speaks the OpenAI Realtime API, over a WebSocket."""

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

import httpx2
import numpy as np
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException

from avatars.engine.speech.spoken import SAMPLE_RATE_HZ
from realtime.agent.protocols import ProviderError, Samples
from realtime.agent.providers.remote import AddressRefused, public_address
from realtime.agent.tools import ToolCall
from webapp.providers.endpoint import Endpoint

logger = structlog.get_logger(__name__)

WHAT: Final = "The speech-to-speech model"
OPEN_WITHIN_S: Final = 6.0
READY_WITHIN_S: Final = 6.0
LARGEST_EVENT_BYTES: Final = 8 * 1024 * 1024
REFUSED: Final = frozenset({401, 403})
BUSY: Final = 429
DEFAULT_VOICE: Final = "marin"
MOST_CALLS: Final = 4


def websocket_url(endpoint: Endpoint) -> str:
    """The address of the WebSocket for an address that ends in /v1, with http or ws before it."""
    parts = urlsplit(endpoint.url)
    scheme = {"https": "wss", "http": "ws"}.get(parts.scheme, parts.scheme)
    path = f"{parts.path.rstrip('/')}/realtime"
    return urlunsplit((scheme, parts.netloc, path, f"model={quote(endpoint.model)}", ""))


class RealtimeLine:
    """One open line. Everything it raises is a ProviderError."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._socket: ClientConnection | None = None

    async def open(self, instructions: str, functions: Sequence[dict[str, Any]] = ()) -> None:
        """Connect, say who the avatar is and what it can do, and wait until the server has understood."""
        check = f"{self._endpoint.who} {self._endpoint.address}."
        url = websocket_url(self._endpoint)
        more: dict[str, Any] = {}
        try:
            if self._endpoint.public_only:
                parts = urlsplit(url)
                if parts.scheme != "wss":
                    raise AddressRefused("not wss")
                more["host"] = await public_address(parts.hostname or "", parts.port or 443)
                more["server_hostname"] = parts.hostname
            async with asyncio.timeout(OPEN_WITHIN_S):
                self._socket = await connect(
                    url,
                    additional_headers={"Authorization": f"Bearer {self._endpoint.key}"}
                    if self._endpoint.key
                    else None,
                    proxy=None,
                    max_size=LARGEST_EVENT_BYTES,
                    compression=None,
                    **more,
                )
        except AddressRefused as error:
            raise ProviderError(f"{WHAT} has an address that avatars may not use. {check}") from error
        except TimeoutError as error:
            raise ProviderError(f"{WHAT} did not answer in time.") from error
        except InvalidStatus as error:
            if error.response.status_code in REFUSED:
                raise ProviderError(f"{WHAT} refused the key it was given. {self._endpoint.who} the key.") from error
            if error.response.status_code == BUSY:
                raise ProviderError(f"{WHAT} is busy. Try again in a moment.") from error
            raise ProviderError(f"{WHAT} did not let a conversation begin. {check}") from error
        except (httpx2.HTTPError, OSError, InvalidHandshake, InvalidURI, ValueError, WebSocketException) as error:
            raise ProviderError(f"{WHAT} cannot be reached. {check}") from error
        await self.send(type="session.update", session=self._session(instructions, functions))
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                async for event in self.events():
                    if event["type"] == "session.updated":
                        return
                    if event["type"] == "error" and functions:
                        # One that takes no tools is still one to talk to.
                        logger.info("A speech-to-speech model refuses how it was offered tools")
                        functions = ()
                        await self.send(type="session.update", session=self._session(instructions, functions))
                    elif event["type"] == "error":
                        raise ProviderError(f"{WHAT} did not accept how it was asked to speak.")
        except TimeoutError as error:
            raise ProviderError(f"{WHAT} did not answer in time.") from error
        raise ProviderError(f"{WHAT} hung up.")

    def _session(self, instructions: str, functions: Sequence[dict[str, Any]]) -> dict[str, Any]:
        tools = {"tools": [{"type": "function", **function} for function in functions]} if functions else {}
        sound = {"type": "audio/pcm", "rate": SAMPLE_RATE_HZ}
        return {
            "type": "realtime",
            "instructions": instructions,
            "output_modalities": ["audio"],
            "audio": {
                "input": {
                    "format": sound,
                    "transcription": {"model": "whisper-1"},
                    "turn_detection": {"type": "server_vad", "create_response": True, "interrupt_response": True},
                },
                "output": {"format": sound, "voice": self._endpoint.voice or DEFAULT_VOICE},
            },
            **tools,
        }

    async def send(self, **event: Any) -> None:
        """Send one event."""
        if self._socket is None:
            raise ProviderError(f"{WHAT} is not connected.")
        try:
            await self._socket.send(json.dumps(event))
        except WebSocketException as error:
            raise ProviderError(f"{WHAT} hung up.") from error

    async def send_sound(self, samples: Samples) -> None:
        """Send what the microphone hears: (n,) float32 at the engine's rate."""
        data = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
        await self.send(type="input_audio_buffer.append", audio=base64.b64encode(data).decode())

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """Every event, until the server hangs up."""
        if self._socket is None:
            raise ProviderError(f"{WHAT} is not connected.")
        try:
            async for message in self._socket:
                event = json.loads(message)
                if not isinstance(event, dict) or not isinstance(event.get("type"), str):
                    raise ValueError("no event")
                yield event
        except WebSocketException as error:
            raise ProviderError(f"{WHAT} broke off the conversation.") from error
        except (ValueError, RecursionError) as error:
            raise ProviderError(f"{WHAT} answered with something that cannot be understood.") from error

    async def close(self) -> None:
        """Hang up."""
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()


def sound_of(event: dict[str, Any]) -> Samples:
    """The sound in a delta, (n,) float32 at the engine's rate. Raises ProviderError."""
    try:
        data = base64.b64decode(event["delta"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise ProviderError(f"{WHAT} sent sound that cannot be understood.") from error
    return np.frombuffer(data[: len(data) - len(data) % 2], "<i2").astype(np.float32) / np.float32(32768)


def calls_of(response: Any) -> list[tuple[str, ToolCall]]:
    """The calls that a finished response makes, each with the server's name for it. Nothing of it is believed."""
    output = response.get("output") if isinstance(response, dict) else None
    calls = []
    for item in output if isinstance(output, list) else ():
        if not isinstance(item, dict) or item.get("type") != "function_call":
            continue
        name, call_id, written = item.get("name"), item.get("call_id"), item.get("arguments")
        if isinstance(name, str) and isinstance(call_id, str):
            calls.append((call_id, ToolCall(name, written if isinstance(written, str) else "")))
    return calls[:MOST_CALLS]


async def try_line(endpoint: Endpoint) -> None:
    """Open a line and hang up again. Raises ProviderError."""
    line = RealtimeLine(endpoint)
    try:
        await line.open("Say hello.")
    finally:
        await line.close()
