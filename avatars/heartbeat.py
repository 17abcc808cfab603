"""Signs of life of a build, so that another builder takes up what one that died was doing."""

import threading
from datetime import timedelta
from types import TracebackType
from typing import Final

import structlog
from django.db import connection
from django.utils import timezone

from avatars.models import Build

logger = structlog.get_logger(__name__)

HEARTBEAT_S: Final = 3.0
STALE_AFTER: Final = timedelta(seconds=15)


class Heartbeat:
    """Marks a running build as alive every few seconds, from a thread with a database connection of its own."""

    def __init__(self, build_id: int) -> None:
        self.build_id = build_id
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._beat, name=f"build-{build_id}-heartbeat", daemon=True)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop.set()
        self.thread.join()

    def _beat(self) -> None:
        while not self.stop.wait(HEARTBEAT_S):
            try:
                Build.objects.filter(pk=self.build_id).update(heartbeat_at=timezone.now())
            except Exception as error:
                logger.warning("Heartbeat failed", build=self.build_id, reason=str(error))
            finally:
                connection.close()
