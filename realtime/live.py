"""What goes on now: every media worker tells of its sessions in the cache, and admins read it. Nothing that is said."""

from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final, Protocol
from uuid import UUID

from django.core.cache import cache

from realtime.placement import LOST_AFTER_S, WorkerRecord, live_workers

RATE_OVER_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session as its worker sees it.

    state: of the agent: listening, thinking, speaking; "" before it begins. fps: over the last three seconds.
    late_ms: how late the worker begins frames, p95. skipped: frames left out. lasts_s: since it was opened.
    """

    id: str
    avatar: str
    state: str
    talking: int
    watching: int
    fps: float
    late_ms: float
    skipped: int
    lasts_s: float
    spoken_s: float


class Metered(Protocol):
    """What is counted of a session."""

    id: UUID
    spoken_frames: int
    idle_frames: int


class FrameRates:
    """Frames a second of every session, from counts that only grow. One for each worker, used by one thread."""

    def __init__(self) -> None:
        self._counts: dict[UUID, deque[tuple[float, int]]] = {}

    def note(self, sessions: Iterable[Metered], now_s: float) -> dict[UUID, float]:
        """Count, and give the rates; what has ended is forgotten."""
        counts = {}
        for session in sessions:
            counts[session.id] = points = self._counts.get(session.id, deque())
            points.append((now_s, session.spoken_frames + session.idle_frames))
            while len(points) > 2 and now_s - points[1][0] >= RATE_OVER_S:
                points.popleft()
        self._counts = counts
        return {session_id: _rate(points) for session_id, points in counts.items()}


def _rate(points: deque[tuple[float, int]]) -> float:
    (first_s, first), (last_s, last) = points[0], points[-1]
    return (last - first) / (last_s - first_s) if last_s > first_s else 0.0


def _key(worker: str) -> str:
    return f"live-sessions:{worker}"


def publish(worker: str, sessions: Iterable[LiveSession]) -> None:
    """Tell what a worker holds; with each of its beats."""
    cache.set(_key(worker), [asdict(session) for session in sessions], LOST_AFTER_S)


def live_sessions() -> list[tuple[WorkerRecord, list[LiveSession]]]:
    """Every worker whose heart beats, and its sessions, those that last longest first."""
    workers = sorted(live_workers(), key=lambda worker: worker.name)
    found = cache.get_many([_key(worker.name) for worker in workers])
    return [
        (worker, sorted((LiveSession(**row) for row in found.get(_key(worker.name), [])), key=lambda row: -row.lasts_s))
        for worker in workers
    ]


def find_holder(session_id: str) -> WorkerRecord | None:
    """The worker that holds a session, if any does."""
    held = ((worker, row) for worker, rows in live_sessions() for row in rows)
    return next((worker for worker, row in held if row.id == session_id), None)
