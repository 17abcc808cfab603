"""`manage.py mediaworker`: the process that holds live conversations."""

import asyncio
import gc
import signal
from typing import Any

import cv2
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from avatars.engine.face.kernel import unavailable_because
from realtime.agent import ProviderError, Providers, build_providers
from realtime.rtc import offer_loopback
from realtime.taskset import TaskSet
from realtime.warm_up import think_once, warm_up
from realtime.worker import MediaWorker
from webapp.providers.chosen import for_all
from webapp.providers.endpoint import Choice


class Command(BaseCommand):
    """Loads the models, then serves until it is told to stop."""

    help = "Hold live conversations: WebRTC, agents, faces."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--capacity", type=int, default=settings.MEDIA_WORKER_CAPACITY)

    def handle(self, *, capacity: int, **options: Any) -> None:
        """Serve until SIGINT, or SIGTERM and what is being said has been said."""
        if why_not := unavailable_because():
            self.stderr.write(f"{why_not} Faces are drawn about five times slower without it.")
        # The sessions are the parallelism.
        cv2.setNumThreads(1)
        offer_loopback(always=settings.ICE_LOOPBACK)
        choice = for_all()
        connection.close()
        try:
            providers = self._providers(choice)
        except ProviderError as error:
            raise CommandError(str(error)) from error

        async def serve() -> None:
            tasks = TaskSet("the warm-up")
            tasks.spawn(think_once(providers))
            await warm_up(providers)
            # What is loaded now stays: the garbage collector need not walk through it in the middle of a conversation.
            gc.collect()
            gc.freeze()
            worker = MediaWorker(providers, capacity, choice)
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, worker.drain)
            loop.add_signal_handler(signal.SIGINT, worker.stop)
            self.stdout.write(f"The media worker is ready for {capacity} conversations.")
            await worker.run()
            await tasks.cancel()

        asyncio.run(serve())

    def _providers(self, choice: Choice) -> Providers:
        """What is chosen; where that cannot be loaded, what the settings say. Raises ProviderError."""
        try:
            return build_providers(settings, choice)
        except ProviderError as error:
            self.stderr.write(str(error))
            return build_providers(settings)
