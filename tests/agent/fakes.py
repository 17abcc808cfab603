"""Ears, mind, voice and stage that do as they are told, on virtual time."""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from avatars.engine.gestures import find_gesture
from avatars.engine.performer import Activity, Playback
from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, Speech
from realtime.agent import Agent, AgentSettings, Cue, Knowledge, Link, Providers, Trigger
from realtime.agent.protocols import Message, ProviderError, Samples
from realtime.agent.tools import ToolCall
from realtime.agent.vad import FRAME_MS, FRAME_SAMPLES

WORD_MS = 250


class FakeVoiceActivity:
    """The level is the probability: frames of 0.9 are voice, frames of 0.0 are not."""

    def __init__(self) -> None:
        self.broken = False

    def probability(self, frame: Samples) -> float:
        if self.broken:
            raise RuntimeError("no detector")
        return float(frame[0])

    def reset(self) -> None: ...


@dataclass
class FakeSpeechToText:
    """Hears the next of `texts` each time; an exception in the list is raised. Repeats the last one."""

    texts: list[str | Exception]
    delay_s: float = 0.15
    asked: list[int] = field(default_factory=list)

    async def transcribe(self, samples: Samples) -> str:
        self.asked.append(len(samples))
        answer = self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]
        await asyncio.sleep(self.delay_s)
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class FakeLanguageModel:
    """Says `answer(question)` word by word."""

    answer: Callable[[str], str] = lambda question: f"You said {question.rstrip('.?!')}. That is good to know."
    first_s: float = 0.1
    word_s: float = 0.02
    fails_after: int | None = None
    asked: list[list[Message]] = field(default_factory=list)
    finished: int = 0
    closed: int = 0
    prepared: int = 0

    async def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        self.asked.append(list(messages))
        try:
            await asyncio.sleep(self.first_s)
            for count, word in enumerate(self.answer(messages[-1]["content"]).split()):
                if count == self.fails_after:
                    raise ProviderError("The language model cannot be reached.")
                yield f"{word} "
                await asyncio.sleep(self.word_s)
            self.finished += 1
        finally:
            self.closed += 1

    async def prepare(self, messages: Sequence[Message]) -> None:
        self.prepared += 1


@dataclass
class FakeToolCaller(FakeLanguageModel):
    """Gives the next of `replies` each time: words as text, and calls; says the last for ever."""

    replies: list[list[str | ToolCall]] = field(default_factory=list)
    calls_tools: bool = True
    offered: list[dict[str, Any]] = field(default_factory=list)
    may_call: list[bool] = field(default_factory=list)

    async def reply_or_call(
        self, messages: Sequence[Any], functions: Sequence[dict[str, Any]], *, may_call: bool
    ) -> AsyncGenerator[str | ToolCall, None]:
        self.asked.append(list(messages))
        self.offered = list(functions)
        self.may_call.append(may_call)
        try:
            await asyncio.sleep(self.first_s)
            for part in self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]:
                if isinstance(part, Exception):
                    raise part
                yield part
                await asyncio.sleep(self.word_s)
            self.finished += 1
        finally:
            self.closed += 1

    async def prepare_with(self, messages: Sequence[Message], functions: Sequence[dict[str, Any]]) -> None:
        self.prepared += 1


