"""Speech to speech against a server that speaks the Realtime API: a conversation, an interruption, and every way to fail."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, Speech
from realtime.agent import AgentSettings, Cue, Link, Providers, SaidBy, SpeechToSpeechAgent, Trigger, agent_for, phrases
from realtime.agent.agent import Agent
from realtime.agent.protocols import ProviderError
from realtime.agent.providers.openai_realtime import RealtimeLine, calls_of, try_line, websocket_url
from realtime.agent.tool_use import MOST_ROUNDS
from realtime.agent.vad import FRAME_MS, FRAME_SAMPLES
from tests.agent.fakes import FakeLanguageModel, FakeSpeechToText, FakeStage, FakeVoice, FakeVoiceActivity
from webapp.providers.endpoint import Endpoint

WITHIN_S = 20.0
KEY = "sk-realtime"
HOURS = Link("Hours", "https://a.example")
TOOLS = frozenset({"time", "calculator", "gesture", "hang_up", "link"})
ANSWER = "The capital of France is Paris."


def b64(seconds: float, hertz: float = 200.0) -> str:
    time_s = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return base64.b64encode((9000 * np.sin(2 * np.pi * hertz * time_s)).astype("<i2").tobytes()).decode()


@dataclass
class Server:
    """One that hears a turn end when it is told so by `end_turn`, and answers each with `answer`."""

    url: str = ""
    answer_s: float = 4.0
    heard: list[dict[str, Any]] = field(default_factory=list)
    sound: list[np.ndarray[Any, Any]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    path: str = ""
    on_session: Callable[[ServerConnection], Awaitable[None]] | None = None
    on_response: Callable[[ServerConnection], Awaitable[None]] | None = None
    socket: ServerConnection | None = None
    items: int = 0
    before_answers: list[dict[str, Any]] = field(default_factory=list)

    async def talk(self, socket: ServerConnection) -> None:
        self.socket = socket
        assert socket.request is not None
        self.path, self.headers = socket.request.path, dict(socket.request.headers.raw_items())
        with suppress(ConnectionClosed):
            await self.say(type="session.created", session={})
            async for message in socket:
                await self.take(json.loads(message))

    async def take(self, event: dict[str, Any]) -> None:
        if event["type"] == "input_audio_buffer.append":
            data = base64.b64decode(event["audio"])
            self.sound.append(np.frombuffer(data, "<i2").astype(np.float32) / 32768)
            return
        self.heard.append(event)
        assert self.socket is not None
        if event["type"] == "session.update":
            await (self.on_session(self.socket) if self.on_session else self.say(type="session.updated", session={}))
        elif event["type"] == "response.create":
            await (self.on_response(self.socket) if self.on_response else self.answer())

    async def say(self, **event: Any) -> None:
        assert self.socket is not None
        await self.socket.send(json.dumps({"event_id": "e", **event}))

    async def answer(self, text: str = ANSWER) -> None:
        """Much faster than it is spoken, as the real one does."""
        if self.before_answers:
            await self.say(**self.before_answers.pop(0))
            return
        self.items += 1
        item = f"item{self.items}"
        await self.say(type="response.created", response={"id": "r"})
        await self.say(type="response.output_audio_transcript.delta", item_id=item, delta=text[:10])
        await self.say(type="response.output_audio_transcript.delta", item_id=item, delta=text[10:])
        for _ in range(int(self.answer_s / 0.5)):
            await self.say(type="response.output_audio.delta", item_id=item, delta=b64(0.5))
        await self.say(type="response.output_audio.done", item_id=item)
        await self.say(type="response.done", response={"status": "completed"})

    async def end_turn(self, words: str) -> None:
        """The user's turn is over, by what was heard of it."""
        await self.say(type="input_audio_buffer.speech_started", item_id="u1", audio_start_ms=0)
        await self.say(type="input_audio_buffer.speech_stopped", item_id="u1", audio_end_ms=900)
        await self.say(type="conversation.item.input_audio_transcription.completed", item_id="u1", transcript=words)
        await self.answer()

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.heard if event["type"] == kind]


@asynccontextmanager
async def serving(**how: Any) -> AsyncIterator[Server]:
    server = Server(**how)
    async with serve(server.talk, "127.0.0.1", 0) as listening:
        server.url = f"http://127.0.0.1:{next(iter(listening.sockets)).getsockname()[1]}/v1"
        yield server


