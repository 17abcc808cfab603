"""Whether a media worker has more to do than it can do in time: then it takes nobody in, for the sake of those inside."""

from typing import Final

# Frames are sent 30 ms after their time: begun later than this, they come late.
LATE_MS: Final = 35.0
CALM_MS: Final = 25.0
CALM_FOR_S: Final = 3.0


class Strain:
    """Note how the worker fares now and then; it is strained at once, and calm again only after a while."""

    def __init__(self) -> None:
        self._strained_s: float | None = None

    @property
    def strained(self) -> bool:
        """Whether more conversations would be at the cost of those that are held."""
        return self._strained_s is not None

    def note(self, late_ms: float, now_s: float) -> None:
        """late_ms: how late frames are begun, 95th percentile of the last ones; 0 where nobody is held."""
        if late_ms > LATE_MS or (self.strained and late_ms > CALM_MS):
            self._strained_s = now_s
        elif self._strained_s is not None and now_s - self._strained_s >= CALM_FOR_S:
            self._strained_s = None
