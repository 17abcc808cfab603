"""The providers behind an OpenAI-compatible address, against a server that says what it is told to."""

import asyncio
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from avatars.engine.speech.audio_driver import LOOK_AHEAD_MS, LOOK_BACK_MS
from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, Speech
from realtime.agent import build_providers
from realtime.agent.parts import quietest_cut
from realtime.agent.protocols import Message, ProviderError, ReplyCutShort
from realtime.agent.providers import local_tts, whisper
from realtime.agent.providers.openai_llm import OpenAiLanguageModel
from realtime.agent.providers.openai_stt import OpenAiSpeechToText
from realtime.agent.providers.openai_tts import OpenAiTextToSpeech
from realtime.agent.providers.whisper import looks_looped, windows_for
from tests.agent.stub_server import Stub, stub_server
from webapp.providers.endpoint import Endpoint

HELLO: list[Message] = [{"role": "user", "content": "Hello."}]


@pytest.fixture
def server() -> Iterator[Stub]:
    with stub_server() as stub:
        yield stub


def tone(seconds: float, rate_hz: int, silent_s: float = 0.0) -> np.ndarray[Any, Any]:
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    return np.concatenate([np.zeros(int(silent_s * rate_hz)), 0.5 * np.sin(2 * np.pi * 200 * time_s)])


def pcm(samples: np.ndarray[Any, Any]) -> bytes:
    return (samples * 32767).astype("<i2").tobytes()


async def test_a_reply_streams(server: Stub) -> None:
    server.says("Hel", "lo ", "you.")
    model = OpenAiLanguageModel(Endpoint(server.url, "big-one"), most_tokens=77, temperature=0.5)
    assert [text async for text in model.reply(HELLO)] == ["Hel", "lo ", "you."]
    asked = json.loads(server.asked[0][1])
    assert asked == {"model": "big-one", "messages": HELLO, "stream": True, "max_tokens": 77, "temperature": 0.5}


async def test_a_reply_that_was_cut_short_says_so(server: Stub) -> None:
    server.says("And then", finish="length")
    with pytest.raises(ReplyCutShort):
        [text async for text in OpenAiLanguageModel(Endpoint(server.url, "m")).reply(HELLO)]


async def test_reading_ahead_is_for_the_local_brain_only(server: Stub) -> None:
    server.status = 500
    await OpenAiLanguageModel(Endpoint(server.url, "m")).prepare(HELLO)
    assert not server.asked
    await OpenAiLanguageModel(Endpoint(server.url, "m"), read_ahead=True).prepare(HELLO)
    assert json.loads(server.asked[0][1])["max_tokens"] == 1


async def test_a_reply_waits_for_its_beginning_to_be_read_and_for_nothing_else(server: Stub) -> None:
    server.says("Yes.")
    model = OpenAiLanguageModel(Endpoint(server.url, "m"), read_ahead=True)
    create, may_read, asked = model._client.chat.completions.create, asyncio.Event(), []

    async def slow(**request: Any) -> Any:
        asked.append(request["messages"])
        if request["max_tokens"] == 1:
            await may_read.wait()
        return await create(**request)

    model._client.chat.completions.create = slow  # type: ignore[method-assign, assignment]
    question: list[Message] = [*HELLO, {"role": "assistant", "content": "Hi."}, {"role": "user", "content": "And?"}]
    reading = asyncio.create_task(model.prepare(question[:2]))
    await asyncio.sleep(0.01)
    assert [text async for text in model.reply(HELLO)] == ["Yes."]
    replying = asyncio.create_task(anext(model.reply(question)))
    await asyncio.sleep(0.05)
    assert asked == [question[:2], HELLO]
    may_read.set()
    assert await replying == "Yes."
    await reading
    assert asked[-1] == question


@pytest.mark.parametrize(
    ("status", "words"), [(401, "key"), (403, "key"), (404, "unknown"), (429, "busy"), (500, "error of its own")]
)
async def test_what_goes_wrong_is_told_in_words_without_addresses(server: Stub, status: int, words: str) -> None:
    server.status = status
    with pytest.raises(ProviderError, match=words) as caught:
        [text async for text in OpenAiLanguageModel(Endpoint(server.url, "m")).reply(HELLO)]
    assert "secret-host" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


async def test_words_that_nobody_wants_any_more_are_heard_to_their_end(server: Stub) -> None:
    server.transcript = "Hello."
    ears, sound = OpenAiSpeechToText(Endpoint(server.url, "m")), np.zeros(1600, np.float32)
    create, may_hear, heard = ears._client.audio.transcriptions.create, asyncio.Event(), []

    async def slow(**request: Any) -> Any:
        await may_hear.wait()
        heard.append(await create(**request))
        return heard[-1]

    ears._client.audio.transcriptions.create = slow  # type: ignore[method-assign, assignment]
    unwanted = asyncio.create_task(ears.transcribe(sound))
    await asyncio.sleep(0.01)
    unwanted.cancel()
    with pytest.raises(asyncio.CancelledError):
        await unwanted
    may_hear.set()
    assert await ears.transcribe(sound) == "Hello."
    await asyncio.gather(*ears._asking)
    assert len(heard) == 2
    may_hear.clear()
    wanted = asyncio.create_task(ears.transcribe(sound))
    await asyncio.sleep(0.01)
    await ears.close()
    with pytest.raises(asyncio.CancelledError):
        await wanted


async def test_nobody_answers() -> None:
    with pytest.raises(ProviderError, match="STT_URL"):
        await OpenAiSpeechToText(Endpoint("http://127.0.0.1:9/v1", "m", address="STT_URL")).transcribe(
            np.zeros(16_000, np.float32)
        )


