"""Files go when the rows that name them go, whoever deletes them: the studio, the admin, or a deleted account."""

from typing import Any

from django.db.models.signals import post_delete
from django.dispatch import receiver

from avatars.builds import published_files, remove_files
from avatars.models import Avatar, Build, Document, GestureClip, VoiceSample


@receiver(post_delete, sender=Avatar)
def remove_avatar_files(instance: Avatar, **_: Any) -> None:
    """Remove what a deleted avatar was published with."""
    remove_files(published_files(instance))


@receiver(post_delete, sender=Build)
def remove_build_files(instance: Build, **_: Any) -> None:
    """Remove the pictures a deleted build was made from."""
    remove_files([file.name for file in (instance.source, instance.smile) if file.name])


@receiver(post_delete, sender=Document)
def remove_document_file(instance: Document, **_: Any) -> None:
    """Remove a document that was not read yet."""
    if instance.file.name:
        remove_files([instance.file.name])


@receiver(post_delete, sender=GestureClip)
def remove_gesture_files(instance: GestureClip, **_: Any) -> None:
    """Remove a clip and the film of its gesture."""
    remove_files([file.name for file in (instance.file, instance.preview) if file.name])


@receiver(post_delete, sender=VoiceSample)
def remove_voice_file(instance: VoiceSample, **_: Any) -> None:
    """Remove a sample whose consent was withdrawn, or whose avatar is gone."""
    if instance.file.name:
        remove_files([instance.file.name])
