"""The real detector and the guard: an avatar that comes out of a loudspeaker beside the microphone, in virtual time."""

import asyncio
from collections.abc import AsyncGenerator

import numpy as np
import pytest

from avatars.engine.speech import LocalVoice, Speech
from avatars.engine.speech.spoken import SAMPLE_RATE_HZ
from realtime.agent import Agent, AgentSettings, Providers
from realtime.agent.protocols import HEARING_RATE_HZ, Samples
from realtime.agent.providers.silero import Silero
from realtime.agent.vad import FRAME_SAMPLES
from tests.agent.fakes import FakeJudge, FakeLanguageModel, FakeSpeechToText, FakeStage
from tests.agent.test_echo_guard import echo
from tests.agent.virtual_time import run_virtually

pytestmark = pytest.mark.slow

STORY = (
    "Once there was a lighthouse keeper who loved the sea more than anything else. Every evening she climbed the stairs"
    " and lit the lamp. One night a small boat came out of the fog, and in it sat a dog with a letter. She read it,"
    " laughed, and went with him around the world."
)
SECONDS = 20


class RealVoice:
    """The local voice, at once."""

    async def speak(self, text: str, voice: str) -> AsyncGenerator[Speech, None]:
        yield LocalVoice.shared().say(text, voice)


class Room(FakeStage):
    """Keeps what the loudspeaker plays, on the microphone's time line."""

    def __init__(self) -> None:
        super().__init__()
        self.air = np.zeros(SECONDS * SAMPLE_RATE_HZ, np.float32)

    def play(self, turn: int, speech: Speech) -> None:
        start = int((self._time() + self.queued_ms() / 1000) * SAMPLE_RATE_HZ)
        piece = speech.samples[: len(self.air) - start]
        self.air[start : start + len(piece)] = piece
        super().play(turn, speech)


async def listen(leak_db: float, user: Samples | None = None, user_at_s: float = 6.0) -> tuple[Room, float | None]:
    """Let the avatar tell its story; the time from the user's first sound to silence in ms, None where it never was."""
    room = Room()
    agent = Agent(
        AgentSettings(greeting=STORY),
        Providers(FakeSpeechToText(["Wait a moment."]), FakeLanguageModel(), RealVoice(), Silero, FakeJudge()),
        room,
        clock=asyncio.get_running_loop().time,
    )
    await agent.start()
    await asyncio.sleep(0.1)
    # The story is queued as a whole, so what the microphone will hear of it can be told beforehand.
    heard = echo(room.air, leak_db, 160)
    if user is not None:
        start = int(user_at_s * HEARING_RATE_HZ)
        heard[start : start + len(user)] += user
    end = int((user_at_s + 1.5) * HEARING_RATE_HZ) if user is not None else len(heard)
    for at in range(0, end - FRAME_SAMPLES, FRAME_SAMPLES):
        due_s = (at + FRAME_SAMPLES) / HEARING_RATE_HZ
        await asyncio.sleep(max(0.0, due_s - asyncio.get_running_loop().time()))
        agent.hear(heard[at : at + FRAME_SAMPLES])
        if room.silenced_s:
            break
    await agent.close()
    return room, (room.silenced_s[0] - user_at_s) * 1000 if room.silenced_s else None


@pytest.mark.parametrize("leak_db", [-20, -30, -40])
def test_the_avatar_does_not_interrupt_itself(leak_db: float) -> None:
    room, silenced_ms = run_virtually(listen(leak_db))
    assert silenced_ms is None
    assert room.captions("avatar") == [STORY]
    assert room.captions("user") == []


@pytest.mark.parametrize("level", [1.0, 0.4])
def test_the_user_interrupts_the_avatar(level: float) -> None:
    words = LocalVoice.shared().say("Wait a moment, I have a question about the dog.", "deep_man").samples
    at = np.arange(0, len(words), SAMPLE_RATE_HZ / HEARING_RATE_HZ)
    user = (np.interp(at, np.arange(len(words)), words) * level).astype(np.float32)
    _, silenced_ms = run_virtually(listen(-25, user))
    assert silenced_ms is not None
    assert 0 < silenced_ms < 700
