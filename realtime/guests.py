"""Who comes to a session, and how many may."""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

LONGEST_NAME: Final = 30
# What packets can be fanned out to in one process without costing those who talk elsewhere; see docs/performance.md. Where a
# server forwards them, those who watch do not count.
MOST_SEATS: Final = 8
MOST_TALKERS: Final = 4
UNNAMED: Final = "Guest"
JOINING: Final = " '\u2019.-"


@dataclass(frozen=True, slots=True)
class Guest:
    """A participant: the name given on entering, "" in a conversation of two. watching: sees and hears alone."""

    name: str = ""
    watching: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """How many may be there at once, and how many of them may talk.

    viewers: how many may watch through a server that forwards; 0 where there is none, and they count among the seats.
    """

    seats: int = 1
    talkers: int = 1
    viewers: int = 0


class NoSeat(Exception):
    """There is no place for a guest. The text is a sentence; code: for the page."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def check_seat(limits: Limits, guest: Guest, present: Collection[Guest]) -> None:
    """Raise `NoSeat` where `guest` finds no place beside those who are present."""
    watching = sum(other.watching for other in present)
    if limits.viewers and guest.watching:
        if watching >= limits.viewers:
            raise NoSeat("room_full", f"{limits.viewers} people watch already, and that is all this room takes.")
        return
    if len(present) - (watching if limits.viewers else 0) >= limits.seats:
        raise NoSeat(
            "room_full", f"This room is full: {limits.seats} people are in it. Try again when somebody has left."
        )
    if not guest.watching and len(present) - watching >= limits.talkers:
        people = "One person talks" if limits.talkers == 1 else f"{limits.talkers} people talk"
        raise NoSeat("stage_full", f"{people} here already, and that is all this room takes. You can watch.")


def clean_name(given: object, taken: Collection[str] = ()) -> str:
    """A name for people and for a language model to read: letters, figures and what joins them; never one of `taken`."""
    text = unicodedata.normalize("NFC", given)[: 10 * LONGEST_NAME] if isinstance(given, str) else ""
    text = "".join(c if unicodedata.category(c)[0] in "LMN" or c in JOINING else " " for c in text)
    name = re.sub(r"\s+", " ", text).strip(JOINING)[:LONGEST_NAME].strip() or UNNAMED
    known = {other.casefold() for other in taken}
    number, free = 1, name
    while free.casefold() in known:
        number += 1
        free = f"{name} {number}"
    return free
