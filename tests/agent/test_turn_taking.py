"""The rules of turn taking, frame by frame."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.agent.turn_taking import Rules, Step, TurnTaking, rules_for, sounds_complete
from realtime.agent.vad import FRAME_MS


def feed(turn: TurnTaking, levels: Iterable[float], **situation: bool) -> list[tuple[int, Step]]:
    """The steps, each with the number of the frame that brought it."""
    return [(n, step) for n, level in enumerate(levels, 1) for step in turn.frame(level, **situation)]


def frames(level: float, ms: int) -> list[float]:
    return [level] * (ms // FRAME_MS)


def speaking(**options: bool) -> TurnTaking:
    turn = TurnTaking(**options)
    feed(turn, frames(0.9, 640))
    return turn


def test_three_voiced_frames_begin_a_turn() -> None:
    assert feed(TurnTaking(), [0.9, 0.9, 0.1, 0.9, 0.9, 0.9]) == [(6, Step.STARTED)]
    assert feed(TurnTaking(), [0.49] * 40) == []


def test_a_quiet_voice_keeps_a_turn_up_that_it_would_not_begin() -> None:
    turn = speaking()
    assert feed(turn, frames(0.4, 3200)) == []
    assert turn.silence_ms == 0


def test_silence_asks_for_words_then_for_tone() -> None:
    steps = feed(speaking(), frames(0.0, 224))
    assert steps == [(1, Step.TRANSCRIBE), (3, Step.PAUSED), (6, Step.JUDGE)]


def test_a_moment_between_two_sounds_is_no_breath() -> None:
    turn = speaking()
    assert [step for _, step in feed(turn, [0.1, 0.2, 0.9, 0.1, 0.9])] == [
        Step.TRANSCRIBE, Step.RESUMED, Step.TRANSCRIBE, Step.RESUMED
    ]  # fmt: skip
    assert turn.silence_ms == 0


@pytest.mark.parametrize(
    ("text", "finished", "gate_ms"),
    [
        ("What is the time?", 0.9, 350),
        ("What is the time?", 0.2, 750),
        ("My name is", 0.9, 750),
        ("What is the time?", None, 750),
        ("", 0.9, 350),
    ],
)
def test_the_gate(text: str, finished: float | None, gate_ms: int) -> None:
    turn = speaking()
    feed(turn, frames(0.0, 192))
    assert turn.transcribed(text) == []
    if finished is not None:
        assert turn.judged(finished) == []
    steps = feed(turn, frames(0.0, 1600))
    ((count, step),) = steps
    assert step is Step.COMMIT
    assert gate_ms <= 192 + count * FRAME_MS < gate_ms + FRAME_MS


def test_without_a_judge_the_gate_is_silence_alone() -> None:
    turn = speaking(judged=False)
    feed(turn, frames(0.0, 192))
    turn.transcribed("That is it.")
    ((count, _),) = feed(turn, frames(0.0, 1600))
    assert 550 <= 192 + count * FRAME_MS < 550 + FRAME_MS


@pytest.mark.parametrize(
    ("patience", "text", "judged", "gate_ms"),
    [
        *(("short", "Done.", True, 250), ("short", "Done.", False, 400), ("short", "My name is", True, 550)),
        *(("normal", "Done.", True, 350), ("normal", "Done.", False, 550), ("normal", "My name is", True, 750)),
        *(("long", "Done.", True, 700), ("long", "Done.", False, 1000), ("long", "My name is", True, 1500)),
    ],
)
def test_patience(patience: str, text: str, judged: bool, gate_ms: int) -> None:
    turn = TurnTaking(rules_for(patience, 28), judged=judged)
    feed(turn, frames(0.9, 640))
    feed(turn, frames(0.0, 192))
    turn.transcribed(text)
    turn.judged(0.9)
    ((count, step),) = feed(turn, frames(0.0, 3200))
    assert step is Step.COMMIT
    assert gate_ms <= 192 + count * FRAME_MS < gate_ms + FRAME_MS


def test_normal_patience_is_what_was_measured() -> None:
    assert rules_for("normal", 28) == Rules()


def test_late_words_commit_at_once() -> None:
    turn = speaking()
    feed(turn, frames(0.0, 1600))
    turn.judged(0.9)
    assert turn.transcribed("Done.") == [Step.COMMIT]
    assert not turn.speaking


def test_a_voice_before_the_gate_resumes_and_asks_again() -> None:
    turn = speaking()
    feed(turn, frames(0.0, 192))
    turn.transcribed("I would")
    assert feed(turn, [0.4]) == []
    assert feed(turn, [0.9]) == [(1, Step.RESUMED)]
    assert feed(turn, frames(0.0, 192)) == [(1, Step.TRANSCRIBE), (3, Step.PAUSED), (6, Step.JUDGE)]


def test_a_fading_voice_asks_for_words_and_the_gate_does_not_know() -> None:
    turn = speaking()
    assert feed(turn, [0.95], hushed=True) == []
    assert feed(turn, [0.6, 0.55], hushed=True) == [(1, Step.TRANSCRIBE)]
    assert turn.silence_ms == 0
    assert feed(turn, [0.9]) == [(1, Step.RESUMED)]


def test_a_voice_that_stays_low_has_not_faded() -> None:
    turn = speaking()
    assert feed(turn, [0.6] * 40, hushed=True) == [(1, Step.TRANSCRIBE), (5, Step.RESUMED)]
    # What it says then is in the words that are asked for at its end.
    assert feed(turn, [0.1], hushed=True) == [(1, Step.TRANSCRIBE)]


def test_answers_that_nobody_waits_for_change_nothing() -> None:
    turn = TurnTaking()
    assert turn.transcribed("ghost") == []
    assert turn.judged(1.0) == []
    turn = speaking()
    assert turn.transcribed("ghost") == []
    feed(turn, frames(0.0, 3200))
    assert turn.speaking


def test_an_endless_turn_is_ended() -> None:
    turn = TurnTaking(Rules(longest_ms=3200))
    steps = feed(turn, frames(0.9, 6400))
    assert [step for _, step in steps] == [Step.STARTED, Step.TRANSCRIBE]
    assert turn.transcribed("And so on and") == [Step.COMMIT]


@pytest.mark.parametrize(
    ("levels", "situation", "frame"),
    [
        ([0.9] * 8, {"avatar_speaking": True}, 4),
        ([0.9, 0, 0.9, 0, 0.9, 0, 0.9], {"avatar_speaking": True}, 7),
        ([0.9, 0, 0, 0.9, 0] * 10, {"avatar_speaking": True}, None),
        ([0.9] * 8, {"avatar_speaking": True, "avatar_began": True}, 6),
    ],
)
def test_barging_in_takes_four_frames_of_seven(
    levels: list[float], situation: dict[str, bool], frame: int | None
) -> None:
    turn = TurnTaking()
    started = [(at, step) for at, step in feed(turn, levels, **situation) if step is not Step.STIRRED]
    assert started[:1] == ([] if frame is None else [(frame, Step.STARTED)])
    if frame is not None:
        assert 4 <= turn.onset_frames <= 7


@pytest.mark.parametrize(
    ("levels", "avatar_speaking", "frames_of_it"),
    [
        ([0.9, 0.9], True, [2]),
        ([0.9, 0.9], False, []),
        ([0.9, 0, 0.9, 0], True, []),
        ([0, 0, 0.9, 0.9, 0.9, 0], True, [4]),
        # Again only after a quarter of a second without a voice.
        ([0.9, 0.9, 0, 0, 0.9, *[0] * 5, 0.9, 0.9], True, [2]),
        ([0.9, 0.9, *[0] * 7, 0.9, 0.9], True, [2, 11]),
    ],
)
def test_two_frames_of_voice_over_the_avatar_stir(
    levels: list[float], avatar_speaking: bool, frames_of_it: list[int]
) -> None:
    steps = feed(TurnTaking(), levels, avatar_speaking=avatar_speaking)
    assert [at for at, step in steps if step is Step.STIRRED] == frames_of_it


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=300), st.booleans())
def test_steps_come_in_an_order_that_makes_sense(levels: list[tuple[float, bool]], judged: bool) -> None:
    """Whatever is heard: a turn starts before anything else, words are asked for once, a commit needs them."""
    turn = TurnTaking(judged=judged)
    begun = asked = False
    for level, hushed in levels:
        for step in turn.frame(level, hushed=hushed):
            if step is Step.STARTED:
                assert not begun
                begun, asked = True, False
            elif step is Step.TRANSCRIBE:
                assert begun
                assert not asked
                asked = True
            elif step is Step.RESUMED:
                assert asked
                asked = False
            elif step is Step.PAUSED:
                assert asked
            else:
                assert step is Step.JUDGE
                assert judged


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("I like tea.", True),
        ("Who are you?", True),
        ("I would like to", False),
        ("So, my idea is the", False),
        ("Well,", False),
        ("And then...", False),
        ("Tea", True),
        ("", True),
    ],
)
def test_words_that_sound_complete(text: str, complete: bool) -> None:
    assert sounds_complete(text) is complete
