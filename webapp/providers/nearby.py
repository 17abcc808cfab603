"""Language model servers that already run on this machine: asked on its loopback alone, at their usual ports."""

import asyncio
from dataclasses import dataclass
from typing import Final

import httpx2

ASK_WITHIN_S: Final = 0.8
MOST_BYTES: Final = 1_000_000
MOST_MODELS: Final = 40
# Programs and the ports they listen on unless told otherwise.
PORTS: Final = (("Ollama", 11434), ("LM Studio", 1234), ("llama.cpp", 8080))
# These cannot hold a conversation.
UNFIT: Final = ("embed", "rerank", "bge-", "whisper", "minilm")


@dataclass(frozen=True, slots=True)
class Nearby:
    """A server that answered. models: those it offers, none where it has not loaded or fetched any yet."""

    program: str
    url: str
    models: tuple[str, ...]


async def find_nearby(ports: tuple[tuple[str, int], ...] = PORTS) -> list[Nearby]:
    """Ask every usual port at once; takes `ASK_WITHIN_S` at most. Never raises."""
    # No proxy of the environment: what is meant is this machine.
    async with httpx2.AsyncClient(timeout=ASK_WITHIN_S, trust_env=False, follow_redirects=False) as client:
        found = await asyncio.gather(*(_ask(client, program, port) for program, port in ports))
    return [server for server in found if server is not None]


async def _ask(client: httpx2.AsyncClient, program: str, port: int) -> Nearby | None:
    url = f"http://127.0.0.1:{port}/v1"
    try:
        async with asyncio.timeout(ASK_WITHIN_S), client.stream("GET", f"{url}/models") as answer:
            if answer.status_code != 200 or "json" not in answer.headers.get("Content-Type", ""):
                return None
            body = b""
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    return None
        entries = httpx2.Response(200, content=body).json()["data"] or []
        names = [entry["id"] for entry in entries if isinstance(entry["id"], str)]
    except (httpx2.HTTPError, TimeoutError, OSError, ValueError, KeyError, TypeError):
        return None
    fit = [name for name in names if len(name) <= 120 and not any(word in name.lower() for word in UNFIT)]
    return Nearby(program, url, tuple(fit[:MOST_MODELS]))
