"""The connection checks that a media worker takes part in: a few at a time, each for a few seconds."""

import asyncio
from contextlib import suppress
from typing import Final
from uuid import UUID

from realtime.ice import worker_network
from realtime.rtc import OfferRefused, Probe
from realtime.taskset import TaskSet

MOST_PROBES: Final = 12
PROBE_S: Final = 20.0
BUSY: Final = "Too many connections are being checked at the moment. Try again in a minute."


class Probes:
    """Made once a worker; `close` ends all that run."""

    def __init__(self) -> None:
        self._running = 0
        self._tasks = TaskSet("connection checks")

    async def answer(self, probe_id: UUID, sdp: str) -> str:
        """Answer a page's offer of a data channel. Raises as `Peer.answer` does."""
        if self._running >= MOST_PROBES:
            raise OfferRefused(BUSY)
        self._running += 1
        probe = Probe(worker_network(probe_id))
        try:
            answer = await probe.answer(sdp)
        except BaseException:
            self._running -= 1
            await probe.close()
            raise
        self._tasks.spawn(self._hold(probe))
        return answer

    async def close(self) -> None:
        """End every check."""
        await self._tasks.cancel()

    async def _hold(self, probe: Probe) -> None:
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(PROBE_S):
                    await probe.ended.wait()
        finally:
            self._running -= 1
            await probe.close()
