"""The brain process's second task: fetch the language models that an admin asked for, one at a time."""

import threading
import time
from typing import Final

import structlog
from django.db import DatabaseError, connection

from webapp.providers.catalogue import CATALOGUE, BrainModel
from webapp.providers.downloads import DownloadFailed, Stopped, bytes_there, fetch
from webapp.providers.models import Download

logger = structlog.get_logger(__name__)

State = Download.State

LOOK_EVERY_S: Final = 1.0
NOTE_EVERY_S: Final = 0.5


class Downloader:
    """Looks for work until `stopping` is set; what was under way when the process died is taken up again."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._noted_s = 0.0

    def run(self) -> None:
        """Work until told to stop. Never raises."""
        while not self._stopping.wait(LOOK_EVERY_S):
            try:
                for download in Download.objects.filter(state__in=Download.UNDER_WAY).order_by("pk"):
                    self.fetch(download)
            except DatabaseError as error:
                # On the first start of all the tables are not there yet.
                logger.debug("Downloads cannot be looked up", reason=str(error))
            except Exception:
                logger.exception("A download failed in an unforeseen way")
        connection.close()

    def fetch(self, download: Download) -> None:
        """Fetch one model and write down how it went."""
        model = CATALOGUE.get(download.name)
        if model is None:
            self._end(download, State.FAILED, "This model is no longer offered.")
            return
        try:
            fetch(model, lambda done, checking: self._note(download, done, checking), sleep=self._sleep)
        except Stopped:
            # Stopped by an admin; or the process ends, and the next one goes on.
            pass
        except DownloadFailed as failure:
            logger.warning("A language model could not be fetched", model=model.name, reason=str(failure))
            self._end(download, State.FAILED, str(failure), bytes_there(model))
        else:
            self._end(download, State.READY, "", model.size_bytes)

    def _sleep(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise Stopped

    def _note(self, download: Download, done: int, checking: bool) -> None:
        if self._stopping.is_set():
            raise Stopped
        if time.monotonic() - self._noted_s < NOTE_EVERY_S:
            return
        self._noted_s = time.monotonic()
        state = State.CHECKING if checking else State.RUNNING
        rows = Download.objects.filter(pk=download.pk, state__in=Download.UNDER_WAY)
        if not rows.update(state=state, bytes_done=done):
            raise Stopped

    def _end(self, download: Download, state: State, message: str, done: int = 0) -> None:
        rows = Download.objects.filter(pk=download.pk, state__in=Download.UNDER_WAY)
        rows.update(state=state, message=message[:300], bytes_done=done)


def ask_for(model: BrainModel) -> None:
    """Have a model fetched, from where it stopped if it did."""
    state = State.READY if model.file.exists() else State.WANTED
    Download.objects.update_or_create(
        name=model.name, defaults={"state": state, "message": "", "bytes_done": bytes_there(model)}
    )


def stop(model: BrainModel) -> None:
    """Stop fetching; what came so far is kept."""
    Download.objects.filter(name=model.name, state__in=Download.UNDER_WAY).update(
        state=State.STOPPED, message="Stopped. It can be taken up again."
    )
