"""The clock of a session: one start, and every time counted from it in frames.

Frame n is due at `t0_s + n * FRAME_S`, is shown at that time and carries the 40 ms of sound that begin there. A session
that is late makes its frames in a row until it has caught up; one that is very late leaves a gap in the timestamps, so
that the listener hears a pause where otherwise everything would come late from then on. Sound is never thrown away.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from avatars.engine.controls import FRAME_RATE_HZ

FRAME_S: Final = 1 / FRAME_RATE_HZ
GAP_AFTER_S: Final = 0.2
PICTURE_LATE_S: Final = 0.06
LONGEST_STILL: Final = 4


@dataclass(frozen=True, slots=True)
class Tick:
    """One frame to make.

    index: its number, and so its time. due_s: when it was due. late_s: by how much that is past.
    skipped: how many numbers were left out just before it. picture: false when only its sound should be sent.
    """

    index: int
    due_s: float
    late_s: float
    skipped: int
    picture: bool


class FrameClock:
    """Says which frame is next. All times in seconds of one monotonic clock, given by the caller."""

    def __init__(self, t0_s: float) -> None:
        self.t0_s = t0_s
        self.skipped = 0
        self._next = 0
        self._still = 0

    @property
    def due_s(self) -> float:
        """When the next frame is due."""
        return self.t0_s + self._next * FRAME_S

    def tick(self, now_s: float) -> Tick:
        """Take the next frame; call at `due_s` or, when that was impossible, later."""
        late_s = max(0.0, now_s - self.due_s)
        gap = int(late_s / FRAME_S + 1e-6) if late_s > GAP_AFTER_S else 0
        self._next += gap
        self.skipped += gap
        index, due_s = self._next, self.due_s
        late_s = max(0.0, now_s - due_s)
        picture = late_s <= PICTURE_LATE_S or self._still >= LONGEST_STILL
        self._still = 0 if picture else self._still + 1
        self._next += 1
        return Tick(index, due_s, late_s, gap, picture)


def free_phase_s(taken_s: Iterable[float]) -> float:
    """Return the phase in 0..FRAME_S farthest from all that are taken, so that sessions do not wait for each other."""
    phases = sorted(phase % FRAME_S for phase in taken_s)
    if not phases:
        return 0.0
    gaps = [(after - before, before) for before, after in zip(phases, [*phases[1:], phases[0] + FRAME_S], strict=True)]
    widest, start = max(gaps)
    return (start + widest / 2) % FRAME_S
