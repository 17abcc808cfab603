"""Frames, latency marks, the dialogue, and what kind of utterance words are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.agent.dialogue import Dialogue, short_prompt, system_prompt
from realtime.agent.latency import Mark, TurnMarks
from realtime.agent.protocols import AgentSettings
from realtime.agent.utterance import is_backchannel, repeats, without_asides, words_of
from realtime.agent.vad import FRAME_SAMPLES, PRE_ROLL_FRAMES, Framer, Loudness, Recorder


@given(st.lists(st.integers(0, 2000), max_size=12))
def test_frames_hold_all_the_sound_in_order(lengths: list[int]) -> None:
    sound = np.arange(sum(lengths), dtype=np.float32)
    framer, at, frames = Framer(), 0, []
    for length in lengths:
        frames += list(framer.push(sound[at : at + length]))
        at += length
    assert len(frames) == len(sound) // FRAME_SAMPLES
    if frames:
        np.testing.assert_array_equal(np.concatenate(frames), sound[: len(frames) * FRAME_SAMPLES])


def test_an_utterance_has_its_pre_roll() -> None:
    recorder = Recorder()
    frames = [np.full(FRAME_SAMPLES, n, np.float32) for n in range(60)]
    for frame in frames[:40]:
        recorder.push(frame)
    assert recorder.samples().size == 0
    recorder.begin(3)
    for frame in frames[40:]:
        recorder.push(frame)
    samples = recorder.samples()
    assert samples[0] == 40 - 3 - PRE_ROLL_FRAMES
    assert samples[-1] == 59
    recorder.end()
    assert recorder.samples().size == 0


def test_marks_count_from_the_end_of_speech() -> None:
    now_s = 10.0
    marks = TurnMarks(lambda: now_s)
    assert marks.since_end_ms() == {}
    marks.restart(9.9)
    marks.mark(Mark.TRANSCRIPT)
    now_s = 10.5
    marks.mark(Mark.TRANSCRIPT)
    marks.mark(Mark.FIRST_AUDIO)
    assert marks.event(4) == {
        "type": "latency", "turn": 4, "marks": {"speech_end": 0, "transcript": 100, "first_audio": 600},
    }  # fmt: skip
    marks.restart(10.4)
    assert marks.since_end_ms() == {"speech_end": 0}


def test_a_voice_is_hushed_far_below_its_loudest() -> None:
    loudness = Loudness()
    loud, low, lower = (np.full(FRAME_SAMPLES, level, np.float32) for level in (0.1, 0.01, 0.003))
    assert [loudness.hushed(frame) for frame in (loud, low, lower, loud)] == [False, False, True, False]
    # After a while the low one is what is loud.
    for _ in range(200):
        loudness.hushed(low)
    assert not loudness.hushed(lower)


def test_the_dialogue_alternates_and_begins_with_the_user() -> None:
    dialogue = Dialogue("You are Ada.", 250)
    dialogue.avatar_was_heard("Hello.")
    dialogue.user_said("One.")
    dialogue.user_said("Two.")
    dialogue.avatar_was_heard("")
    dialogue.avatar_was_heard("Yes.")
    dialogue.avatar_was_heard("Well.")
    assert [(m["role"], m["content"]) for m in dialogue.prompt("Three.")] == [
        ("system", "You are Ada."),
        ("user", "One. Two."),
        ("assistant", "Yes. Well."),
        ("user", "Three."),
    ]


def test_what_was_taken_back_is_gone() -> None:
    dialogue = Dialogue("", 250)
    dialogue.user_said("One.")
    dialogue.user_said("Two.")
    dialogue.take_back()
    assert dialogue.prompt()[-1]["content"] == "One."
    dialogue.avatar_was_heard("Yes.")
    dialogue.take_back()
    assert dialogue.prompt()[-1]["content"] == "Yes."


def test_an_old_conversation_is_forgotten_from_its_beginning() -> None:
    dialogue = Dialogue("", 15)
    for n in range(20):
        dialogue.user_said(f"Question {n}.")
        dialogue.avatar_was_heard(f"Answer {n}.")
    read_ahead = dialogue.prompt()
    assert [m["content"] for m in read_ahead[1:]] == ["Question 18.", "Answer 18.", "Question 19.", "Answer 19."]
    # Whatever is asked then, it stands behind what was read ahead.
    for asked in ("Short.", "A long last question that is more than the budget allows for, and stays."):
        assert dialogue.prompt(asked) == [*read_ahead, {"role": "user", "content": asked}]


def test_what_was_not_answered_is_never_forgotten() -> None:
    dialogue = Dialogue("", 3)
    dialogue.avatar_was_heard("An answer that is longer than the budget.")
    dialogue.user_said("A question that is longer than the budget.")
    assert [m["content"] for m in dialogue.prompt("And?")[1:]] == ["A question that is longer than the budget. And?"]


def test_the_prompts_say_who_speaks() -> None:
    settings = AgentSettings(persona="A lighthouse keeper. " * 60, greeting="Ahoy.", name="Ada")
    long, short = system_prompt(settings), short_prompt(settings)
    assert "Ada" in long
    assert "Ahoy." in long
    assert "emoji" in long
    assert "Ada" in short
    assert short.count("lighthouse") < 20
    assert len(short) < 500
    assert system_prompt(AgentSettings())


@pytest.mark.parametrize("text", ["Mm-hmm.", "Yeah.", "Okay, right!", "uh huh"])
def test_humming_along(text: str) -> None:
    assert is_backchannel(text)


@pytest.mark.parametrize("text", ["", "No.", "Yes, please go on.", "Stop.", "Okay stop it"])
def test_not_humming_along(text: str) -> None:
    assert not is_backchannel(text)


@pytest.mark.parametrize(
    ("text", "echo"),
    [
        ("a whale in the deep blue sea", True),
        ("whale in the deep", True),
        ("deep sea", True),
        ("sea deep", False),
        ("what about the dolphins then", False),
        ("whale", False),
        ("", False),
    ],
)
def test_the_avatars_own_words(text: str, echo: bool) -> None:
    assert repeats(text, "Once there was a whale in the deep sea.") is echo


def test_asides_of_the_transcriber_are_no_words() -> None:
    assert without_asides("[Music] (coughs) Hello ♪") == "Hello"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I'm here, mm-hm.", ["i'm", "here", "mmhm"]),
        ("Grüße aus Köln!", ["grüße", "aus", "köln"]),
        ("Привет, мир", ["привет", "мир"]),
        ("你好。", ["你好"]),
        ("... ♪ _ - !", []),
    ],
)
def test_words_are_found_in_every_language(text: str, words: list[str]) -> None:
    assert words_of(text) == words
