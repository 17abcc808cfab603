"""The media thread: makes every session's frames at their times. One thread a process, sessions one after the other.

Picture and sound of all sessions come from here, so that the event loop beside it has nothing heavy to do.
"""

import heapq
import itertools
import logging
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Final, Protocol

import numpy as np

from realtime.rtc import FrameClock, Tick
from realtime.rtc.clock import free_phase_s

log = logging.getLogger(__name__)

KEPT_FIGURES: Final = 500


class Show(Protocol):
    """Something that makes a frame when it is due; on the media thread."""

    def perform(self, tick: Tick) -> None:
        """Make the frame."""
        ...

    def failed(self, error: Exception) -> None:
        """`perform` raised; it is not called again."""
        ...


class FrameThread:
    """Add shows and remove them from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, Show, FrameClock]] = []
        self._clocks: dict[Show, FrameClock] = {}
        self._number = itertools.count()
        self._stopping = False
        self._late_ms: deque[float] = deque(maxlen=KEPT_FIGURES)
        self._work_ms: deque[float] = deque(maxlen=KEPT_FIGURES)
        self._thread = threading.Thread(target=self._run, name="frames", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def add(self, show: Show) -> None:
        """Perform `show` from now on, between the others' frames."""
        with self._changed:
            taken = [clock.t0_s for clock in self._clocks.values()]
            now = time.monotonic()
            clock = FrameClock(now + (free_phase_s(taken) - now) % (1 / 25))
            self._clocks[show] = clock
            heapq.heappush(self._due, (clock.due_s, next(self._number), show, clock))
            self._changed.notify()

    def remove(self, show: Show) -> None:
        """Perform it no more; a frame under way is finished."""
        with self._changed:
            self._clocks.pop(show, None)

    def stop(self) -> None:
        """End the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(5)

    @property
    def late_ms(self) -> float:
        """How late frames are begun, 95th percentile of the last ones."""
        return float(np.percentile(list(self._late_ms), 95)) if self._late_ms else 0.0

    @property
    def work_ms(self) -> float:
        """Processor time of this thread for a frame, mean of the last ones."""
        return float(np.mean(list(self._work_ms))) if self._work_ms else 0.0

    def skipped(self, show: Show) -> int:
        """How many frames of a show were left out."""
        clock = self._clocks.get(show)
        return clock.skipped if clock else 0

    def _run(self) -> None:
        while self._step():
            pass

    def _step(self) -> bool:
        """Wait for a frame, or make one; false at the end. A function of its own: nothing of a show is kept meanwhile."""
        with self._changed:
            while not self._stopping and not self._due:
                self._changed.wait()
            if self._stopping:
                return False
            wait_s = self._due[0][0] - time.monotonic()
            if wait_s > 0:
                self._changed.wait(wait_s)
                return True
            _, _, show, clock = heapq.heappop(self._due)
            # Removed, and maybe added again with another clock.
            if self._clocks.get(show) is not clock:
                return True
            tick = clock.tick(time.monotonic())
        self._perform(show, tick)
        with self._changed:
            if self._clocks.get(show) is clock:
                heapq.heappush(self._due, (clock.due_s, next(self._number), show, clock))
        return True

    def _perform(self, show: Show, tick: Tick) -> None:
        before_s = time.thread_time()
        try:
            show.perform(tick)
        except Exception as error:
            log.exception("a frame could not be made")
            self.remove(show)
            # The others' frames go on, whatever becomes of this one.
            with suppress(Exception):
                show.failed(error)
        self._late_ms.append(tick.late_s * 1000)
        self._work_ms.append((time.thread_time() - before_s) * 1000)
