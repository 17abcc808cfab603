"""The book of sessions, and what goes from it into the ledger."""

from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, transaction

from avatars.models import Avatar
from realtime.models import Session
from realtime.sessions import close_abandoned, close_session, note_turns, open_session, update_session
from webapp.usage.models import UsageEntry

pytestmark = pytest.mark.django_db

Reason = Session.Reason


@pytest.fixture
def session_id(avatar: Avatar) -> UUID:
    """A session on the worker "one", with nobody signed in."""
    session = uuid4()
    open_session(session, avatar, None, "one")
    return session


def row(session_id: UUID) -> Session:
    return Session.objects.get(pk=session_id)


def ledger(session_id: UUID) -> dict[str, float]:
    """What was entered for a session, in sum, by kind."""
    entries: dict[str, float] = {}
    for entry in UsageEntry.objects.filter(reference__startswith=f"session:{session_id.hex}"):
        entries[entry.kind] = entries.get(entry.kind, 0.0) + entry.quantity
    return entries


def test_an_open_session_is_live_and_says_where(session_id: UUID, avatar: Avatar) -> None:
    session = row(session_id)
    assert (session.state, session.worker, session.avatar, session.avatar_code) == ("live", "one", avatar, avatar.code)
    assert session.ended_at is None


def test_its_seconds_are_noted_while_it_lasts(session_id: UUID) -> None:
    update_session(session_id, 3.5, 8.0)
    assert (row(session_id).spoken_s, row(session_id).idle_s) == (3.5, 8.0)
    assert ledger(session_id) == {}


def test_how_long_turns_took_is_noted_also_when_it_ends(session_id: UUID) -> None:
    turn = {"turn": 1, "speech_end": 0, "first_frame": 640}
    note_turns(session_id, [turn])
    close_session(session_id, Reason.LEFT, 3.0, 8.0)
    note_turns(session_id, [turn, {**turn, "turn": 2}])
    assert [kept["turn"] for kept in row(session_id).turns] == [1, 2]


def test_a_session_is_closed_once_and_entered_once(session_id: UUID) -> None:
    close_session(session_id, Reason.LEFT, 3.456, 8.0)
    close_session(session_id, Reason.FAILED, 100.0, 100.0)
    session = row(session_id)
    assert (session.state, session.reason, session.spoken_s, session.idle_s) == ("ended", "left", 3.456, 8.0)
    assert session.ended_at is not None
    assert ledger(session_id) == {"session_spoken": 3.46, "session_idle": 8.0}
    assert UsageEntry.objects.count() == 2


def test_what_has_ended_is_noted_no_more(session_id: UUID) -> None:
    close_session(session_id, Reason.LEFT, 3.0, 8.0)
    update_session(session_id, 50.0, 50.0)
    assert row(session_id).spoken_s == 3.0


def test_a_session_closed_without_figures_takes_those_noted_last(session_id: UUID) -> None:
    update_session(session_id, 3.0, 8.0)
    close_session(session_id, Reason.WORKER_LOST)
    assert ledger(session_id) == {"session_spoken": 3.0, "session_idle": 8.0}


def test_a_session_nobody_knows_is_not_closed() -> None:
    close_session(uuid4(), Reason.LEFT, 1.0, 1.0)
    assert not UsageEntry.objects.exists()


def test_the_ledger_names_who_talked_and_to_whom(avatar: Avatar, user: object) -> None:
    session = uuid4()
    open_session(session, avatar, user.pk, "one")  # type: ignore[attr-defined]
    close_session(session, Reason.LEFT, 1.0, 2.0)
    for entry in UsageEntry.objects.all():
        assert (entry.user, entry.avatar_code) == (user, avatar.code)
        assert entry.reference == f"session:{session.hex}"


def test_a_session_outlives_its_avatar(session_id: UUID, avatar: Avatar) -> None:
    code = avatar.code
    avatar.delete()
    close_session(session_id, Reason.LEFT, 1.0, 2.0)
    session = row(session_id)
    assert (session.avatar, session.avatar_code, session.state) == (None, code, "ended")
    assert set(UsageEntry.objects.values_list("avatar_code", flat=True)) == {code}


def test_sessions_of_workers_that_are_gone_are_ended(session_id: UUID, avatar: Avatar) -> None:
    elsewhere, over = uuid4(), uuid4()
    open_session(elsewhere, avatar, None, "two")
    open_session(over, avatar, None, "one")
    close_session(over, Reason.LEFT, 1.0, 1.0)
    update_session(session_id, 3.0, 8.0)
    assert close_abandoned({"two"}) == 1
    assert (row(session_id).state, row(session_id).reason) == ("ended", "worker_lost")
    assert row(elsewhere).state == "live"
    assert row(over).reason == "left"
    assert ledger(session_id) == {"session_spoken": 3.0, "session_idle": 8.0}
    assert close_abandoned({"two"}) == 0


def test_what_has_ended_is_not_opened_again(session_id: UUID, avatar: Avatar) -> None:
    close_session(session_id, Reason.LOST, 3.0, 8.0)
    with pytest.raises(IntegrityError), transaction.atomic():
        open_session(session_id, avatar, None, "two")
    assert (row(session_id).state, row(session_id).worker) == ("ended", "one")
