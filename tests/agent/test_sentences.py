"""Cutting a stream of text into pieces that can be spoken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.agent.sentences import LONGEST_PIECE, Passage, Splitter, has_words, spoken_form


def split(text: str, most: int = 99, *, letters: int = 3, cut_short: bool = False, hurried: bool = False) -> list[str]:
    """The pieces of a text that comes in bits of so many letters. hurried: as long as there is none."""
    splitter = Splitter(most)
    passages: list[Passage] = []
    for at in range(0, len(text), letters):
        passages += splitter.push(text[at : at + letters], hurried=hurried and not passages)
    return [passage.text for passage in [*passages, *splitter.finish(cut_short=cut_short)]]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Yes. I do like tea.", ["Yes.", "I do like tea."]),
        ("Well, I do like tea. And you?", ["Well, I do like tea.", "And you?"]),
        ("Oh well, I do like tea. And you?", ["Oh well,", "I do like tea.", "And you?"]),
        ("I keep the old light for everybody out at sea.", ["I keep the old light for everybody out at sea."]),
        ("Dr. Who met Mr. Smith. They talked.", ["Dr. Who met Mr. Smith.", "They talked."]),
        ("It costs 3.50 today. Cheap!", ["It costs 3.50 today.", "Cheap!"]),
        ('"Stop!" she said. Nobody did.', ['"Stop!"', "she said.", "Nobody did."]),
        ("First line\nSecond line", ["First line", "Second line"]),
        ("no end at all", ["no end at all"]),
        ("", []),
        ("🎉🎉 ... **", []),
    ],
)
def test_pieces(text: str, pieces: list[str]) -> None:
    assert split(text) == pieces


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Yes. I do like tea.", ["Yes.", "I do like tea."]),
        ("Well, I do like tea.", ["Well, I do like tea."]),
        ("Oh well, I do like tea.", ["Oh well,", "I do like tea."]),
        ("I keep the old light for everybody out at sea.", ["I keep the old light", "for everybody out at sea."]),
        ("No clause ends here but the words go on.", ["No clause ends here", "but the words go on."]),
        ("The capital of France is Paris.", ["The capital of France", "is Paris."]),
        ("One two three four five six seven.", ["One two three four five", "six seven."]),
        ("It is what it is.", ["It is what it is."]),
        ("[nod] One two three and four.", ["One two three", "and four."]),
    ],
)
def test_pieces_in_a_hurry(text: str, pieces: list[str]) -> None:
    assert split(text, hurried=True) == pieces


def test_an_end_that_is_near_is_worth_more_than_the_time() -> None:
    near = "I keep the old light for everybody. "
    far = "I keep the old light for everybody who is out there on the dark sea tonight. "
    assert split(near, hurried=True, letters=99) == [near.strip()]
    assert split(far, hurried=True, letters=99)[0] == "I keep the old light for everybody"


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("**Bold** and _soft_ `code`", "Bold and soft code"),
        ("Look [here](https://example.org/x) 🎉 now", "Look here now"),
        ("See https://example.org/a?b=c.", "See the link"),
        ("- one\n- two", "one two"),
        ("## Title\n1. first", "Title first"),
        ("```python\nx = 1\n``` done", "done"),
        ("<think>hm</think> yes", "hm yes"),
        ("a\u200bb", "a b"),
    ],
)
def test_only_what_has_a_sound_is_spoken(text: str, spoken: str) -> None:
    assert spoken_form(text) == spoken


def test_no_more_sentences_than_asked_for() -> None:
    assert split("One is here. Two is here. Three is here.", most=2) == ["One is here.", "Two is here."]


def test_a_sentence_that_was_cut_off_is_dropped_unless_it_is_all_there_is() -> None:
    assert split("I like tea. And also I", cut_short=True) == ["I like tea."]
    assert split("I like tea and also", cut_short=True) == ["I like tea and also"]
    assert split("I like tea. And also I") == ["I like tea.", "And also I"]


def test_endless_sentences_are_cut_at_commas() -> None:
    text = ", ".join(["this goes on and on"] * 40)
    pieces = split(text)
    assert all(len(piece) <= LONGEST_PIECE for piece in pieces)
    assert " ".join(pieces) == text


@given(st.text(alphabet="ab .,!?\n1", max_size=300), st.integers(1, 7), st.booleans())
def test_nothing_is_lost_and_the_bits_do_not_matter(text: str, letters: int, hurried: bool) -> None:
    """Every letter that can be said is said once, in order, however the text arrives."""
    pieces = split(text, letters=letters, hurried=hurried)
    assert [x for x in "".join(pieces) if x.isalpha()] == [x for x in text if x.isalpha()]
    assert all(has_words(piece) for piece in pieces)
