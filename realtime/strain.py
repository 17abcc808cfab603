"""Whether a media worker has more to do than it can do in time: then it takes nobody in, for the sake of those inside."""

from typing import Final

LATE_MS: Final = 20.0
CALM_MS: Final = 12.0
CALM_FOR_S: Final = 5.0


class Strain:
    """Note how the worker fares now and then; it is strained at once, and calm again only after a while."""

    def __init__(self) -> None:
        self._strained_s: float | None = None
        self._skipped = 0

    @property
    def strained(self) -> bool:
        """Whether more conversations would be at the cost of those that are held."""
        return self._strained_s is not None

    def note(self, late_ms: float, skipped: int, now_s: float) -> None:
        """late_ms: how late frames are begun, 95th percentile. skipped: how many were left out, ever."""
        fresh, self._skipped = skipped > self._skipped, skipped
        if late_ms > LATE_MS or fresh or (self.strained and late_ms > CALM_MS):
            self._strained_s = now_s
        elif self._strained_s is not None and now_s - self._strained_s >= CALM_FOR_S:
            self._strained_s = None
