"""Whatever a provider does, the avatar is never silent: it answers, or says in words that it cannot, aloud and in writing."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import numpy as np
import pytest

from realtime.agent import Agent, AgentSettings, Providers, phrases
from realtime.agent.providers.openai_llm import OpenAiLanguageModel
from realtime.agent.providers.openai_stt import OpenAiSpeechToText
from realtime.agent.providers.openai_tts import OpenAiTextToSpeech
from realtime.agent.vad import FRAME_SAMPLES
from tests.agent.fakes import FakeLanguageModel, FakeSpeechToText, FakeStage, FakeVoice, FakeVoiceActivity
from webapp.providers.endpoint import Endpoint

Writer = asyncio.StreamWriter
Behaviour = Callable[[Writer], Awaitable[None]]
WITHIN_S = 20.0
FOREVER = 10_000


def head(status: int, kind: str, *more: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} X", f"Content-Type: {kind}", "Connection: close", *more, "", ""]).encode()


def answer(status: int, kind: str, body: bytes) -> Behaviour:
    async def behave(writer: Writer) -> None:
        writer.write(head(status, kind, f"Content-Length: {len(body)}", "x-should-retry: false") + body)

    return behave


def half(kind: str, body: bytes) -> Behaviour:
    """Promise more than is sent, then hang up."""

    async def behave(writer: Writer) -> None:
        writer.write(head(200, kind, "Content-Length: 1000000") + body)

    return behave


def endless(kind: str, body: bytes) -> Behaviour:
    async def behave(writer: Writer) -> None:
        writer.write(head(200, kind, "Transfer-Encoding: chunked"))
        piece = body * 200
        for _ in range(FOREVER):
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()

    return behave


async def silent(writer: Writer) -> None:
    """Take the question and never answer."""
    await asyncio.sleep(3600)


async def hangs_up(writer: Writer) -> None:
    """Hang up at once."""


async def garbage(writer: Writer) -> None:
    writer.write(b"\x00\xff SSH-2.0 what?\r\n\r\n")


def delta(text: str) -> bytes:
    return b"data: %s\n\n" % json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode()


SSE = "text/event-stream"
EVERYWHERE: dict[str, Behaviour] = {
    "slow": silent,
    "hangs up": hangs_up,
    "garbage": garbage,
    "HTML": answer(200, "text/html", b"<html><body>Welcome to the proxy</body></html>"),
    "empty": answer(200, "application/json", b""),
    "401": answer(401, "application/json", b'{"error":{"message":"secret-host"}}'),
    "403 page": answer(403, "text/html", b"<html>secret-host</html>"),
    "429": answer(429, "application/json", b'{"error":{"message":"secret-host"}}'),
    "500": answer(500, "text/plain", b"secret-host"),
    "wrong JSON": answer(200, "application/json", b'{"surprise": [1, 2]}'),
    "broken JSON": answer(200, "application/json", b'{"text": "he'),
    "a list": answer(200, "application/json", b"[]"),
    "half": half("application/json", b'{"text": "hel'),
    "endless JSON": endless("application/json", b'{"a":' * 100),
}
HEARING = {**EVERYWHERE, "a number": answer(200, "application/json", b'{"text": {"a": 1}}')}
THINKING = {
    **EVERYWHERE,
    "half stream": half(SSE, delta("Paris is ")),
    "broken stream": answer(200, SSE, delta("Paris ") + b'data: {"choices": [{"ind\n\n'),
    "wrong stream": answer(200, SSE, b'data: {"choices": [{"delta": null}]}\n\ndata: {"choices": 7}\n\n'),
    "error in the stream": answer(200, SSE, b'data: {"error": {"message": "secret-host"}}\n\n'),
    "nothing in the stream": answer(200, SSE, b"data: [DONE]\n\n"),
    "endless comments": endless(SSE, b": still here\n\n"),
}
SPEAKING = {
    **EVERYWHERE,
    "a WAV file": answer(200, "audio/wav", b"RIFF1234WAVEfmt "),
    "an MP3 file": answer(200, "audio/mpeg", b"\xff\xfb\x90\x00" * 100),
    "silence": answer(200, "audio/pcm", b"\x00" * 48_000),
}


@asynccontextmanager
async def serving(behave: Behaviour) -> AsyncIterator[str]:
    """The address of a server that behaves like this, whatever it is asked."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(OSError, asyncio.IncompleteReadError):
            request = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (
                    int(line.split(b":")[1])
                    for line in request.lower().split(b"\r\n")
                    if line.startswith(b"content-length:")
                ),
                0,
            )
            await reader.readexactly(length)
            await behave(writer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, seconds in (
        ("agent", "HEARING_WITHIN_S", 0.8),
        ("agent", "HEARING_BEFORE_OTHERS_S", 0.8),
        ("reply", "FIRST_TEXT_WITHIN_S", 0.8),
        ("reply", "FIRST_TEXT_BEFORE_OTHERS_S", 0.8),
        ("reply", "MORE_TEXT_WITHIN_S", 0.8),
        ("reply", "SOUND_WITHIN_S", 0.8),
    ):
        monkeypatch.setattr(f"realtime.agent.{module}.{name}", seconds)


@asynccontextmanager
async def talking(**changes: Any) -> AsyncIterator[tuple[Agent, FakeStage]]:
    stage = FakeStage()
    parts: dict[str, Any] = {
        "speech_to_text": FakeSpeechToText(["What is the capital of France?"], delay_s=0),
        "language_model": FakeLanguageModel(first_s=0, word_s=0),
        "text_to_speech": FakeVoice(delay_s=0),
        "voice_activity": FakeVoiceActivity,
        **changes,
    }
    agent = Agent(AgentSettings(), Providers(**parts), stage)
    await agent.start()
    try:
        yield agent, stage
    finally:
        await agent.close()


def ask(agent: Agent) -> None:
    """Say something, all at once."""
    for level, frames in ((0.9, 30), (0.0, 30)):
        for _ in range(frames):
            agent.hear(np.full(FRAME_SAMPLES, level, np.float32))


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.01)


