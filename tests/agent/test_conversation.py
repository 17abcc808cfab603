"""Whole conversations with fakes, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from avatars.engine.performer import Activity
from realtime.agent import phrases
from realtime.agent.protocols import ProviderError
from realtime.agent.vad import FRAME_MS
from tests.agent.fakes import WORD_MS, Conversation, FakeJudge, FakeLanguageModel, FakeVoice
from tests.agent.virtual_time import run_virtually

Scenario = Callable[[], Awaitable[None]]


def virtually(scenario: Callable[..., Any]) -> Callable[..., None]:
    """Run an async test in virtual time."""

    def test(**arguments: Any) -> None:
        run_virtually(scenario(**arguments))

    test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
    test.__signature__ = __import__("inspect").signature(scenario)  # type: ignore[attr-defined]
    for mark in getattr(scenario, "pytestmark", []):
        pytest.mark.__getattr__(mark.name)(*mark.args, **mark.kwargs)(test)
    return test


@virtually
async def test_the_greeting_is_said_and_shown_piece_by_piece() -> None:
    async with Conversation(greeting="Hello there, friend. I am Ada and I keep the light.") as talk:
        await asyncio.sleep(0.5)
        assert talk.stage.of_type("caption")[-1] == {
            "type": "caption", "who": "avatar", "turn": 1, "text": "Hello there,", "final": False,
        }  # fmt: skip
        assert talk.stage.activities[-1] is Activity.SPEAKING
        await asyncio.sleep(6)
        assert talk.stage.captions("avatar") == ["Hello there, friend. I am Ada and I keep the light."]
        assert talk.stage.states() == ["listening", "thinking", "speaking", "listening"]
        assert not talk.stage.of_type("latency")


@virtually
async def test_a_turn_is_heard_answered_and_timed() -> None:
    async with Conversation("What is the time?") as talk:
        await talk.speak()
        await talk.silence(4000)
        assert talk.stage.captions("user") == ["What is the time?"]
        assert talk.stage.captions("avatar") == ["You said What is the time. That is good to know."]
        (event,) = talk.stage.of_type("latency")
        marks = event["marks"]
        order = ["speech_end", "transcript", "turn_decided", "first_token", "first_audio", "first_frame"]
        assert set(marks) == set(order)
        assert marks["speech_end"] == 0
        # 32 ms of silence, 150 ms of hearing, 100 ms to the first word: all before the gate opens.
        assert 180 <= marks["transcript"] <= 220
        assert 280 <= marks["first_token"] <= 320
        assert 350 <= marks["turn_decided"] <= 390
        # The stage of these tests begins at once.
        assert marks["first_audio"] == marks["first_frame"] <= 700
        assert talk.stage.states() == ["listening", "thinking", "speaking", "listening"]


@virtually
async def test_the_model_is_told_who_it_is_and_what_was_said() -> None:
    async with Conversation("Hello.", "And again.", greeting="Good evening.") as talk:
        await asyncio.sleep(3)
        for _ in range(2):
            await talk.speak()
            await talk.silence(6000)
        system, *said = talk.mind.asked[-1]
        assert "lighthouse" in system["content"]
        assert "Ada" in system["content"]
        assert "Good evening." in system["content"]
        assert [message["role"] for message in said] == ["user", "assistant", "user"]
        assert [said[0]["content"], said[-1]["content"]] == ["Hello.", "And again."]


@virtually
async def test_going_on_after_a_breath_takes_the_answer_back() -> None:
    async with Conversation("I would like", "I would like some tea.") as talk:
        await talk.speak()
        await talk.silence(300)
        await talk.speak()
        await talk.silence(4000)
        assert talk.stage.captions("user") == ["I would like some tea."]
        assert len(talk.mind.asked) == 2
        assert talk.mind.finished == 1
        assert talk.mind.closed == 2
        assert {turn for turn, _ in talk.stage.played} == {1}
        # The second transcript is of the whole utterance.
        assert talk.ears.asked[1] > talk.ears.asked[0] + 16000


@virtually
async def test_an_unfinished_tone_waits_longer() -> None:
    async with Conversation("My number is five five five.", judge=FakeJudge([0.1])) as talk:
        await talk.speak()
        await talk.silence(640)
        assert not talk.stage.played
        await talk.silence(400)
        assert talk.stage.played


@virtually
async def test_without_a_judge_silence_decides() -> None:
    async with Conversation("That is all.", judge=None) as talk:
        await talk.speak()
        await talk.silence(500)
        assert not talk.stage.played
        await talk.silence(200)
        assert talk.stage.played


@virtually
async def test_going_on_just_after_the_answer_began_joins_both_parts() -> None:
    async with Conversation("Tell me a story.", "About a whale.") as talk:
        await talk.speak()
        while not talk.stage.played:
            await talk.silence(FRAME_MS)
        await talk.speak()
        await talk.silence(5000)
        assert talk.mind.asked[-1][-1]["content"] == "Tell me a story. About a whale."
        captions = [e for e in talk.stage.of_type("caption") if e["who"] == "user" and e["final"]]
        assert [(e["turn"], e["text"]) for e in captions] == [
            (1, "Tell me a story."),
            (1, "Tell me a story. About a whale."),
        ]
        assert talk.stage.captions("avatar") == ["You said Tell me a story. About a whale. That is good to know."]


@virtually
async def test_a_cough_while_it_thinks_does_not_make_it_think_again() -> None:
    slow = FakeLanguageModel(first_s=3.0)
    async with Conversation("Tell me a story.", "", mind=slow) as talk:
        await talk.speak()
        await talk.silence(800)
        await talk.sound(0.9, 160)
        await talk.silence(1000)
        assert talk.stage.activities[-1] is Activity.THINKING
        await talk.silence(6000)
        assert len(talk.mind.asked) == 1
        assert talk.stage.captions("avatar") == ["You said Tell me a story. That is good to know."]
        assert [m["role"] for m in talk.agent._dialogue.prompt()] == ["system", "user", "assistant"]


@virtually
async def test_going_on_while_it_thinks_joins_both_parts() -> None:
    slow = FakeLanguageModel(first_s=3.0)
    async with Conversation("Tell me a story.", "About a whale.", mind=slow) as talk:
        await talk.speak()
        await talk.silence(800)
        await talk.speak()
        await talk.silence(8000)
        assert talk.mind.finished == 1
        assert talk.mind.asked[-1][-1]["content"] == "Tell me a story. About a whale."
        assert not talk.stage.of_type("interrupted")


@virtually
async def test_typing_after_going_on_forgets_nothing() -> None:
    async with Conversation("Tell me a story.", "About", mind=FakeLanguageModel(first_s=3.0)) as talk:
        await talk.speak()
        await talk.silence(800)
        await talk.speak(320)
        talk.agent.read("Or rather a poem.")
        await asyncio.sleep(8)
        assert talk.mind.asked[-1][-1]["content"] == "Tell me a story. Or rather a poem."
        assert talk.mind.finished == 1


@virtually
async def test_talking_over_the_avatar_silences_it_and_the_history_keeps_what_was_heard() -> None:
    long = FakeLanguageModel(lambda question: "One two three four. Five six seven eight nine ten eleven twelve.")
    async with Conversation("Count for me.", "Stop it please.", mind=long) as talk:
        await talk.speak()
        while talk.stage.playback().heard_ms < 7.5 * WORD_MS:
            await talk.silence(FRAME_MS)
        began_s = asyncio.get_running_loop().time()
        await talk.speak()
        # Five frames of eight, and the agent acts within the frame that decides.
        assert (talk.stage.silenced_s[-1] - began_s) * 1000 <= 6 * FRAME_MS
        await talk.silence(8000)
        (interrupted,) = talk.stage.of_type("interrupted")
        assert interrupted["turn"] == 1
        assert interrupted["text"].startswith("One two three four. Five six seven")
        assert "twelve" not in interrupted["text"]
        history = talk.mind.asked[-1]
        assert history[-2] == {"role": "assistant", "content": interrupted["text"]}
        assert history[-1]["content"] == "Stop it please."
        assert talk.stage.captions("avatar")[-1].startswith("One two")


@virtually
async def test_a_click_does_not_interrupt() -> None:
    async with Conversation("Hello.") as talk:
        await talk.speak()
        while talk.stage.playback().heard_ms < 500:
            await talk.silence(FRAME_MS)
        await talk.sound(0.9, 3 * FRAME_MS)
        await talk.silence(4000)
        assert not talk.stage.silenced_s
        # It only lowers its voice for a moment.
        assert len(talk.stage.of_type("yield")) == 1
        assert len(talk.stage.captions("avatar")) == 1


@pytest.mark.parametrize("heard", ["Mm-hmm.", "Okay, yeah.", "", "[cough]"])
@virtually
async def test_humming_along_lets_the_avatar_go_on(heard: str) -> None:
    story = FakeLanguageModel(lambda question: "Once there was a whale. It lived in the deep sea. It was very old.")
    async with Conversation("A story.", heard, mind=story) as talk:
        await talk.speak()
        while talk.stage.playback().heard_ms < 8 * WORD_MS:
            await talk.silence(FRAME_MS)
        await talk.sound(0.9, 320)
        await talk.silence(9000)
        assert len(talk.mind.asked) == 1
        assert talk.stage.captions("user") == ["A story."]
        # The piece that was cut is said again, and everything after it; to page and model it is one reply, told once.
        assert [text for _, text in talk.stage.played[-2:]] == ["It lived in the deep sea.", "It was very old."]
        captions = [event for event in talk.stage.of_type("caption") if event["who"] == "avatar"]
        assert {event["turn"] for event in captions} == {1}
        assert captions[-1]["final"]
        assert captions[-1]["text"] == "Once there was a whale. It lived in the deep sea. It was very old."
        talk.ears.texts = ["And then?"]
        await talk.speak()
        await talk.silence(500)
        assert [m["content"] for m in talk.mind.asked[-1][1:]] == ["A story.", captions[-1]["text"], "And then?"]


@pytest.mark.parametrize(
    ("heard", "voice_ms", "goes_on"),
    [
        ("You.", 224, True),
        ("Thank you.", 256, True),
        ("Stop!", 256, False),
        ("Thank you.", 320, False),
        ("What about the", 960, False),
        ("Mm-hmm.", 960, True),
    ],
)
@virtually
async def test_what_interrupts(heard: str, voice_ms: int, goes_on: bool) -> None:
    story = FakeLanguageModel(lambda question: "Once there was a whale. It lived in the deep sea. It was very old.")
    async with Conversation("A story.", heard, mind=story) as talk:
        await talk.speak()
        while talk.stage.playback().heard_ms < 8 * WORD_MS:
            await talk.silence(FRAME_MS)
        await talk.sound(0.9, voice_ms)
        assert talk.stage.of_type("interrupted")
        await talk.silence(9000)
        assert len(talk.mind.asked) == (1 if goes_on else 2)
        assert talk.stage.captions("user") == (["A story."] if goes_on else ["A story.", heard])
        assert talk.stage.captions("avatar")[-1].endswith("It was very old.")
        roles = [m["role"] for m in talk.agent._dialogue.prompt()]
        assert roles == ["system", "user", "assistant"] if goes_on else roles[-2:] == ["user", "assistant"]


@virtually
async def test_humming_along_again_and_again_and_then_talking() -> None:
    story = FakeLanguageModel(lambda question: "Once there was a whale. It lived in the deep sea. It was very old.")
    async with Conversation("A story.", "Mm-hmm.", "Yeah.", "Who told you?", mind=story) as talk:
        await talk.speak()
        for heard_ms in (8 * WORD_MS, 2 * WORD_MS, 3 * WORD_MS):
            while talk.stage.playback().heard_ms < heard_ms:
                await talk.silence(FRAME_MS)
            await talk.sound(0.9, 480)
            await talk.silence(1000)
        said = talk.mind.asked[-1][1:]
        assert [m["role"] for m in said] == ["user", "assistant", "user"]
        assert said[1]["content"].startswith("Once there was a whale. It lived in")
        assert said[1]["content"].count("It lived") == 1
        assert len(talk.mind.asked) == 2


@virtually
async def test_yes_answers_a_question_that_is_nearly_over() -> None:
    curious = FakeLanguageModel(lambda question: "I know a story about whales. Would you like to hear that story?")
    async with Conversation("Hello.", "Yes.", mind=curious) as talk:
        await talk.speak()
        while talk.stage.playback().heard_ms < 11 * WORD_MS:
            await talk.silence(FRAME_MS)
        await talk.sound(0.9, 256)
        await talk.silence(2000)
        assert talk.stage.captions("user") == ["Hello.", "Yes."]
        assert len(talk.mind.asked) == 2


@pytest.mark.parametrize(
    ("after_ms", "joined"),
    [(0, True), (96, True), (192, True), (320, False), (640, False)],
)
@virtually
async def test_a_turn_is_taken_back_by_a_voice_that_sets_in_just_after_its_end(after_ms: int, joined: bool) -> None:
    async with Conversation("Tell me a story.", "About a whale.") as talk:
        await talk.speak()
        while not talk.stage.playback().heard_ms:
            await talk.silence(FRAME_MS)
        await talk.silence(after_ms)
        await talk.speak()
        await talk.silence(6000)
        said = [m["content"] for m in talk.agent._dialogue.prompt() if m["role"] == "user"]
        assert said == (["Tell me a story. About a whale."] if joined else ["Tell me a story.", "About a whale."])
        assert {event["turn"] for event in talk.stage.of_type("caption") if event["who"] == "user"} == (
            {1} if joined else {1, 2}
        )


@virtually
async def test_a_cough_just_after_the_answer_began_begins_that_answer_again() -> None:
    async with Conversation("Tell me a story.", "") as talk:
        await talk.speak()
        while not talk.stage.played:
            await talk.silence(FRAME_MS)
        await talk.sound(0.9, 256)
        await talk.silence(6000)
        assert len(talk.mind.asked) == 1
        assert talk.stage.captions("user") == ["Tell me a story."]
        assert talk.stage.captions("avatar") == ["You said Tell me a story. That is good to know."]
        assert [text for _, text in talk.stage.played[-3:]] == ["You said Tell me", "a story.", "That is good to know."]
        assert [m["role"] for m in talk.agent._dialogue.prompt()] == ["system", "user", "assistant"]


@virtually
async def test_the_avatar_does_not_answer_itself() -> None:
    story = FakeLanguageModel(lambda question: "Once there was a whale in the deep sea. It was very old.")
    async with Conversation("A story.", "there was a whale in the deep", mind=story) as talk:
        await talk.speak()
        while talk.stage.playback().heard_ms < 8 * WORD_MS:
            await talk.silence(FRAME_MS)
        await talk.speak()
        await talk.silence(9000)
        assert len(talk.mind.asked) == 1
        assert talk.stage.captions("user") == ["A story."]


@virtually
async def test_noise_without_words_is_not_answered() -> None:
    async with Conversation("") as talk:
        await talk.speak(300)
        await talk.silence(2000)
        assert not talk.mind.asked
        assert not talk.stage.of_type("caption")
        assert talk.stage.activities[-1] is Activity.IDLE


@virtually
async def test_typed_words_are_answered_at_once_and_silence_the_avatar() -> None:
    async with Conversation(greeting="Hello there. This is a rather long greeting by all means.") as talk:
        await asyncio.sleep(1)
        talk.agent.read("  What do you like? ")
        await asyncio.sleep(8)
        assert talk.stage.of_type("interrupted")[0]["turn"] == 1
        assert talk.stage.captions("user") == ["What do you like?"]
        assert talk.stage.captions("avatar") == ["You said What do you like. That is good to know."]
        assert talk.stage.of_type("latency")[0]["marks"]["turn_decided"] == 0
        talk.agent.read("x" * 2001)
        assert talk.stage.of_type("notice")[-1]["code"] == "text_too_long"


@virtually
async def test_the_stop_button() -> None:
    async with Conversation(greeting="Hello there. This is a rather long greeting by all means.") as talk:
        await asyncio.sleep(1.5)
        talk.agent.interrupt()
        await asyncio.sleep(3)
        assert talk.stage.queued_ms() == 0
        assert talk.stage.states()[-1] == "listening"
        assert talk.stage.of_type("interrupted")[0]["text"].startswith("Hello there.")


@virtually
async def test_a_microphone_switched_off_in_mid_sentence_ends_the_turn() -> None:
    async with Conversation("Are you there?") as talk:
        await talk.speak()
        await asyncio.sleep(4)
        assert talk.stage.captions("user") == ["Are you there?"]
        assert talk.stage.captions("avatar")


@virtually
async def test_twenty_interruptions_in_a_row() -> None:
    async with Conversation(*(f"Question number {n}." for n in range(21))) as talk:
        for _ in range(20):
            await talk.speak(480)
            await talk.silence(1600)
        await talk.speak(480)
        await talk.silence(6000)
        assert talk.stage.captions("avatar")[-1] == "You said Question number 20. That is good to know."
        assert len(talk.stage.of_type("interrupted")) == 20
        assert len(talk.agent._tasks) == 1


@virtually
async def test_closing_in_the_middle_of_everything_leaves_nothing() -> None:
    async with Conversation("Hello.") as talk:
        await talk.speak()
        await talk.silence(200)
    before = len(talk.stage.events)
    talk.agent.read("Are you still there?")
    talk.agent.hear(__import__("numpy").ones(4096, "float32"))
    await asyncio.sleep(5)
    assert len(talk.stage.events) == before


# What fails, and what the visitor meets then


@pytest.mark.parametrize("error", [ProviderError("The speech recognition is busy."), RuntimeError("bug")])
@virtually
async def test_hearing_fails(error: Exception) -> None:
    async with Conversation(error, "Hello.") as talk:
        await talk.speak()
        await talk.silence(6000)
        (notice,) = talk.stage.of_type("notice")
        assert notice["code"] == "hearing_failed"
        assert notice["message"] == (str(error) if isinstance(error, ProviderError) else phrases.HEARING.written)
        assert talk.stage.captions("avatar") == [phrases.HEARING.spoken]
        await talk.speak()
        await talk.silence(6000)
        assert talk.stage.captions("avatar")[-1].startswith("You said Hello")


@virtually
async def test_hearing_takes_too_long() -> None:
    async with Conversation("Hello.") as talk:
        talk.ears.delay_s = 100
        await talk.speak()
        await talk.silence(25_000)
        assert talk.stage.of_type("notice")[0]["code"] == "hearing_failed"
        assert talk.stage.captions("avatar") == [phrases.HEARING.spoken]


@pytest.mark.parametrize(
    ("mind", "code", "spoken"),
    [
        (FakeLanguageModel(fails_after=0), "thinking_failed", phrases.THINKING.spoken),
        (FakeLanguageModel(first_s=100), "thinking_failed", phrases.THINKING.spoken),
        (FakeLanguageModel(lambda question: ""), "no_answer", phrases.NO_ANSWER.spoken),
        (FakeLanguageModel(lambda question: "🎉 ** 🎉"), "no_answer", phrases.NO_ANSWER.spoken),
        (FakeLanguageModel(fails_after=6), "thought_lost", f"You said Hello. {phrases.THOUGHT_LOST.spoken}"),
    ],
)
@virtually
async def test_thinking_fails(mind: FakeLanguageModel, code: str, spoken: str) -> None:
    async with Conversation("Hello.", mind=mind) as talk:
        await talk.speak()
        await talk.silence(24_000)
        assert [notice["code"] for notice in talk.stage.of_type("notice")] == [code]
        assert talk.stage.captions("avatar") == [spoken]
        assert talk.stage.states()[-1] == "listening"


@virtually
async def test_a_failure_that_was_taken_back_is_not_told() -> None:
    async with Conversation("I would", "I would like tea.") as talk:
        talk.mind.fails_after = 0
        await talk.speak()
        await talk.silence(300)
        assert not talk.stage.of_type("notice")
        talk.mind.fails_after = None
        await talk.speak()
        await talk.silence(4000)
        assert not talk.stage.of_type("notice")


@virtually
async def test_a_failing_voice_is_replaced_by_the_local_one() -> None:
    local = FakeVoice()
    async with Conversation("Hello.", voice=FakeVoice(fails=True), fallback_voices=(local,)) as talk:
        await talk.speak()
        await talk.silence(5000)
        assert [notice["code"] for notice in talk.stage.of_type("notice")] == ["voice_failed"]
        assert local.said == ["You said Hello.", "That is good to know."]
        assert talk.stage.captions("avatar") == ["You said Hello. That is good to know."]


@virtually
async def test_where_no_voice_works_the_answer_can_be_read() -> None:
    async with Conversation("Hello.", voice=FakeVoice(fails=True), fallback_voices=(FakeVoice(fails=True),)) as talk:
        await talk.speak()
        await talk.silence(5000)
        assert talk.stage.of_type("notice")[-1]["message"] == "The voice cannot be reached."
        assert talk.stage.captions("avatar") == ["You said Hello. That is good to know."]
        assert talk.stage.states()[-1] == "listening"


@virtually
async def test_a_broken_detector_leaves_the_keyboard() -> None:
    async with Conversation("Hello.") as talk:
        talk.voice_activity.broken = True
        await talk.speak()
        assert [notice["code"] for notice in talk.stage.of_type("notice")] == ["microphone_failed"]
        talk.agent.read("Hello?")
        await asyncio.sleep(5)
        assert talk.stage.captions("avatar") == ["You said Hello. That is good to know."]


@virtually
async def test_a_slow_mind_is_spoken_in_mid_sentence_before_the_avatar_falls_silent() -> None:
    said = "I keep the old light for everybody who is out there on the dark and stormy sea with me tonight."
    slow = FakeLanguageModel(lambda _: said, word_s=0.2)
    async with Conversation("What do you do?", mind=slow) as talk:
        await talk.speak()
        await talk.silence(9000)
        pieces = [text for _, text in talk.stage.played]
        assert pieces[0] == "I keep the old light"
        assert len(pieces) > 2
        assert all(len(piece.split()) >= 3 for piece in pieces)
        assert talk.stage.activities.count(Activity.SPEAKING) == 1
        assert talk.stage.captions("avatar") == [said]


@virtually
async def test_a_quick_mind_is_spoken_in_whole_clauses() -> None:
    said = "I keep the old light for everybody who is out there on the sea, and it is a lot of work."
    quick = FakeLanguageModel(lambda _: said, first_s=0.02, word_s=0.001)
    async with Conversation("What do you do?", mind=quick, judge=FakeJudge([0.9])) as talk:
        talk.ears.delay_s = 0.05
        await talk.speak()
        await talk.silence(9000)
        assert [text for _, text in talk.stage.played] == [
            "I keep the old light for everybody who is out there on the sea,",
            "and it is a lot of work.",
        ]


@virtually
async def test_the_mind_reads_ahead_while_nobody_waits() -> None:
    async with Conversation("Hello.") as talk:
        await talk.silence(300)
        assert talk.mind.prepared == 1
        await talk.speak()
        assert talk.mind.prepared == 2
        await talk.silence(6000)
        # What it said belongs to the beginning of its next answer.
        assert talk.stage.captions("avatar")
        assert talk.mind.prepared == 3
