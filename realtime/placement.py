"""Which media workers there are, and which one has room. They say so themselves, in the cache, twice a second."""

from dataclasses import asdict, dataclass
from typing import Final

from django.core.cache import cache

SLOTS: Final = 64
BEAT_S: Final = 0.5
# The cache counts whole seconds; a worker that misses three beats is lost.
LOST_AFTER_S: Final = 2


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """What a media worker says of itself. channel: where it hears messages. rooms: the codes of those it holds."""

    name: str
    channel: str
    capacity: int
    sessions: int
    rooms: tuple[str, ...] = ()

    @property
    def room(self) -> int:
        """How many more sessions it takes."""
        return self.capacity - self.sessions


class NoSlot(RuntimeError):
    """There are as many media workers as Parlo can keep apart."""


def _key(slot: int) -> str:
    return f"media-worker:{slot}"


def live_workers() -> list[WorkerRecord]:
    """Every worker whose heart beats."""
    found = cache.get_many([_key(slot) for slot in range(SLOTS)])
    return [WorkerRecord(**record) for record in found.values()]


def least_loaded() -> WorkerRecord | None:
    """The worker with the most room, full or not; None where there is none."""
    return max(live_workers(), key=lambda worker: worker.room, default=None)


def find_worker(name: str) -> WorkerRecord | None:
    """The worker of this name, if it lives."""
    return next((worker for worker in live_workers() if worker.name == name), None)


class Registration:
    """A worker's own entry. Call `beat` every `BEAT_S` and `leave` at the end."""

    def __init__(self) -> None:
        self._slot: int | None = None
        self._name = ""

    def beat(self, record: WorkerRecord) -> None:
        """Say that the worker lives. Raises `NoSlot`."""
        self._name = record.name
        if self._slot is not None and not self._stolen(self._slot):
            cache.set(_key(self._slot), asdict(record), LOST_AFTER_S)
            return
        for slot in range(SLOTS):
            if cache.add(_key(slot), asdict(record), LOST_AFTER_S):
                self._slot = slot
                return
        raise NoSlot(f"There are {SLOTS} media workers already; this one finds no place.")

    def leave(self) -> None:
        """Say goodbye."""
        if self._slot is not None and not self._stolen(self._slot):
            cache.delete(_key(self._slot))
        self._slot = None

    def _stolen(self, slot: int) -> bool:
        holder = cache.get(_key(slot))
        return holder is not None and holder["name"] != self._name
