"""How the benchmarks count: CPU time where they can, because the machines they run on are shared."""

import json
import resource
from dataclasses import asdict, dataclass
from typing import Any

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
        """Summarise; figures that are none are an error."""
        values = np.array(figures)
        return cls(
            len(figures),
            round(float(values.mean()), 3),
            round(float(np.percentile(values, 50)), 3),
            round(float(np.percentile(values, 95)), 3),
        )

    def as_dict(self) -> dict[str, float]:
        """As it stands in the results."""
        return asdict(self)


def cpu_of_children_s() -> float:
    """CPU seconds of all children that have ended and were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def print_result(bench: str, **figures: Any) -> None:
    """Write a benchmark's result as the last line, where `python -m benchmarks` looks for it."""
    print(json.dumps({"bench": bench, **figures}), flush=True)
