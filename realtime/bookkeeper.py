"""Entries in the book of sessions, in their order; those that the database refuses are kept and made later."""

import asyncio
from collections import deque
from collections.abc import Callable

import structlog
from channels.db import database_sync_to_async
from django.db import InterfaceError, OperationalError

logger = structlog.get_logger(__name__)


class Bookkeeper:
    """One a worker. A full disk or a database that is away costs no session its seconds, as long as the worker lives."""

    def __init__(self) -> None:
        self._due: deque[Callable[[], None]] = deque()
        self._writing = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._due)

    async def enter(self, entry: Callable[[], None]) -> None:
        """Make an entry, after those that wait. Never raises: what cannot be made now waits for `catch_up`."""
        self._due.append(entry)
        await self.catch_up()

    async def catch_up(self) -> None:
        """Make what waits, the oldest first, up to the first that is still impossible."""
        async with self._writing:
            while self._due:
                try:
                    await database_sync_to_async(self._due[0])()
                except (OperationalError, InterfaceError) as error:
                    waiting = len(self._due)
                    logger.warning(
                        "The book of sessions cannot be written, and is tried again", reason=str(error), waiting=waiting
                    )
                    return
                except Exception:
                    # Tried again it would fail again, and keep all others waiting.
                    logger.exception("An entry in the book of sessions is lost")
                self._due.popleft()
