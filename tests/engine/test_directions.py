"""Stage directions are played or left out, never spoken."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avatars.engine.directions import Direction, without_directions
from avatars.engine.gestures import GESTURES
from realtime.agent.dialogue import system_prompt
from realtime.agent.protocols import AgentSettings
from realtime.agent.sentences import Passage, Splitter


def told(text: str) -> tuple[str, list[str]]:
    plain, directions = without_directions(text)
    return " ".join(plain.split()), [GESTURES[direction.gesture].word for direction in directions]


@pytest.mark.parametrize(
    ("text", "plain", "gestures"),
    [
        ("[nod] Yes, of course.", "Yes, of course.", ["nod"]),
        ("Yes [nod].", "Yes.", ["nod"]),
        ("Well, [ Smile ] hello [wink]!", "Well, hello!", ["smile", "wink"]),
        ("[talk_head_nod_subtle] Yes.", "Yes.", ["nod"]),
        ("[look aside] Hm.", "Hm.", ["aside"]),
        ("[nods] Yes. *smiles* (laughs)", "Yes.", ["nod", "smile", "laugh"]),
        ("[waves] Hello.", "Hello.", []),
        ("[shakes head] No.", "No.", ["shake"]),
        ("My name is [Name].", "My name is [Name].", []),
        ("See [here](https://example.org).", "See [here](https://example.org).", []),
        ("A big *smile* (nod) helps.", "A big *smile* (nod) helps.", []),
        ("It is [1] or (2).", "It is [1] or (2).", []),
        ("[nod", "[nod", []),
        ("", "", []),
    ],
)
def test_directions_are_taken_out(text: str, plain: str, gestures: list[str]) -> None:
    assert told(text) == (plain, gestures)


@dataclass(frozen=True)
class Own:
    """A recorded gesture, as far as texts are concerned."""

    name: str
    word: str


def test_recorded_gestures_are_written_like_the_others() -> None:
    own = (Own("mini_wave_hello", "wave"), Own("thumbs_up_pulse", "thumbs_up"), Own("salute", "salute"))
    text = "[wave] Hello! [thumbs up] *waves* [salute] [clap]"
    plain, directions = without_directions(text, own)
    assert plain.split() == ["Hello!"]
    assert [one.gesture for one in directions] == ["mini_wave_hello", "thumbs_up_pulse", "mini_wave_hello", "salute"]
    assert without_directions("*waves* Hello.") == ("*waves* Hello.", ())


def test_the_model_is_told_of_recorded_gestures() -> None:
    settings = AgentSettings(name="Nell", gestures=(Own("mini_wave_hello", "wave"), Own("nod_of_mine", "nod")))
    prompt = system_prompt(settings)
    assert "[wave]" in prompt
    assert prompt.count("[nod]") == 1
    assert "[wave]" not in system_prompt(AgentSettings(name="Nell"))


def test_a_direction_knows_its_place() -> None:
    _, directions = without_directions("[nod] Four four [smile] four four. [wink]")
    assert directions == (
        Direction("talk_head_nod_subtle", 0.0),
        Direction("smile", 0.5),
        Direction("wink", 1.0),
    )


def pieces(text: str, letters: int, *, hurried: bool = False) -> list[tuple[str, list[str]]]:
    splitter = Splitter(99)
    passages: list[Passage] = []
    for at in range(0, len(text), letters):
        passages += splitter.push(text[at : at + letters], hurried=hurried and not passages)
    passages += splitter.finish()
    return [(p.text, [GESTURES[d.gesture].word for d in p.directions]) for p in passages]


@pytest.mark.parametrize("letters", [1, 2, 3, 7, 99])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[nod] Yes. [smile] I do like tea.", [("Yes.", ["nod"]), ("I do like tea.", ["smile"])]),
        ("Yes. I do. [smile]", [("Yes.", []), ("I do.", []), ("", ["smile"])]),
        ("[nod]\nYes.", [("Yes.", ["nod"])]),
        ("[nod]", [("", ["nod"])]),
        ("[waves]", []),
    ],
)
def test_a_stream_is_cut_around_directions(text: str, expected: list[tuple[str, list[str]]], letters: int) -> None:
    assert pieces(text, letters) == expected


@pytest.mark.parametrize("letters", [1, 2, 3])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "One two three four [look aside] five six.",
            [("One two three four five", ["aside"]), ("six.", [])],
        ),
        (
            "One two three four [ five six seven eight nine ten eleven.",
            [("One two three four [ five six seven", []), ("eight nine ten eleven.", [])],
        ),
    ],
)
def test_a_stream_in_a_hurry_is_cut_around_directions(
    text: str, expected: list[tuple[str, list[str]]], letters: int
) -> None:
    assert pieces(text, letters, hurried=True) == expected


@given(st.text(st.sampled_from("ab [].,!*()\nnod"), max_size=120), st.integers(1, 9))
def test_no_text_breaks_the_stream(text: str, letters: int) -> None:
    whole = "".join(filter(str.isalnum, "".join(piece for piece, _ in pieces(text, 999))))
    assert len(whole) <= sum(map(str.isalnum, text))
    assert all("[nod]" not in piece for piece, _ in pieces(text, letters))


def test_a_large_model_is_told_what_it_can_direct() -> None:
    prompt = system_prompt(AgentSettings())
    assert all(f"[{gesture.word}]" in prompt for gesture in GESTURES.values())
