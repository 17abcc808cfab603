"""What is changed in pages and concerns the conversations that go on: media workers are told."""

from typing import Any, Final

import structlog
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from avatars.models import Avatar
from realtime.models import Room
from realtime.placement import live_workers

logger = structlog.get_logger(__name__)

SHOWN_AT_ONCE: Final = frozenset({"mood", "idle_gestures"})


@receiver(post_save, sender=Avatar)
def announce_temperament(
    instance: Avatar, created: bool, update_fields: frozenset[str] | None = None, **_: Any
) -> None:
    """Tell every media worker, once it is certain."""
    if not created and (update_fields is None or SHOWN_AT_ONCE & update_fields):
        temperament = {
            "type": "temperament",
            "avatar": instance.code,
            "mood": instance.mood,
            "idle_gestures": instance.idle_gestures,
        }
        transaction.on_commit(lambda: _tell_workers(temperament))


@receiver(post_delete, sender=Room)
def announce_closed_room(instance: Room, **_: Any) -> None:
    """Let everybody in it be shown out."""
    transaction.on_commit(lambda: _tell_workers({"type": "close_room", "room": instance.code}))


def _tell_workers(message: dict[str, Any]) -> None:
    try:
        for worker in live_workers():
            async_to_sync(get_channel_layer().send)(worker.channel, message)
    except Exception as error:
        # It is saved all the same, and the next conversation begins with it.
        logger.warning("Conversations that go on could not be told of a change", reason=str(error))
