"""How the benchmarks time things: CPU milliseconds of this thread, because the machines they run on are shared."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Spread:
    """Of a list of figures: how many, the mean, the median, the 95th percentile."""

    count: int
    mean: float
    p50: float
    p95: float

    @classmethod
    def of(cls, figures: list[float]) -> "Spread":
        values = np.array(figures)
        return cls(
            len(figures),
            round(float(values.mean()), 3),
            round(float(np.percentile(values, 50)), 3),
            round(float(np.percentile(values, 95)), 3),
        )

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def thread_cpu_ms(work: Callable[[], object]) -> float:
    """CPU milliseconds that this thread spends in one call of `work`."""
    start = time.thread_time()
    work()
    return (time.thread_time() - start) * 1000
