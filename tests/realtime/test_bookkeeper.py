"""Entries that the database refuses for a while: none is lost, none comes twice, and they keep their order."""

from collections.abc import Callable

import pytest
from django.db import IntegrityError, OperationalError

from realtime.bookkeeper import Bookkeeper

pytestmark = pytest.mark.django_db(transaction=True)


class Book:
    """Refuses as long as the disk is full."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.full = False

    def entry(self, name: str) -> Callable[[], None]:
        def write() -> None:
            if self.full:
                raise OperationalError("database or disk is full")
            self.written.append(name)

        return write


async def test_what_was_refused_is_entered_when_there_is_room_again() -> None:
    book, keeper = Book(), Bookkeeper()
    await keeper.enter(book.entry("first opens"))
    book.full = True
    for name in ("second opens", "first ends", "second ends"):
        await keeper.enter(book.entry(name))
    await keeper.catch_up()
    assert (book.written, len(keeper)) == (["first opens"], 3)
    book.full = False
    await keeper.enter(book.entry("third opens"))
    assert book.written == ["first opens", "second opens", "first ends", "second ends", "third opens"]
    assert len(keeper) == 0


async def test_an_entry_that_is_wrong_keeps_no_other_waiting() -> None:
    book, keeper = Book(), Bookkeeper()

    def wrong() -> None:
        raise IntegrityError("twice")

    await keeper.enter(wrong)
    await keeper.enter(book.entry("next"))
    assert (book.written, len(keeper)) == (["next"], 0)
