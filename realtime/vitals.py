"""What each media worker holds, as Prometheus gauges: what grows there from one conversation to the next is a leak."""

from collections.abc import Iterator
from typing import Final, TypedDict

import structlog
from django.core.cache import cache
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from realtime.placement import LOST_AFTER_S, live_workers

logger = structlog.get_logger(__name__)


class Vitals(TypedDict):
    """Counts of one worker. tasks: of its event loop."""

    sessions: int
    tasks: int
    threads: int


WORDS: Final = {
    "sessions": "Conversations that a media worker holds.",
    "tasks": "Tasks of its event loop.",
    "threads": "Its threads that run Python.",
}


def publish(worker: str, vitals: Vitals) -> None:
    """Tell them; with each beat of the worker."""
    cache.set(_key(worker), vitals, LOST_AFTER_S)


def _key(worker: str) -> str:
    return f"vitals:{worker}"


class VitalsCollector(Collector):
    """Reads them from the cache when Prometheus asks."""

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing is read while it is registered."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One gauge for each count, by worker."""
        try:
            names = [worker.name for worker in live_workers()]
            found = cache.get_many([_key(name) for name in names])
        except Exception as error:
            # The other metrics are wanted most when Valkey is away.
            logger.warning("What media workers hold cannot be read", reason=str(error))
            return
        for what, words in WORDS.items():
            family = GaugeMetricFamily(f"parlo_media_worker_{what}", words, labels=["worker"])
            for name in names:
                if (vitals := found.get(_key(name))) is not None:
                    family.add_metric([name], vitals[what])
            yield family
