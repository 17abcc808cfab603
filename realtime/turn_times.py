"""How long turns take, as Prometheus histograms: every media worker counts its own, and /metrics shows those of all."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Final, TypedDict

import structlog
from django.core.cache import cache
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from realtime.placement import LOST_AFTER_S, live_workers

logger = structlog.get_logger(__name__)

BOUNDS_MS: Final = (50, 100, 150, 200, 300, 400, 500, 650, 800, 1000, 1500, 2500, 5000)
# The end of speech is where all others are counted from.
ORIGIN: Final = "speech_end"


class Counted(TypedDict):
    """One step's turns. counts: by bucket, the last one without an end."""

    counts: list[int]
    total_ms: int


class TurnTimes:
    """The counts of one worker, from its beginning; used on the event loop, read from any thread."""

    def __init__(self) -> None:
        self.steps: dict[str, Counted] = {}

    def note(self, marks: Mapping[str, int]) -> None:
        """Count one turn: milliseconds from the end of speech by step."""
        for step, ms in marks.items():
            if step != ORIGIN:
                counted = self.steps.setdefault(step, {"counts": [0] * (len(BOUNDS_MS) + 1), "total_ms": 0})
                counted["counts"][bisect_left(BOUNDS_MS, ms)] += 1
                counted["total_ms"] += ms

    def publish(self, worker: str) -> None:
        """Tell them; with each beat of the worker."""
        cache.set(_key(worker), self.steps.copy(), LOST_AFTER_S)


def _key(worker: str) -> str:
    return f"turn-times:{worker}"


class TurnTimesCollector(Collector):
    """Reads them from the cache when Prometheus asks."""

    def describe(self) -> list[HistogramMetricFamily]:
        """Nothing is read while it is registered."""
        return []

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """One histogram, by worker and step."""
        family = HistogramMetricFamily(
            "parlo_turn_seconds",
            "From the end of the visitor's speech to a step of the reply.",
            labels=["worker", "step"],
        )
        try:
            names = [worker.name for worker in live_workers()]
            found = cache.get_many([_key(name) for name in names])
        except Exception as error:
            # The other metrics are wanted most when Valkey is away.
            logger.warning("The times of turns cannot be read", reason=str(error))
            return
        bounds = [*(str(bound / 1000) for bound in BOUNDS_MS), "+Inf"]
        for name in names:
            for step, counted in found.get(_key(name), {}).items():
                buckets = list(zip(bounds, accumulate(counted["counts"]), strict=True))
                family.add_metric([name, step], buckets, counted["total_ms"] / 1000)
        yield family