async def test_an_utterance_is_sent_as_a_wav_file(server: Stub) -> None:
    server.transcript = " Hello there. "
    heard = await OpenAiSpeechToText(Endpoint(server.url, "ears")).transcribe(np.zeros(16_000, np.float32))
    assert heard == "Hello there."
    path, body = server.asked[0]
    assert path == "/v1/audio/transcriptions"
    assert b'filename="speech.wav"' in body
    assert b"RIFF" in body
    assert b"ears" in body


@pytest.mark.parametrize("rate_hz", [24_000, 22_050, 16_000])
async def test_a_remote_voice_comes_in_parts_at_our_rate(server: Stub, rate_hz: int) -> None:
    server.pcm = pcm(tone(4.0, rate_hz, silent_s=0.4)) + b"\x00"
    voice = OpenAiTextToSpeech(Endpoint(server.url, "mouth", rate_hz=rate_hz, voice="nova"))
    parts: list[Speech] = [part async for part in voice.speak("Hello there.", "heart")]
    assert len(parts) >= 2
    assert [part.text for part in parts] == ["Hello there.", *[""] * (len(parts) - 1)]
    assert all(part.phones is None for part in parts)
    # The silence before the first sound is gone.
    whole = np.concatenate([part.samples for part in parts])
    assert 4.0 <= len(whole) / SAMPLE_RATE_HZ <= 4.1
    assert np.abs(whole[SAMPLE_RATE_HZ // 10 : -SAMPLE_RATE_HZ // 10]).max() == pytest.approx(0.5, abs=0.03)
    zero_crossings = np.count_nonzero(np.diff(np.signbit(whole)))
    assert zero_crossings / 2 / 4.0 == pytest.approx(200, rel=0.03)
    assert json.loads(server.asked[0][1])["voice"] == "nova"


async def test_parts_know_the_sound_around_them(server: Stub) -> None:
    server.pcm = pcm(np.random.default_rng(1).uniform(-0.5, 0.5, 6 * SAMPLE_RATE_HZ).astype(np.float32))
    parts = [
        part
        async for part in OpenAiTextToSpeech(Endpoint(server.url, "mouth", rate_hz=SAMPLE_RATE_HZ)).speak(
            "Hello there.", "heart"
        )
    ]
    assert len(parts) >= 3
    whole = np.concatenate([part.samples for part in parts])
    at = 0
    for part in parts:
        assert at % SAMPLES_PER_FRAME == 0
        end = at + len(part.samples)
        assert len(part.before) == min(at, SAMPLE_RATE_HZ * LOOK_BACK_MS // 1000)
        assert np.array_equal(part.before, whole[at - len(part.before) : at])
        assert len(part.after) == min(len(whole) - end, SAMPLE_RATE_HZ * LOOK_AHEAD_MS // 1000)
        assert np.array_equal(part.after, whole[end : end + len(part.after)])
        at = end


def test_parts_are_cut_where_it_is_quiet() -> None:
    samples = tone(1.0, SAMPLE_RATE_HZ).astype(np.float32)
    samples[18_000:19_000] = 0
    cut = quietest_cut(samples)
    assert cut % SAMPLES_PER_FRAME == 0
    assert 18_000 <= cut <= 19_000


@pytest.mark.parametrize(
    ("text", "seconds", "looped"),
    [
        ("And you always want to see it in the superlative degree.", 3.5, False),
        ("it was the best it was the best it was the best it was the best", 6.0, True),
        ("one two three four five six seven eight nine ten", 1.0, True),
        ("Yes.", 0.3, False),
        ("", 1.0, False),
    ],
)
def test_a_loop_is_noticed(text: str, seconds: float, looped: bool) -> None:
    assert looks_looped(text, seconds) is looped


@pytest.mark.parametrize(
    ("seconds", "windows"),
    [(1, (1000, 1500, 3000)), (9, (1000, 1500, 3000)), (9.5, (1500, 3000)), (20, (3000,)), (40, (3000,))],
)
def test_windows_leave_a_second_of_padding(seconds: float, windows: tuple[int, ...]) -> None:
    assert windows_for(int(seconds * 16_000)) == windows


def test_the_settings_choose_the_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = {f"{name}_{part}": "" for name in ("LLM", "STT", "TTS") for part in ("URL", "MODEL", "API_KEY")}
    base = {**empty, "BRAIN_PORT": 8091, "WHISPER_MODEL_DIR": "", "TTS_RATE_HZ": 24_000, "TTS_VOICE": ""}
    remote = {f"{name}_URL": "http://example.org/v1" for name in ("LLM", "STT", "TTS")}
    far = build_providers(SimpleNamespace(**{**base, **remote, "SMART_TURN_MODEL": "off"}))
    assert isinstance(far.speech_to_text, OpenAiSpeechToText)
    assert isinstance(far.text_to_speech, OpenAiTextToSpeech)
    assert isinstance(far.fallback_voices[0], local_tts.LocalTextToSpeech)
    assert far.turn_judge is None
    assert not far.small_model
    monkeypatch.setattr(
        "realtime.agent.providers.Whisper", lambda folder, language: whisper.Whisper.__new__(whisper.Whisper)
    )
    near = build_providers(SimpleNamespace(**{**base, "WHISPER_MODEL_DIR": "/here", "SMART_TURN_MODEL": ""}))
    assert isinstance(near.speech_to_text, whisper.Whisper)
    assert isinstance(near.text_to_speech, local_tts.LocalTextToSpeech)
    assert near.fallback_voices == ()
    assert near.turn_judge is not None
    assert near.small_model


def test_a_missing_model_is_told() -> None:
    with pytest.raises(ProviderError, match="cannot be loaded"):
        whisper.Whisper(__import__("pathlib").Path("/nowhere"))
