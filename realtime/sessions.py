"""The book of sessions: opened, kept up to date, closed once, and paid into the usage ledger."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from avatars.models import Avatar
from realtime.models import Session
from webapp.usage.models import UsageEntry


def open_session(session_id: UUID, avatar: Avatar, user_id: Any, worker: str) -> None:
    """Enter a new session."""
    Session.objects.create(
        pk=session_id,
        avatar=avatar,
        avatar_code=avatar.code,
        user_id=user_id,
        worker=worker,
    )


def update_session(session_id: UUID, spoken_s: float, idle_s: float) -> None:
    """Note how long a session has lasted, for the case that its worker dies."""
    Session.objects.filter(pk=session_id, state=Session.State.LIVE).update(spoken_s=spoken_s, idle_s=idle_s)


def note_turns(session_id: UUID, turns: Sequence[Mapping[str, int]]) -> None:
    """Note how long its turns have taken so far."""
    Session.objects.filter(pk=session_id).update(turns=list(turns))


def close_session(session_id: UUID, reason: str, spoken_s: float | None = None, idle_s: float | None = None) -> None:
    """End a session and enter its seconds in the ledger. What has ended stays as it is.

    spoken_s, idle_s: None takes what was noted last.
    """
    with transaction.atomic():
        session = Session.objects.select_for_update().filter(pk=session_id, state=Session.State.LIVE).first()
        if session is None:
            return
        session.state, session.reason, session.ended_at = Session.State.ENDED, reason, timezone.now()
        session.spoken_s = session.spoken_s if spoken_s is None else spoken_s
        session.idle_s = session.idle_s if idle_s is None else idle_s
        session.save()
        for kind, quantity in (
            (UsageEntry.Kind.SESSION_SPOKEN, session.spoken_s),
            (UsageEntry.Kind.SESSION_IDLE, session.idle_s),
        ):
            UsageEntry.objects.create(
                kind=kind,
                quantity=round(quantity, 2),
                user_id=session.user_id,
                avatar_code=session.avatar_code,
                reference=f"session:{session.pk.hex}",
            )


def enter_end(
    session_id: UUID, reason: str, turns: Sequence[Mapping[str, int]], spoken_s: float, idle_s: float
) -> None:
    """All that is entered when a session is over."""
    note_turns(session_id, turns)
    close_session(session_id, reason, spoken_s, idle_s)


def close_abandoned(live_workers: Collection[str]) -> int:
    """End the sessions whose worker is gone; return how many there were."""
    abandoned = Session.objects.filter(state=Session.State.LIVE).exclude(worker__in=live_workers)
    ids = list(abandoned.values_list("pk", flat=True))
    for session_id in ids:
        close_session(session_id, Session.Reason.WORKER_LOST)
    return len(ids)
