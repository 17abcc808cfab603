"""A button begins and ends what is said, and no voice does."""

import asyncio

import pytest

from realtime.agent.turn_taking import TAIL_MS, Rules, Step, TurnTaking
from realtime.agent.vad import FRAME_MS
from tests.agent.fakes import WORD_MS, Conversation, FakeLanguageModel
from tests.agent.test_conversation import virtually
from tests.agent.test_turn_taking import feed, frames


def by_hand(rules: Rules | None = None) -> TurnTaking:
    turn = TurnTaking(rules)
    turn.by_hand = True
    return turn


@pytest.mark.parametrize("level", [0.0, 0.9])
def test_no_voice_begins_a_turn_and_no_silence_ends_it(level: float) -> None:
    turn = by_hand()
    assert feed(turn, frames(level, 3200)) == []
    assert turn.press() == [Step.STARTED]
    assert feed(turn, frames(level, 9600)) == []
    turn.release()
    assert feed(turn, frames(level, 1600)) == [(TAIL_MS // FRAME_MS, Step.TRANSCRIBE)]
    # However unfinished it sounds.
    assert turn.transcribed("I would like to") == [Step.COMMIT]
    assert feed(turn, frames(level, 3200)) == []


def test_pressing_twice_is_pressing_once_and_letting_go_of_nothing_is_nothing() -> None:
    turn = by_hand()
    turn.release()
    assert turn.press() == [Step.STARTED]
    assert turn.press() == []
    assert not turn.transcribed("ghost")


@pytest.mark.parametrize(("waited_ms", "steps"), [(TAIL_MS - FRAME_MS, []), (TAIL_MS + FRAME_MS, [Step.RESUMED])])
def test_pressing_again_before_the_words_are_known_goes_on(waited_ms: int, steps: list[Step]) -> None:
    turn = by_hand()
    turn.press()
    turn.release()
    feed(turn, frames(0.0, waited_ms))
    assert turn.press() == steps
    assert feed(turn, frames(0.0, 3200)) == []
    turn.release()
    assert [step for _, step in feed(turn, frames(0.0, 320))] == [Step.TRANSCRIBE]


def test_a_button_that_is_never_let_go_ends_the_turn_all_the_same() -> None:
    turn = by_hand(Rules(longest_ms=3200))
    turn.press()
    assert [step for _, step in feed(turn, frames(0.9, 6400))] == [Step.TRANSCRIBE]
    assert turn.transcribed("And so on and") == [Step.COMMIT]


@virtually
async def test_a_turn_by_hand_is_answered_without_a_gate() -> None:
    async with Conversation("I would like to") as talk:
        talk.agent.push_to_talk(True)
        await talk.speak()
        await talk.silence(2000)
        assert not talk.ears.asked
        talk.agent.press()
        await talk.speak()
        await talk.silence(3000)
        await talk.speak()
        assert not talk.ears.asked
        talk.agent.release()
        await talk.silence(6000)
        assert talk.stage.captions("user") == ["I would like to"]
        assert talk.stage.captions("avatar") == ["You said I would like to. That is good to know."]
        (event,) = talk.stage.of_type("latency")
        # The tail and 150 ms of hearing.
        assert event["marks"]["turn_decided"] <= TAIL_MS + 150 + FRAME_MS


@virtually
async def test_the_page_may_choose_it_before_the_conversation_has_begun() -> None:
    talk = Conversation("Hello.")
    talk.agent.push_to_talk(True)
    async with talk:
        await talk.speak()
        await talk.silence(2000)
        assert not talk.ears.asked


@virtually
async def test_pressing_silences_the_avatar_at_once_and_a_voice_does_not() -> None:
    story = FakeLanguageModel(lambda question: "Once there was a whale. It lived in the deep sea. It was very old.")
    async with Conversation("A story.", "Okay.", mind=story) as talk:
        talk.agent.push_to_talk(True)
        talk.agent.read("A story.")
        await talk.silence(500)
        while talk.stage.playback().heard_ms < 6 * WORD_MS:
            await talk.speak(FRAME_MS)
        assert not talk.stage.silenced_s
        talk.agent.press()
        assert talk.stage.silenced_s[-1] == asyncio.get_running_loop().time()
        talk.ears.texts = ["Okay."]
        await talk.speak(256)
        talk.agent.release()
        await talk.silence(6000)
        # Nobody presses a button to hum along.
        assert talk.stage.captions("user") == ["A story.", "Okay."]


@virtually
async def test_the_avatar_goes_on_where_the_button_was_touched_by_mistake() -> None:
    story = FakeLanguageModel(lambda question: "Once there was a whale. It lived in the deep sea.")
    async with Conversation("", mind=story) as talk:
        talk.agent.push_to_talk(True)
        talk.agent.read("A story.")
        await talk.silence(3000)
        talk.agent.press()
        talk.agent.release()
        await talk.silence(6000)
        assert talk.stage.captions("avatar") == ["Once there was a whale. It lived in the deep sea."]
        assert len(talk.mind.asked) == 1


@virtually
async def test_switching_it_off_lets_the_voice_decide_again() -> None:
    async with Conversation("Hello.") as talk:
        talk.agent.push_to_talk(True)
        talk.agent.press()
        await talk.speak()
        talk.agent.push_to_talk(False)
        talk.agent.press()
        await talk.silence(2000)
        assert not talk.ears.asked
        await talk.speak()
        await talk.silence(6000)
        assert talk.stage.captions("user") == ["Hello."]


@virtually
async def test_a_microphone_that_sends_nothing_does_not_hold_the_turn_open() -> None:
    async with Conversation("") as talk:
        talk.agent.push_to_talk(True)
        talk.agent.press()
        talk.agent.release()
        await asyncio.sleep(3)
        assert talk.agent._turn is None
        assert talk.stage.states()[-1] == "listening"