def told(stage: FakeStage) -> str:
    """The written notices; they never quote a server."""
    written = " ".join(event["message"] for event in stage.of_type("notice"))
    assert "secret" not in written
    assert "127.0.0.1" not in written
    assert "Traceback" not in written
    return written


def said(stage: FakeStage) -> str:
    return " ".join(text for _, text in stage.played)


@pytest.mark.parametrize("behaviour", HEARING)
async def test_bad_ears(behaviour: str) -> None:
    async with (
        serving(HEARING[behaviour]) as url,
        talking(speech_to_text=OpenAiSpeechToText(Endpoint(url, "m"))) as (agent, stage),
    ):
        ask(agent)
        await until(lambda: said(stage) and told(stage))
        assert "could not make out" in said(stage)


@pytest.mark.parametrize("behaviour", THINKING)
async def test_a_bad_mind(behaviour: str) -> None:
    async with (
        serving(THINKING[behaviour]) as url,
        talking(language_model=OpenAiLanguageModel(Endpoint(url, "m"))) as (agent, stage),
    ):
        agent.read("What is the capital of France?")
        await until(lambda: said(stage) and told(stage))
        assert any(word in said(stage).lower() for word in ("sorry", "lost my thread"))


async def test_a_mind_without_end_is_cut_off() -> None:
    async with (
        serving(endless(SSE, delta("It goes on and on and on, "))) as url,
        talking(language_model=OpenAiLanguageModel(Endpoint(url, "m"))) as (agent, stage),
    ):
        agent.read("What is the capital of France?")
        await until(lambda: said(stage))
        letters = len(said(stage))
        assert "goes on" in said(stage)
        assert letters < 10_000