@dataclass
class FakeVoice:
    """Takes `WORD_MS` a word."""

    delay_s: float = 0.03
    fails: bool = False
    said: list[str] = field(default_factory=list)

    async def speak(self, text: str, voice: str) -> AsyncGenerator[Speech, None]:
        await asyncio.sleep(self.delay_s)
        if self.fails:
            raise ProviderError("The voice cannot be reached.")
        self.said.append(text)
        samples = np.zeros(len(text.split()) * WORD_MS * SAMPLE_RATE_HZ // 1000, np.float32)
        yield Speech(samples, None, text)


@dataclass
class FakeJudge:
    """Answers the next of `answers`, then the last for ever."""

    answers: list[float] = field(default_factory=lambda: [0.9])
    delay_s: float = 0.06

    async def finished(self, samples: Samples) -> float:
        await asyncio.sleep(self.delay_s)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class FakeStage:
    """Plays in virtual time, one turn after the other, without gaps."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.activities: list[Activity] = []
        self.played: list[tuple[int, str]] = []
        self.silenced_s: list[float] = []
        self.first_played_s = math.inf
        self.cues: list[Cue] = []
        self.gestures: list[tuple[str, float]] = []
        self.pauses = 0
        self.hung_up_s: list[float] = []
        self._queue: list[tuple[int, float]] = []
        self._turn: int | None = None
        self._heard_ms = 0.0
        self._begun_s: dict[int, float] = {}
        self._now_s = self._time()

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()

    def _advance(self) -> None:
        passed_ms = (self._time() - self._now_s) * 1000
        self._now_s = self._time()
        while self._queue and passed_ms > 0:
            turn, left_ms = self._queue[0]
            if turn != self._turn:
                self._turn, self._heard_ms = turn, 0.0
                self._begun_s.setdefault(turn, self._now_s - passed_ms / 1000)
            step_ms = min(left_ms, passed_ms)
            self._heard_ms += step_ms
            passed_ms -= step_ms
            if step_ms == left_ms:
                self._queue.pop(0)
            else:
                self._queue[0] = (turn, left_ms - step_ms)

    def play(self, turn: int, speech: Speech) -> None:
        self._advance()
        self.played.append((turn, speech.text))
        self.first_played_s = min(self.first_played_s, self._time())
        self._queue.append((turn, speech.duration_s * 1000))

    def interrupt(self) -> Playback:
        playback = self.playback()
        self._queue.clear()
        self._turn = None
        self.silenced_s.append(self._time())
        return playback

    def playback(self) -> Playback:
        self._advance()
        if not self._queue:
            return Playback(None, self._heard_ms)
        return Playback(self._turn, self._heard_ms)

    def queued_ms(self) -> int:
        self._advance()
        return int(sum(left for _, left in self._queue))

    def left_s(self, turn: int) -> float | None:
        self._advance()
        return self._begun_s.get(turn)

    def set_activity(self, activity: Activity) -> None:
        self.activities.append(activity)

    def play_gesture(self, cue: Cue) -> None:
        self.cues.append(cue)
        self.gestures.append((find_gesture(cue.gesture).word, self._time()))

    def user_paused(self) -> None:
        self.pauses += 1

    def hang_up(self) -> None:
        self.hung_up_s.append(self._time())

    def send(self, event: dict[str, Any]) -> None:
        self.events.append(event)

    def of_type(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == name]

    def captions(self, who: str) -> list[str]:
        """The final captions."""
        return [e["text"] for e in self.of_type("caption") if e["who"] == who and e["final"]]

    def states(self) -> list[str]:
        return [event["state"] for event in self.of_type("state")]


class Conversation:
    """An agent among fakes, and what a person can do to it."""

    def __init__(
        self,
        *heard: str | Exception,
        greeting: str = "",
        triggers: tuple[Trigger, ...] = (),
        knowledge: Knowledge | None = None,
        tools: frozenset[str] = frozenset(),
        links: tuple[Link, ...] = (),
        **providers: Any,
    ) -> None:
        self.stage = FakeStage()
        self.ears = FakeSpeechToText(list(heard) or [""])
        self.mind = providers.pop("mind", FakeLanguageModel())
        self.voice = providers.pop("voice", FakeVoice())
        self.judge = providers.pop("judge", FakeJudge())
        self.voice_activity = FakeVoiceActivity()
        self.agent = Agent(
            AgentSettings(
                "You are a lighthouse.",
                greeting,
                name="Ada",
                triggers=triggers,
                knowledge=knowledge,
                tools=tools,
                links=links,
                time_zone="Europe/Berlin",
            ),
            Providers(
                self.ears, self.mind, self.voice, lambda: self.voice_activity, turn_judge=self.judge, **providers
            ),
            self.stage,
            clock=asyncio.get_running_loop().time,
        )

    async def __aenter__(self) -> "Conversation":
        await self.agent.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.agent.close()

    async def sound(self, level: float, ms: int) -> None:
        """So many milliseconds of the microphone, in real (virtual) time."""
        for _ in range(ms // FRAME_MS):
            await asyncio.sleep(FRAME_MS / 1000)
            self.agent.hear(np.full(FRAME_SAMPLES, level, np.float32))

    async def speak(self, ms: int = 960) -> None:
        await self.sound(0.9, ms)

    async def silence(self, ms: int) -> None:
        await self.sound(0.0, ms)