@asynccontextmanager
async def talking(
    url: str, greeting: str = "", tools: frozenset[str] = frozenset()
) -> AsyncIterator[tuple[Any, FakeStage]]:
    stage = FakeStage()
    providers = Providers(
        FakeSpeechToText(["Hello."], delay_s=0),
        FakeLanguageModel(first_s=0, word_s=0),
        FakeVoice(delay_s=0),
        FakeVoiceActivity,
        conversing=Endpoint(url, "gpt-realtime", KEY, voice="cedar"),
    )
    triggers = (Trigger(("paris",), Cue("nod")), Trigger(("capital",), Cue("smile"), SaidBy.USER))
    settings = AgentSettings(
        "You are a lighthouse.", greeting, name="Ada", triggers=triggers, tools=tools, links=(HOURS,)
    )
    agent = agent_for(settings, providers, stage)
    assert isinstance(agent, SpeechToSpeechAgent)
    await agent.start()
    try:
        yield agent, stage
    finally:
        await agent.close()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.01)


async def hear(agent: Any, level: float, ms: int) -> None:
    """Somebody, or something, in the room; the first sample is what the detector takes for how likely it is a voice."""
    noise = np.random.default_rng(3)
    for _ in range(ms // FRAME_MS):
        frame = (level * noise.uniform(-1, 1, FRAME_SAMPLES)).astype(np.float32)
        frame[0] = level
        agent.hear(frame)
        await asyncio.sleep(0)


def spoken_s(stage: FakeStage) -> float:
    return stage.queued_ms() / 1000


async def test_a_turn_from_voice_to_voice() -> None:
    async with serving() as server, talking(server.url) as (agent, stage):
        await until(lambda: agent._open)
        assert server.path == "/v1/realtime?model=gpt-realtime"
        assert server.headers["Authorization"] == f"Bearer {KEY}"
        session = server.events("session.update")[0]["session"]
        assert "You are a lighthouse." in session["instructions"]
        assert session["audio"]["output"]["voice"] == "cedar"
        assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": SAMPLE_RATE_HZ}
        await hear(agent, 0.9, 960)
        await hear(agent, 0.0, 960)
        await until(lambda: sum(map(len, server.sound)) > 1.8 * SAMPLE_RATE_HZ)
        assert max(np.abs(part).max() for part in server.sound) > 0.8
        await server.end_turn("What is the capital of France?")
        await until(lambda: stage.captions("user") and len(stage.played) >= 2)
        assert stage.captions("user") == ["What is the capital of France?"]
        assert {turn for turn, _ in stage.played} == {1}
        await until(lambda: any(ANSWER in e["text"] for e in stage.of_type("caption") if e["who"] == "avatar"))
        assert {"listening", "thinking", "speaking"} <= set(stage.states())
        await until(lambda: len(stage.gestures) == 2)
        assert [word for word, _ in stage.gestures] == ["smile", "nod"]
        await until(lambda: stage.of_type("latency"))
        assert "first_audio" in stage.of_type("latency")[0]["marks"]


async def test_the_sound_is_whole() -> None:
    sound: list[Speech] = []
    async with serving(answer_s=3.0) as server, talking(server.url) as (agent, stage):
        stage.play, play = lambda turn, speech: (sound.append(speech), play(turn, speech)), stage.play  # type: ignore[assignment,misc,func-returns-value]
        await until(lambda: agent._open)
        agent.read("Hello.")
        await until(lambda: sum(len(speech.samples) for speech in sound) == 3 * SAMPLE_RATE_HZ)
        assert all(speech.phones is None for speech in sound), "the mouth follows the sound"
        assert len(sound[0].samples) < SAMPLE_RATE_HZ, "the first part is short, so that it is heard soon"


async def test_words_are_heard_when_their_sound_is() -> None:
    story = (
        "Once upon a time there was a lighthouse, which had seen more ships than there are stars in any summer night."
    )
    async with serving(answer_s=7.0) as server, talking(server.url) as (agent, stage):
        server.on_response = lambda _: server.answer(story)
        await until(lambda: agent._open)
        agent.read("Tell me a story.")
        await until(lambda: stage.playback().heard_ms > 1500)
        agent.interrupt()
        (interrupted,) = stage.of_type("interrupted")
        assert story.startswith(interrupted["text"])
        assert 8 < len(interrupted["text"]) < len(story) * 0.7


async def test_the_greeting_is_the_avatars_own() -> None:
    async with serving() as server, talking(server.url, "Ahoy, who goes there?") as (_, stage):
        await until(lambda: stage.played)
        assert "Ahoy, who goes there?" in server.events("response.create")[0]["response"]["instructions"]


async def test_what_is_typed_is_answered() -> None:
    async with serving() as server, talking(server.url) as (agent, stage):
        await until(lambda: agent._open)
        agent.read(" What is the capital? ")
        agent.read("x" * 3000)
        await until(lambda: stage.played)
        item = server.events("conversation.item.create")[0]["item"]
        assert item["content"] == [{"type": "input_text", "text": "What is the capital?"}]
        assert stage.captions("user") == ["What is the capital?"]
        assert [event["code"] for event in stage.of_type("notice")] == ["text_too_long"]


@pytest.mark.parametrize("how", ["voice", "button", "text"])
async def test_speaking_over_it_stops_it_at_once(how: str) -> None:
    async with serving(answer_s=8.0) as server, talking(server.url) as (agent, stage):
        await until(lambda: agent._open)
        agent.read("Tell me a long story.")
        await until(lambda: stage.playback().heard_ms > 300)
        if how == "voice":
            await hear(agent, 0.9, 320)
        elif how == "button":
            agent.interrupt()
        else:
            agent.read("Stop that.")
        assert stage.silenced_s
        assert stage.queued_ms() == 0
        await until(lambda: server.events("conversation.item.truncate"))
        truncated = server.events("conversation.item.truncate")[0]
        assert truncated["item_id"] == "item1"
        assert 300 <= truncated["audio_end_ms"] < 4000
        assert server.events("response.cancel")
        (interrupted,) = stage.of_type("interrupted")
        assert interrupted["turn"] == 1
        # What still comes of the old answer is not spoken.
        played = len(stage.played)
        await server.say(type="response.output_audio.delta", item_id="item1", delta=b64(2.0))
        await server.say(type="response.done", response={"status": "cancelled"})
        if how != "text":
            await asyncio.sleep(0.1)
            assert len(stage.played) == played
            await server.end_turn("And now?")
            await until(lambda: len(stage.played) > played)
        # A text brings its answer by itself, maybe before any of this.
        await until(lambda: stage.played[-1][0] == (1 if how == "button" else 2))


def calling(name: str, arguments: Any = "{}") -> dict[str, Any]:
    item = {"type": "function_call", "call_id": "c1", "name": name, "arguments": arguments}
    return {"type": "response.done", "response": {"status": "completed", "output": [item]}}


async def test_the_model_is_offered_tools_and_told_what_they_give() -> None:
    async with serving() as server, talking(server.url, tools=TOOLS) as (agent, stage):
        server.before_answers.append(calling("calculator", '{"expression": "6*7"}'))
        await until(lambda: agent._open)
        agent.read("What is six times seven?")
        await until(lambda: stage.played)
        offered = server.events("session.update")[0]["session"]["tools"]
        assert [(tool["type"], tool["name"]) for tool in offered][:2] == [
            ("function", "time"),
            ("function", "calculator"),
        ]
        (result,) = [e["item"] for e in server.events("conversation.item.create") if e["item"]["type"] != "message"]
        assert result == {"type": "function_call_output", "call_id": "c1", "output": "42"}
        assert len(server.events("response.create")) == 2


async def test_a_server_that_refuses_tools_is_talked_to_without_them() -> None:
    async def refuse(socket: ServerConnection) -> None:
        answer = "error" if "tools" in server.heard[-1]["session"] else "session.updated"
        await server.say(type=answer, session={}, error={"code": "unknown_parameter"})

    async with serving(on_session=refuse) as server, talking(server.url, tools=TOOLS) as (agent, stage):
        await until(lambda: agent._open)
        agent.read("What is the capital?")
        await until(lambda: stage.played)
        assert ["tools" in event["session"] for event in server.events("session.update")] == [True, False]
        assert not stage.of_type("notice")


async def test_without_tools_none_are_offered() -> None:
    async with serving() as server, talking(server.url) as (agent, _):
        await until(lambda: agent._open)
        assert "tools" not in server.events("session.update")[0]["session"]


async def test_the_model_shows_a_link_and_moves_the_face() -> None:
    async with serving() as server, talking(server.url, tools=TOOLS) as (agent, stage):
        server.before_answers += [calling("link", '{"title": "Hours"}'), calling("gesture", '{"name": "wink"}')]
        await until(lambda: agent._open)
        agent.read("Show me your hours.")
        await until(lambda: stage.played)
        (card,) = stage.of_type("card")
        assert card == {"type": "card", "turn": 1, "title": "Hours", "url": "https://a.example"}
        assert stage.gestures[0][0] == "wink"


async def test_the_model_hangs_up_after_its_goodbye() -> None:
    async with serving(answer_s=1.0) as server, talking(server.url, tools=TOOLS) as (agent, stage):
        server.before_answers.append(calling("hang_up"))
        await until(lambda: agent._open)
        agent.read("I have to go.")
        await until(lambda: stage.played)
        assert not stage.hung_up_s
        await until(lambda: stage.hung_up_s)
        assert len(stage.hung_up_s) == 1


async def test_a_model_that_calls_for_ever_has_to_speak() -> None:
    async with serving() as server, talking(server.url, tools=TOOLS) as (agent, stage):
        server.before_answers += [calling("calculator", {"a": 1})] * (MOST_ROUNDS + 1)
        await until(lambda: agent._open)
        agent.read("What is six times seven?")
        await until(lambda: stage.played)
        asked = server.events("response.create")
        assert [event.get("response") for event in asked] == [None] * (MOST_ROUNDS + 1) + [{"tool_choice": "none"}]


@pytest.mark.parametrize(
    "response",
    [
        None,
        {"output": 7},
        {"output": [None, {"type": "function_call"}, {"type": "function_call", "name": 1, "call_id": "c"}]},
        {"output": [{"type": "message"}]},
    ],
)
def test_what_is_no_call_is_none(response: Any) -> None:
    assert calls_of(response) == []


async def test_what_was_said_is_recollected() -> None:
    async with serving(answer_s=1.0) as server, talking(server.url) as (agent, stage):
        await until(lambda: agent._open)
        agent.read("What is the capital?")
        await until(lambda: stage.captions("avatar"))
        await until(lambda: len(agent.recollection().turns) == 2)
    assert [turn["content"] for turn in agent.recollection().turns] == ["What is the capital?", ANSWER]


async def test_a_microphone_that_goes_off_in_a_sentence_ends_the_turn() -> None:
    async with serving() as server, talking(server.url) as (agent, _):
        await until(lambda: agent._open)
        await hear(agent, 0.9, 960)
        await until(lambda: sum(map(len, server.sound)) > 1.8 * SAMPLE_RATE_HZ)
        assert not np.concatenate(server.sound)[-SAMPLE_RATE_HZ // 2 :].any()
        assert not agent._turn_taking.speaking


async def test_the_server_never_hears_the_avatar() -> None:
    async with serving(answer_s=8.0) as server, talking(server.url) as (agent, stage):
        await until(lambda: agent._open)
        agent.read("Tell me a story.")
        await until(lambda: stage.playback().turn is not None)
        server.sound.clear()
        await hear(agent, 0.3, 640)
        await until(lambda: sum(map(len, server.sound)) > 0.5 * SAMPLE_RATE_HZ)
        assert max(np.abs(part).max() for part in server.sound) < 0.01


async def test_with_push_to_talk_the_server_hears_only_what_is_said_while_the_button_is_held() -> None:
    async with serving(answer_s=8.0) as server, talking(server.url) as (agent, stage):
        await until(lambda: agent._open)
        agent.push_to_talk(True)
        await hear(agent, 0.9, 640)
        await until(lambda: sum(map(len, server.sound)) > 0.5 * SAMPLE_RATE_HZ)
        assert not np.concatenate(server.sound).any()
        agent.read("Tell me a story.")
        await until(lambda: stage.playback().turn is not None)
        server.sound.clear()
        agent.press()
        assert stage.of_type("interrupted")
        await hear(agent, 0.9, 640)
        agent.release()
        await hear(agent, 0.0, 320)
        await until(lambda: sum(map(len, server.sound)) > 1.8 * SAMPLE_RATE_HZ)
        sound = np.concatenate(server.sound)
        assert np.abs(sound).max() > 0.8
        assert not sound[-SAMPLE_RATE_HZ:].any()
        assert not agent._turn_taking.speaking


# Failing


async def refuse(socket: ServerConnection) -> None:
    await socket.send(json.dumps({"type": "error", "error": {"code": "bad_model", "message": "secret-host"}}))


async def hang_up(socket: ServerConnection) -> None:
    await socket.close()


async def nothing(socket: ServerConnection) -> None:
    """Say nothing."""


async def garbage(socket: ServerConnection) -> None:
    await socket.send("<html>")


async def a_list(socket: ServerConnection) -> None:
    await socket.send("[1]")


async def bad_sound(socket: ServerConnection) -> None:
    await socket.send(json.dumps({"type": "response.output_audio.delta", "item_id": "i", "delta": "!!!"}))


async def no_sound(socket: ServerConnection) -> None:
    await socket.send(json.dumps({"type": "response.output_audio.delta", "item_id": "i", "delta": 7}))


async def half(socket: ServerConnection) -> None:
    await socket.send(json.dumps({"type": "response.output_audio.delta", "item_id": "i", "delta": b64(1.0)}))


async def failed(socket: ServerConnection) -> None:
    await socket.send(json.dumps({"type": "response.done", "response": {"status": "failed"}}))


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.agent.speech_to_speech.SOUND_WITHIN_S", 0.5)
    monkeypatch.setattr("realtime.agent.providers.openai_realtime.READY_WITHIN_S", 0.5)
    monkeypatch.setattr("realtime.agent.providers.openai_realtime.OPEN_WITHIN_S", 0.5)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("how", [refuse, hang_up, nothing, garbage, a_list])
async def test_a_line_that_never_stands(how: Any) -> None:
    """The usual ears, mind and voice hold the whole conversation, from the greeting on."""
    async with serving(on_session=how) as server, talking(server.url, "Ahoy.") as (agent, stage):
        await until(lambda: (1, "Ahoy.") in stage.played)
        (notice,) = stage.of_type("notice")
        assert notice == phrases.LINE_LOST.notice()
        agent.read("Hello.")
        await until(lambda: any("You said Hello" in text for _, text in stage.played))


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("how", [hang_up, nothing, garbage, bad_sound, no_sound, half, failed])
async def test_a_line_that_breaks(how: Any) -> None:
    """An apology, aloud and in writing; then the usual ears, mind and voice."""
    async with serving(on_response=how) as server, talking(server.url) as (agent, stage):
        await until(lambda: agent._open)
        agent.read("Hello.")
        await until(lambda: any("lost my thread" in text for _, text in stage.played))
        assert stage.of_type("notice") == [phrases.LINE_LOST.notice()]
        await hear(agent, 0.9, 960)
        await hear(agent, 0.0, 960)
        await until(lambda: any("You said Hello" in text for _, text in stage.played))
        turns = [turn for turn, _ in stage.played]
        assert turns == sorted(turns), "no turn's number is used twice"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:9/v1", "cannot be reached"),
        ("https://127.0.0.1:9/v1", "cannot be reached"),
        ("http://nobody.invalid/v1", "cannot be reached"),
    ],
)
async def test_nobody_is_there(url: str, words: str) -> None:
    with pytest.raises(ProviderError, match=words):
        await try_line(Endpoint(url, "m"))


