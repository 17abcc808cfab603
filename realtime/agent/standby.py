"""Who is asked first, where there are several who could do the same: those that failed lately come last."""

from typing import Final, TypeVar

from realtime.agent.protocols import Clock

# A provider that failed is left alone for so long, so that not every turn waits for it.
REST_S: Final = 60.0

_Provider = TypeVar("_Provider")


class Standby:
    """Remembers who failed, for one session."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed_s: dict[int, float] = {}

    def order(self, *providers: _Provider) -> list[_Provider]:
        """The providers in the order in which to ask them. Nobody is left out: who failed may have come back."""
        return sorted(providers, key=self._rests)

    def failed(self, provider: object) -> None:
        """It did not do its work."""
        self._failed_s[id(provider)] = self._clock()

    def did_well(self, provider: object) -> None:
        """It did."""
        self._failed_s.pop(id(provider), None)

    def _rests(self, provider: object) -> bool:
        failed_s = self._failed_s.get(id(provider))
        return failed_s is not None and self._clock() - failed_s < REST_S
