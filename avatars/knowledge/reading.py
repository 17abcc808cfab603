"""Reading documents in the builder process: decode, cut into passages, note what each means, forget the file."""

import json
import shutil
import subprocess
import sys
import tempfile
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Final

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from avatars.builds import remove_files
from avatars.knowledge.decoding import KnowledgeRefused
from avatars.knowledge.passages import cut
from avatars.meaning import MeaningMissing, MiniLmModel, minilm_folder
from avatars.models import Document, Passage
from webapp import disk

logger = structlog.get_logger(__name__)

DECODED_WITHIN_S: Final = 120
# Decoding, and two minutes for the meaning of as many passages as there may be.
STALE_AFTER: Final = timedelta(minutes=6)
ATTEMPT_LIMIT: Final = 2
TOO_MUCH_WORK: Final = "This file takes too much work to read. Save it anew, or as plain text, and try again."


def enqueue(document: Document) -> None:
    """Hand a document to the builder process."""
    from avatars.tasks import read_document_task

    read_document_task.enqueue(document.pk)


def read_document(document_id: int) -> None:
    """Read one waiting document. Whatever happens is told to its owner in a sentence."""
    taken = Document.objects.filter(pk=document_id, state=Document.State.WAITING)
    document = taken.first()
    if document is None or not taken.update(
        state=Document.State.READING, started_at=timezone.now(), attempts=document.attempts + 1
    ):
        logger.info("Document is not waiting any more", document=document_id)
        return
    try:
        _learn(document)
    except KnowledgeRefused as refusal:
        logger.info("Document refused", document=document.pk)
        _end(document, Document.State.FAILED, refusal.message)
    except MeaningMissing as error:
        logger.error("Documents cannot be read", reason=str(error))
        _end(document, Document.State.FAILED, str(error))
    except Exception as error:
        logger.exception("Document failed", document=document.pk)
        message = f"Parlo made a mistake while reading. Its log says more under document {document.pk}."
        _end(document, Document.State.FAILED, disk.sentence(error, message))


def _learn(document: Document) -> None:
    has_pages = Path(document.file.name or "").suffix == ".pdf"
    pages = decoded(document)
    passages = cut(pages)
    if not passages:
        raise KnowledgeRefused("There is nothing to read in this file.")
    others = Passage.objects.filter(document__avatar=document.avatar_id).count()
    if others + len(passages) > Document.LIMIT_PASSAGES:
        raise KnowledgeRefused(
            f"With this file there would be {others + len(passages):,} passages to choose from;"
            f" {Document.LIMIT_PASSAGES:,} are the most. Remove another file first."
        )
    vectors = _model().vectors([passage.in_context for passage in passages])
    with transaction.atomic():
        # It may have been deleted meanwhile.
        if not Document.objects.select_for_update().filter(pk=document.pk).exists():
            return
        Passage.objects.bulk_create(
            Passage(
                document=document,
                heading=passage.heading,
                text=passage.text,
                page=passage.page if has_pages else 0,
                meaning=vector.astype("<f4").tobytes(),
            )
            for passage, vector in zip(passages, vectors, strict=True)
        )
        document.pages = len(pages) if has_pages else 0
        _end(document, Document.State.READY, "")
    logger.info("Document read", document=document.pk, passages=len(passages))


def _end(document: Document, state: str, message: str) -> None:
    """Note how it ended; the file is not needed any more."""
    with transaction.atomic():
        if document.file.name:
            remove_files([document.file.name])
        Document.objects.filter(pk=document.pk).update(state=state, message=message, pages=document.pages, file="")


def decoded(document: Document) -> list[str]:
    """The pages of a document, from a process with limits of its own. Raises KnowledgeRefused."""
    with tempfile.TemporaryDirectory(prefix="parlo-document-") as folder:
        path = Path(folder) / f"document{Path(document.file.name or '').suffix}"
        try:
            with document.file.open("rb") as stored, path.open("wb") as local:
                shutil.copyfileobj(stored, local)
        except FileNotFoundError as error:
            raise KnowledgeRefused("The uploaded file is gone. Upload it again.") from error
        try:
            ended = subprocess.run(  # noqa: S603 - our own module
                [sys.executable, "-m", "avatars.knowledge.decoding", str(path)],
                cwd=settings.BASE_DIR,
                env={"PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=DECODED_WITHIN_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise KnowledgeRefused(TOO_MUCH_WORK) from error
    if ended.returncode:
        # It was stopped by one of its limits; what it wrote may hold what it read, so that is not logged.
        logger.warning("A document could not be decoded", document=document.pk, status=ended.returncode)
        raise KnowledgeRefused(TOO_MUCH_WORK)
    answer = json.loads(ended.stdout)
    if "refused" in answer:
        raise KnowledgeRefused(answer["refused"])
    pages: list[str] = answer["pages"]
    return pages


@cache
def _model() -> MiniLmModel:
    return MiniLmModel(minilm_folder())


def recover_unread() -> int:
    """Queue documents again whose builder died; one that died twice fails in words. Return how many were found."""
    stale = Document.objects.filter(state=Document.State.READING, started_at__lt=timezone.now() - STALE_AFTER)
    found = 0
    for document in stale:
        found += 1
        if document.attempts >= ATTEMPT_LIMIT:
            _end(document, Document.State.FAILED, "Reading was interrupted twice. Upload the file again.")
            continue
        with transaction.atomic():
            # The time is compared again, so that two builders never queue the same document twice.
            if Document.objects.filter(
                pk=document.pk, state=Document.State.READING, started_at=document.started_at
            ).update(state=Document.State.WAITING):
                enqueue(document)
    return found
