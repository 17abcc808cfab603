"""Words that set off gestures: found as words, said by whom they should be, at their place."""

import asyncio

import pytest

from realtime.agent import phrases
from realtime.agent.cues import Cue, SaidBy, Trigger, Triggers
from realtime.agent.protocols import AgentSettings
from realtime.agent.recital import CUE_LEAD_MS, Recital
from tests.agent.fakes import WORD_MS, Conversation, FakeLanguageModel, FakeVoice
from tests.agent.test_conversation import virtually

NOD = Cue("talk_head_nod_subtle")
WINK = Cue("wink", stop_on_user_speech=True)
SMILE = Cue("smile")


@pytest.mark.parametrize(
    ("words", "text", "heard"),
    [
        (("yes",), "Yes, of course.", True),
        (("yes",), "Yesterday was fine.", False),
        (("of course",), "Why, of\n course!", True),
        (("c++",), "I write C++ at night.", True),
        (("a.b",), "axb", False),
        (("café",), "In the CAFÉ there.", True),
        (("no", "none"), "There are none.", True),
        ((), "Anything.", False),
        (("", " "), "Anything.", False),
    ],
)
def test_words_are_found_as_words(words: tuple[str, ...], text: str, heard: bool) -> None:
    triggers = Triggers([Trigger(words, NOD, SaidBy.EITHER)])
    assert triggers.by_user(text) == (NOD if heard else None)
    assert bool(triggers.by_avatar(text)) is heard


def test_it_matters_who_says_it() -> None:
    triggers = Triggers(
        [
            Trigger(("tea",), NOD, SaidBy.AVATAR),
            Trigger(("tea",), WINK, SaidBy.USER),
            Trigger(("cup",), SMILE, SaidBy.EITHER),
        ]
    )
    assert triggers.by_user("A cup of tea.") == SMILE
    assert [cue for cue, _ in triggers.by_avatar("A cup of tea.")] == [NOD, SMILE]
    assert triggers.by_user("tea") == WINK


def test_the_place_of_the_word_is_known() -> None:
    assert Triggers([Trigger(("tea",), NOD)]).by_avatar("I like tea") == [(NOD, 0.7)]


def test_cues_are_due_a_little_before_their_place_and_once() -> None:
    recital = Recital()
    recital.begin("One two.", [(NOD, 0.0), (WINK, 0.5)])
    recital.extend(2000)
    recital.begin("", [(SMILE, 1.0)])
    assert list(recital.due()) == [NOD]
    recital.heard_ms = 1000 - CUE_LEAD_MS - 1
    assert list(recital.due()) == []
    recital.heard_ms += 1
    assert list(recital.due()) == [WINK]
    recital.heard_ms = 2000
    assert list(recital.due()) == [SMILE]
    assert list(recital.due()) == []


def test_a_piece_without_sound_that_was_not_reached_was_not_heard() -> None:
    recital = Recital()
    recital.begin("One two.")
    recital.extend(2000)
    recital.begin("Only to be read.")
    recital.heard_ms = 1000
    assert recital.heard_text() == "One"


@virtually
async def test_a_direction_in_a_reply_is_played_and_not_spoken() -> None:
    mind = FakeLanguageModel(lambda _: "[nod] I do like tea. And you [smile] do too, I think.")
    async with Conversation("Do you like tea?", mind=mind) as talk:
        await talk.speak()
        await talk.silence(6000)
        assert talk.voice.said == ["I do like tea.", "And you do too, I think."]
        assert talk.stage.captions("avatar") == ["I do like tea. And you do too, I think."]
        (first, nod_s), (second, smile_s) = talk.stage.gestures
        assert (first, second) == ("nod", "smile")
        # Four words are said before the second sentence, and a third of its letters before the smile.
        assert smile_s - nod_s == pytest.approx((4 + 6 / 17 * 6) * WORD_MS / 1000 - CUE_LEAD_MS / 1000, abs=0.1)


@virtually
async def test_a_nod_is_an_answer() -> None:
    async with Conversation("Do you like tea?", mind=FakeLanguageModel(lambda _: "[nod]")) as talk:
        await talk.speak()
        await talk.silence(4000)
        assert [word for word, _ in talk.stage.gestures] == ["nod"]
        assert not talk.voice.said
        assert not talk.stage.of_type("notice")
        assert talk.stage.states()[-1] == "listening"


@virtually
async def test_a_direction_nobody_can_play_is_no_answer() -> None:
    async with Conversation("Do you like tea?", mind=FakeLanguageModel(lambda _: "[waves]")) as talk:
        await talk.speak()
        await talk.silence(6000)
        assert talk.voice.said == [phrases.NO_ANSWER.spoken]
        assert not talk.stage.gestures


@virtually
async def test_the_avatars_words_set_gestures_off_once_a_reply() -> None:
    mind = FakeLanguageModel(lambda _: "Of course I do. Of course you may come in.")
    async with Conversation("May I?", mind=mind, triggers=(Trigger(("of course",), NOD),)) as talk:
        await talk.speak()
        await talk.silence(6000)
        assert talk.stage.cues == [NOD]


@virtually
async def test_the_users_words_set_gestures_off_when_their_turn_is_over() -> None:
    triggers = (Trigger(("thank you",), WINK, SaidBy.USER),)
    async with Conversation("Oh, thank you!", triggers=triggers) as talk:
        await talk.speak()
        await talk.silence(200)
        assert not talk.stage.cues
        await talk.silence(4000)
        assert talk.stage.cues == [WINK]
        talk.agent.read("Thank you again.")
        await asyncio.sleep(4)
        assert talk.stage.cues == [WINK, WINK]


@virtually
async def test_what_was_not_reached_before_an_interruption_is_not_played() -> None:
    mind = FakeLanguageModel(lambda _: "[smile] I do like tea very much, and all of it. [wink] Do you like it too?")
    async with Conversation("Do you like tea?", mind=mind) as talk:
        await talk.speak()
        await talk.silence(1500)
        talk.agent.interrupt()
        await asyncio.sleep(6)
        assert [word for word, _ in talk.stage.gestures] == ["smile"]


@virtually
async def test_gestures_are_played_where_there_is_no_voice() -> None:
    mind = FakeLanguageModel(lambda _: "[nod] Yes. I do.")
    async with Conversation("Do you?", mind=mind, voice=FakeVoice(fails=True)) as talk:
        await talk.speak()
        await talk.silence(5000)
        assert [word for word, _ in talk.stage.gestures] == ["nod"]
        assert talk.stage.captions("avatar") == ["Yes. I do."]


@virtually
async def test_the_stage_hears_of_every_pause() -> None:
    async with Conversation("I would like", "I would like some tea.") as talk:
        await talk.speak()
        assert talk.stage.pauses == 0
        await talk.silence(300)
        assert talk.stage.pauses == 1
        await talk.speak()
        await talk.silence(2000)
        assert talk.stage.pauses == 2


def test_nothing_sets_anything_off_unless_told() -> None:
    assert AgentSettings().triggers == ()
