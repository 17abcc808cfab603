"""Several people talk to one avatar: each is heard, and answered one after the other."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from realtime.agent import Agent, AgentSettings, Providers, Talker, WrittenPair
from realtime.agent.agent import MOST_WAITING
from realtime.agent.dialogue import SEVERAL, SEVERAL_IN_SHORT, Dialogue, short_prompt, system_prompt
from realtime.agent.protocols import Attributed
from realtime.agent.vad import FRAME_MS, FRAME_SAMPLES
from realtime.agent.written_answers import WrittenAnswers
from tests.agent.fakes import (
    FakeJudge,
    FakeLanguageModel,
    FakeSpeechToText,
    FakeStage,
    FakeVoice,
    FakeVoiceActivity,
)
from tests.agent.test_conversation import virtually

ANN, BEN, CLEO = (Talker(name.lower(), name) for name in ("Ann", "Ben", "Cleo"))
SETTINGS = AgentSettings(persona="You are a lighthouse.", name="Ada", several=True)


class Room:
    """An agent among fakes, and what people in its room do."""

    def __init__(self, *heard: str) -> None:
        self.stage = FakeStage()
        self.mind = FakeLanguageModel(lambda question: "That is a long answer which takes its time.")
        providers = Providers(
            FakeSpeechToText(list(heard) or [""]), self.mind, FakeVoice(), FakeVoiceActivity, turn_judge=FakeJudge()
        )
        self.agent = Agent(SETTINGS, providers, self.stage, clock=asyncio.get_running_loop().time)

    async def __aenter__(self) -> "Room":
        await self.agent.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.agent.close()

    async def sound(self, ms: int, *speaking: Talker, present: tuple[Talker, ...] = (ANN, BEN)) -> None:
        """So many milliseconds in which some speak and the others' microphones are silent."""
        for _ in range(ms // FRAME_MS):
            await asyncio.sleep(FRAME_MS / 1000)
            for talker in present:
                self.agent.hear(np.full(FRAME_SAMPLES, 0.9 if talker in speaking else 0.0, np.float32), talker)

    @property
    def asked(self) -> list[str]:
        """What the model was last asked, for each reply."""
        return [messages[-1]["content"] for messages in self.mind.asked]

    def said(self) -> list[tuple[str, str]]:
        """Who said what, as the pages were told."""
        captions = [event for event in self.stage.of_type("caption") if event["final"]]
        return [(event.get("name", "Ada"), event["text"]) for event in captions]


@virtually
async def test_the_model_and_the_pages_are_told_who_spoke() -> None:
    async with Room("Hello there.", "Good evening.") as room:
        await room.sound(960, ANN)
        await room.sound(6000)
        await room.sound(960, BEN)
        await room.sound(6000)
        assert room.asked == ["Ann: Hello there.", "Ben: Good evening."]
        assert room.mind.asked[-1][1]["content"] == "Ann: Hello there."
        assert [pair for pair in room.said() if pair[0] != "Ada"] == [("Ann", "Hello there."), ("Ben", "Good evening.")]
        assert {event["id"] for event in room.stage.of_type("caption") if "name" in event} == {"ann", "ben"}


@virtually
async def test_pages_are_told_who_speaks_now() -> None:
    async with Room("Hello there.") as room:
        await room.sound(960, ANN)
        assert room.stage.of_type("voice") == [{"type": "voice", "id": "ann", "speaking": True}]
        await room.sound(2000)
        assert room.stage.of_type("voice")[-1] == {"type": "voice", "id": "ann", "speaking": False}


@virtually
async def test_who_speaks_while_another_is_answered_waits_for_their_turn() -> None:
    async with Room("What is the time?", "And the weather?") as room:
        await room.sound(960, ANN)
        await room.sound(900)
        assert room.stage.states()[-1] == "speaking"
        await room.sound(640, BEN)
        # Heard, and shown as not answered yet; the avatar talks on.
        await room.sound(960)
        assert room.stage.silenced_s == []
        assert room.asked == ["Ann: What is the time?"]
        assert room.stage.of_type("caption")[-1]["final"] is False or room.said()[-1][0] == "Ada"
        await room.sound(9000)
        assert room.asked == ["Ann: What is the time?", "Ben: And the weather?"]
        answer = "That is a long answer which takes its time."
        assert room.said() == [
            ("Ann", "What is the time?"), ("Ada", answer), ("Ben", "And the weather?"), ("Ada", answer),
        ]  # fmt: skip


@virtually
async def test_who_is_answered_may_interrupt_and_keeps_the_floor() -> None:
    async with Room("What is the time?", "No, the year.") as room:
        await room.sound(960, ANN)
        await room.sound(900)
        await room.sound(640, ANN)
        assert len(room.stage.silenced_s) == 1
        await room.sound(6000)
        assert room.asked[-1].endswith("No, the year.")


@virtually
async def test_two_who_speak_at_once_are_both_answered() -> None:
    async with Room("One.", "Two.") as room:
        await room.sound(320, ANN)
        await room.sound(960, ANN, BEN)
        await room.sound(12_000)
        assert sorted(text for name, text in room.said() if name != "Ada") == ["One.", "Two."]
        assert [name for name, _ in room.said()] == ["Ann", "Ada", "Ben", "Ada"]


@virtually
async def test_nobody_waits_for_one_who_only_made_a_noise() -> None:
    async with Room("", "What is the time?") as room:
        await room.sound(320, ANN)
        await room.sound(320, ANN, BEN)
        await room.sound(640, BEN)
        await room.sound(6000)
        assert [pair for pair in room.said() if pair[0] != "Ada"] == [("Ben", "What is the time?")]
        assert len(room.said()) == 2


@virtually
async def test_humming_along_beside_somebody_is_no_question() -> None:
    async with Room("What is the time?", "Mm-hm.") as room:
        await room.sound(960, ANN)
        await room.sound(900)
        await room.sound(320, BEN)
        await room.sound(9000)
        assert [name for name, _ in room.said()] == ["Ann", "Ada"]
        # Whom it does not answer it does not lower its voice for.
        assert room.stage.of_type("yield") == []


@virtually
async def test_what_is_typed_meanwhile_waits_too_and_is_answered_in_order() -> None:
    async with Room("What is the time?") as room:
        await room.sound(960, ANN)
        await room.sound(900)
        room.agent.read("Who built you?", BEN)
        room.agent.read("How old are you?", CLEO)
        await room.sound(15_000)
        assert room.asked == ["Ann: What is the time?", "Ben: Who built you?", "Cleo: How old are you?"]
        assert room.stage.silenced_s == []


@virtually
async def test_more_than_anybody_can_answer_is_heard_without_an_answer() -> None:
    async with Room("What is the time?") as room:
        await room.sound(960, ANN)
        await room.sound(900)
        for number in range(MOST_WAITING + 2):
            room.agent.read(f"Question {number}?", BEN)
        assert room.said()[-2:] == [("Ben", "Question 0?"), ("Ben", "Question 1?")]
        await room.sound(3000 * (MOST_WAITING + 2))
        assert room.asked[-1] == f"Ben: Question {MOST_WAITING + 1}?"
        assert len(room.asked) == MOST_WAITING + 1


@virtually
async def test_silence_that_somebody_asks_for_is_for_all_who_wait() -> None:
    async with Room("What is the time?") as room:
        await room.sound(960, ANN)
        await room.sound(900)
        room.agent.read("Who built you?", BEN)
        room.agent.interrupt(CLEO)
        await room.sound(6000)
        assert room.asked == ["Ann: What is the time?"]


@virtually
async def test_who_leaves_is_not_waited_for() -> None:
    async with Room("What is the time?", "And the weather?") as room:
        await room.sound(640, ANN)
        room.agent.read("Who built you?", BEN)
        room.agent.leave(ANN)
        await room.sound(6000, present=(BEN,))
        assert room.asked == ["Ben: Who built you?"]
        assert room.stage.of_type("voice")[-1] == {"type": "voice", "id": "ann", "speaking": False}


@virtually
async def test_a_broken_microphone_is_one_persons_trouble() -> None:
    async with Room("What is the time?") as room:
        await room.sound(FRAME_MS, present=(ANN, BEN))
        room.agent._ears[ANN]._voice_activity.broken = True  # type: ignore[attr-defined]
        await room.sound(FRAME_MS, ANN)
        assert [event["to"] for event in room.stage.of_type("notice")] == ["ann"]
        await room.sound(960, BEN)
        await room.sound(3000)
        assert room.asked == ["Ben: What is the time?"]


# What the model reads


def test_prompts_say_that_there_are_several_only_where_there_are() -> None:
    alone = replace(SETTINGS, several=False)
    assert SEVERAL in system_prompt(SETTINGS)
    assert SEVERAL not in system_prompt(alone)
    assert SEVERAL_IN_SHORT in short_prompt(SETTINGS)
    assert SEVERAL_IN_SHORT not in short_prompt(alone)


def test_neighbouring_lines_keep_their_speakers() -> None:
    dialogue = Dialogue("You are Ada.", 250)
    dialogue.user_said("Hello.", "Ann")
    dialogue.user_said("Hi.", "Ben")
    (_, message) = dialogue.prompt("Well?", "Ann")
    assert message["content"] == "Ann: Hello.\nBen: Hi.\nAnn: Well?"
    assert isinstance(message["content"], Attributed)
    assert message["content"].words == "Hello. Hi. Well?"


@pytest.mark.parametrize("name", ["", "Ann"])
async def test_a_written_answer_is_found_whoever_asks(name: str) -> None:
    class Meaning:
        async def embed(self, texts: list[str]) -> np.ndarray:
            return np.array([[1.0, 0.0] if text == "When are you open?" else [0.0, 1.0] for text in texts], np.float32)

    written = WrittenAnswers(FakeLanguageModel(), [WrittenPair(("When are you open?",), "At night.")], Meaning())
    messages = Dialogue("You are Ada.", 250).prompt("When are you open?", name)
    assert [piece async for piece in written.reply(messages)] == ["At night."]