@pytest.mark.parametrize("behaviour", SPEAKING)
async def test_a_bad_voice(behaviour: str) -> None:
    """The local voice says it instead."""
    other = FakeVoice(delay_s=0)
    async with (
        serving(SPEAKING[behaviour]) as url,
        talking(text_to_speech=OpenAiTextToSpeech(Endpoint(url, "m")), fallback_voices=(other,)) as (agent, stage),
    ):
        agent.read("Hello.")
        await until(lambda: other.said and stage.played)
        assert told(stage) == phrases.VOICE.written
        assert "You said Hello" in said(stage)


async def test_a_voice_without_end_is_cut_off() -> None:
    loud = b"\x00\x40\x00\xc0" * 600
    async with (
        serving(endless("audio/pcm", loud)) as url,
        talking(text_to_speech=OpenAiTextToSpeech(Endpoint(url, "m")), fallback_voices=(FakeVoice(delay_s=0),)) as (
            agent,
            stage,
        ),
    ):
        agent.read("Hello.")
        await until(lambda: told(stage))
        assert stage.queued_ms() < 120_000


async def test_nobody_is_there() -> None:
    nowhere = Endpoint("http://127.0.0.1:9/v1", "m")
    async with talking(
        speech_to_text=OpenAiSpeechToText(nowhere),
        language_model=OpenAiLanguageModel(nowhere),
        text_to_speech=OpenAiTextToSpeech(nowhere),
        fallback_voices=(FakeVoice(delay_s=0),),
    ) as (agent, stage):
        ask(agent)
        await until(lambda: "could not make out" in said(stage))
        agent.read("Hello.")
        await until(lambda: "cannot think" in said(stage))
        assert "cannot be reached" in told(stage)


# Those of all stand in for those of one


async def test_other_ears_stand_in() -> None:
    async with (
        serving(EVERYWHERE["500"]) as url,
        talking(
            speech_to_text=OpenAiSpeechToText(Endpoint(url, "m")),
            fallback_ears=(FakeSpeechToText(["Hello."], delay_s=0),),
        ) as (agent, stage),
    ):
        ask(agent)
        await until(lambda: "You said Hello" in said(stage))
        assert not stage.of_type("notice"), "nothing was lost"


@pytest.mark.parametrize("behaviour", ["slow", "401", "HTML", "half", "nothing in the stream", "half stream"])
@pytest.mark.parametrize("demo", [False, True])
async def test_another_mind_stands_in_and_is_named(behaviour: str, demo: bool) -> None:
    other = FakeLanguageModel(first_s=0, word_s=0)
    async with (
        serving(THINKING[behaviour]) as url,
        talking(
            language_model=OpenAiLanguageModel(Endpoint(url, "m")), fallback_minds=(other,), fallback_demo=demo
        ) as (agent, stage),
    ):
        agent.read("Hello.")
        await until(lambda: "You said Hello" in said(stage))
        assert ("demo brain" in told(stage)) is demo
        assert "Paris" not in said(stage)


async def test_who_failed_is_asked_last_for_a_while() -> None:
    first, other = FakeLanguageModel(fails_after=0), FakeLanguageModel(first_s=0, word_s=0)
    async with talking(language_model=first, fallback_minds=(other,)) as (agent, stage):
        for count in (1, 2, 3):
            agent.read("Hello.")
            await until(lambda count=count: len(other.asked) == count and said(stage))  # type: ignore[misc]
        assert len(first.asked) == 1


async def test_when_all_fail_there_is_an_apology() -> None:
    minds = [FakeLanguageModel(fails_after=0) for _ in range(3)]
    async with talking(language_model=minds[0], fallback_minds=tuple(minds[1:])) as (agent, stage):
        agent.read("Hello.")
        await until(lambda: "cannot think" in said(stage))
        assert [len(mind.asked) for mind in minds] == [1, 1, 1]