@pytest.mark.parametrize(("status", "words"), [(401, "key"), (403, "key"), (429, "busy"), (404, "did not let")])
async def test_a_refusal_is_told(status: int, words: str) -> None:
    async def process(connection: ServerConnection, request: Any) -> Any:
        return connection.respond(status, "secret-host")

    async with serve(Server().talk, "127.0.0.1", 0, process_request=process) as listening:
        url = f"http://127.0.0.1:{next(iter(listening.sockets)).getsockname()[1]}/v1"
        with pytest.raises(ProviderError, match=words) as caught:
            await try_line(Endpoint(url, "m"))
        assert "secret-host" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/v1", "wss://10.0.0.1/v1", "http://example.org/v1", "wss://[::1]/v1"]
)
async def test_a_creators_line_stays_out_of_this_network(url: str) -> None:
    with pytest.raises(ProviderError, match="may not use"):
        await try_line(Endpoint(url, "m", public_only=True))


async def test_a_line_can_be_tried() -> None:
    async with serving() as server:
        await try_line(Endpoint(server.url, "m"))
        assert not server.events("response.create")


async def test_a_closed_line_says_so() -> None:
    with pytest.raises(ProviderError, match="not connected"):
        await RealtimeLine(Endpoint("http://x/v1", "m")).send(type="x")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.openai.com/v1", "wss://api.openai.com/v1/realtime?model=a%20b"),
        ("ws://localhost:9/v1/", "ws://localhost:9/v1/realtime?model=a%20b"),
    ],
)
def test_the_address_of_the_line(url: str, expected: str) -> None:
    assert websocket_url(Endpoint(url, "a b")) == expected


async def test_without_such_a_provider_it_is_the_usual_agent() -> None:
    providers = Providers(FakeSpeechToText([""]), FakeLanguageModel(), FakeVoice(), FakeVoiceActivity)
    assert isinstance(agent_for(AgentSettings(), providers, FakeStage()), Agent)
