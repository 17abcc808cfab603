"""What a page is given to keep, and what of it is believed."""

import time
from dataclasses import replace

import pytest

from realtime.agent import Attributed, Recollection
from realtime.slip import LIFETIME_S, MOST_LETTERS, Bearer, read_slip, seal_slip
from realtime.tokens import CLOCK_MAY_JUMP_S, LONGEST_SLIP
from webapp.providers.sealing import box, seal

ANNA = Bearer("A12BCD3456", 7)
SAID = Recollection(
    "They met.",
    (
        {"role": "user", "content": "My name is Zoë."},
        {"role": "assistant", "content": "Hello Zoë."},
    ),
)


def test_a_slip_holds_what_was_said_and_shows_nothing_of_it() -> None:
    slip = seal_slip(ANNA, SAID)
    assert read_slip(slip, ANNA) == SAID
    assert "My name" not in slip


def test_who_said_what_in_a_room_is_kept() -> None:
    room = Bearer("A12BCD3456", 7, "roomroomroom")
    said = Recollection("", ({"role": "user", "content": Attributed("Zoë: Hello.", "Hello.")},))
    read = read_slip(seal_slip(room, said), room)
    assert read is not None
    content = read.turns[0]["content"]
    assert isinstance(content, Attributed)
    assert (str(content), content.words) == ("Zoë: Hello.", "Hello.")


@pytest.mark.parametrize(
    "other",
    [replace(ANNA, avatar="B12BCD3456"), replace(ANNA, user=None), replace(ANNA, user=8), replace(ANNA, room="r")],
)
def test_a_slip_is_nobody_elses(other: Bearer) -> None:
    assert read_slip(seal_slip(ANNA, SAID), other) is None


@pytest.mark.parametrize("slip", ["", "nonsense", "gAAAAA", "ü" * 9, "A" * (LONGEST_SLIP + 1), "\x00"])
def test_what_is_no_slip_is_not_believed(slip: str) -> None:
    assert read_slip(slip, ANNA) is None


def test_what_was_sealed_for_something_else_is_not_believed() -> None:
    assert read_slip(seal("{}"), ANNA) is None
    assert read_slip(box(b"parlo.realtime.slip").encrypt(b"not compressed").decode(), ANNA) is None


@pytest.mark.parametrize(
    ("passed_s", "said"),
    [
        (LIFETIME_S - 2, SAID),
        (1800 + 3600, SAID),
        (1800 - 3600, SAID),
        (LIFETIME_S + CLOCK_MAY_JUMP_S + 2, None),
        (-LIFETIME_S - CLOCK_MAY_JUMP_S - 2, None),
    ],
)
def test_a_slip_is_good_for_an_hour_also_where_the_clock_was_set(
    monkeypatch: pytest.MonkeyPatch, passed_s: float, said: Recollection | None
) -> None:
    slip, now = seal_slip(ANNA, SAID), time.time()
    monkeypatch.setattr(time, "time", lambda: now + passed_s)
    assert read_slip(slip, ANNA) == said


def test_of_a_long_conversation_the_end_is_kept() -> None:
    turns = tuple(
        {"role": "user" if number % 2 == 0 else "assistant", "content": f"{number} " + "ж€" * 200}
        for number in range(100)
    )
    slip = seal_slip(ANNA, Recollection("", turns))  # type: ignore[arg-type]
    read = read_slip(slip, ANNA)
    assert read is not None
    assert read.turns[-1] == turns[-1]
    assert len(read.turns) == MOST_LETTERS // len(turns[-1]["content"])
    assert len(slip) <= LONGEST_SLIP


def test_even_letters_that_cannot_be_pressed_together_fit() -> None:
    import random

    draw = random.Random(1)
    text = "".join(chr(draw.randrange(0x10000, 0x10FFFF)) for _ in range(MOST_LETTERS - 1))
    slip = seal_slip(ANNA, Recollection("", ({"role": "user", "content": text},)))
    assert len(slip) <= LONGEST_SLIP
    assert read_slip(slip, ANNA) is not None
