"""Heavy work beside the event loop, in order, one piece at a time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Result = TypeVar("_Result")


class Worker:
    """One thread. Work that is cancelled before its turn is never begun."""

    def __init__(self, name: str) -> None:
        self._threads = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """The result of `work`, done in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
