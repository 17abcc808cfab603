"""Fetching a language model: taken up where it stopped, checked before anybody uses it."""

import hashlib
import shutil
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import httpx2

from webapp.providers.catalogue import BrainModel

CHUNK_BYTES: Final = 1024 * 1024
TIMEOUT_S: Final = 30.0
# So often in a row may nothing come at all.
TRIES: Final = 5
FIRST_PAUSE_S: Final = 1.0
# What has to stay free beside the file.
ROOM_BYTES: Final = 500_000_000


class DownloadFailed(Exception):
    """The file did not come, or is not the right one; the text is a sentence."""


class Stopped(Exception):
    """Somebody stopped it; what came so far is kept."""


Progress = Callable[[int, bool], None]


def fetch(model: BrainModel, progress: Progress, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Bring the file of `model` to its place.

    progress: called now and then with the bytes there are and whether they are being checked; what it raises ends the
    work. Raises `DownloadFailed`, and `Stopped` where `progress` does.
    """
    if model.file.exists():
        return
    model.part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    failures = 0
    while True:
        _check_room(model)
        before = bytes_there(model)
        try:
            _fetch_rest(model, progress)
            break
        except (httpx2.TransportError, OSError) as error:
            if isinstance(error, OSError) and not isinstance(error, ConnectionError):
                raise DownloadFailed(f"The file could not be written: {error.strerror or error}.") from error
            failures = 1 if bytes_there(model) > before else failures + 1
            if failures == TRIES:
                raise DownloadFailed(
                    "The connection to the model hub broke again and again, or could not be made."
                    " What came so far is kept; try again later."
                ) from error
            sleep(FIRST_PAUSE_S * 2 ** (failures - 1))
    _check_sum(model, progress)
    model.part.rename(model.file)


def forget(model: BrainModel) -> None:
    """Remove what there is of the file."""
    model.part.unlink(missing_ok=True)
    model.file.unlink(missing_ok=True)


def bytes_there(model: BrainModel) -> int:
    """How much of the file has come."""
    return model.part.stat().st_size if model.part.exists() else 0


def _check_room(model: BrainModel) -> None:
    needed = model.size_bytes - bytes_there(model) + ROOM_BYTES
    free = shutil.disk_usage(model.part.parent).free
    if free < needed:
        raise DownloadFailed(
            f"The disk is too full: {needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free."
        )


def _fetch_rest(model: BrainModel, progress: Progress) -> None:
    start = bytes_there(model)
    if start > model.size_bytes:
        model.part.unlink()
        start = 0
    if start == model.size_bytes:
        return
    headers = {"Range": f"bytes={start}-"} if start else {}
    # Nothing to unpack: the bytes on the wire are those of the file.
    headers["Accept-Encoding"] = "identity"
    with (
        httpx2.Client(timeout=TIMEOUT_S, follow_redirects=True) as client,
        client.stream("GET", model.url, headers=headers) as answer,
    ):
        if answer.status_code == HTTPStatus.OK:
            start = 0
        elif answer.status_code != HTTPStatus.PARTIAL_CONTENT:
            raise DownloadFailed(f"The model hub refused with status {answer.status_code}.")
        elif not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise DownloadFailed("The model hub sent another part than was asked for.")
        if "text/html" in answer.headers.get("Content-Type", ""):
            raise DownloadFailed("The model hub answered with a page in place of the model.")
        with model.part.open("ab" if start else "wb") as file:
            done = start
            for chunk in answer.iter_raw():
                done += len(chunk)
                if done > model.size_bytes:
                    break
                file.write(chunk)
                progress(done, False)
    if done > model.size_bytes:
        model.part.unlink()
        raise DownloadFailed("The model hub sends more than the model is long. It was thrown away.")
    if done < model.size_bytes:
        raise ConnectionResetError("the answer ended early")


def _check_sum(model: BrainModel, progress: Progress) -> None:
    digest = hashlib.sha256()
    with model.part.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            progress(model.size_bytes, True)
    if digest.hexdigest() != model.sha256:
        model.part.unlink()
        raise DownloadFailed("What came is not the model that was tested: its checksum differs. It was thrown away.")
