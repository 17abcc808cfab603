"""Which ears, mind and voice the next session gets: chosen for its avatar, for all, or those that come with Parlo."""

import asyncio
from typing import Any

import structlog
from channels.db import database_sync_to_async
from django.conf import settings

from realtime.agent import ProviderError, Providers, build_providers, with_own
from webapp.providers.chosen import for_all, own
from webapp.providers.endpoint import Choice

logger = structlog.get_logger(__name__)


class Casting:
    """One a media worker. What an admin or a creator changes holds from the next session on.

    providers: what the worker has loaded. choice: what that was built by; None is whatever is chosen at the first session.
    """

    def __init__(self, providers: Providers, choice: Choice | None = None) -> None:
        self._providers = providers
        self._choice = choice
        self._loading = asyncio.Lock()

    async def providers_for(self, avatar: Any) -> Providers:
        """The providers of an avatar's session. Where a new choice cannot be loaded, the old one goes on."""
        choice, its_own = await database_sync_to_async(lambda: (for_all(), own(avatar)))()
        async with self._loading:
            if self._choice is None:
                self._choice = choice
            if choice != self._choice:
                self._choice = choice
                try:
                    self._providers = await asyncio.to_thread(build_providers, settings, choice)
                except ProviderError as error:
                    logger.error("The providers that were chosen cannot be loaded", reason=str(error))
            return with_own(self._providers, its_own)
