"""Taking a voice sample out of an avatar's video, in the builder process, because its creator asked for it."""

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone

from avatars.models import VoiceSample
from webapp import disk

STALE_AFTER: Final = timedelta(minutes=30)

logger = structlog.get_logger(__name__)


def enqueue(sample: VoiceSample) -> None:
    """Hand a sample that waits to the builder process."""
    from avatars.tasks import take_voice_task

    take_voice_task.enqueue(sample.pk)


def take(sample_id: int) -> None:
    """Take one waiting sample. Whatever happens is told to its creator in a sentence."""
    from avatars.build.refusal import BuildRefused
    from avatars.build.voice import voice_sample

    sample = VoiceSample.objects.select_related("avatar").filter(pk=sample_id, state=VoiceSample.State.WAITING).first()
    source = None if sample is None else sample.avatar.video
    if sample is None:
        logger.info("A voice sample is not waiting any more", sample=sample_id)
        return
    try:
        if source is None:
            raise FileNotFoundError
        with tempfile.TemporaryDirectory(prefix="parlo-voice-") as folder:
            path = Path(folder) / f"clip{Path(source.name or '').suffix}"
            with source.open("rb") as stored, path.open("wb") as local:
                shutil.copyfileobj(stored, local)
            data, seconds = voice_sample(path)
    except BuildRefused as refusal:
        _fail(sample, refusal.message)
    except FileNotFoundError:
        _fail(sample, "The avatar's video is gone. Upload it again.")
    except Exception as error:
        logger.exception("Voice sample failed", sample=sample.pk)
        mistake = f"Parlo made a mistake with this sound. Its log says more under voice sample {sample.pk}."
        _fail(sample, disk.sentence(error, mistake))
    else:
        with transaction.atomic():
            # Consent may have been withdrawn meanwhile: then nothing is kept.
            kept = VoiceSample.objects.select_for_update().filter(pk=sample.pk).first()
            if kept is None:
                return
            kept.file.save("voice.wav", ContentFile(data), save=False)
            kept.state, kept.seconds, kept.message = VoiceSample.State.READY, seconds, ""
            kept.save()
        logger.info("Voice sample taken", sample=sample.pk, seconds=round(seconds, 1))


def recover_untaken() -> int:
    """End in words what a builder that died left waiting. Return how many were found."""
    return VoiceSample.objects.filter(
        state=VoiceSample.State.WAITING, consent_at__lt=timezone.now() - STALE_AFTER
    ).update(state=VoiceSample.State.FAILED, message="Taking it was interrupted. Delete it, and ask for it again.")


def _fail(sample: VoiceSample, message: str) -> None:
    VoiceSample.objects.filter(pk=sample.pk).update(state=VoiceSample.State.FAILED, message=message[:300])
