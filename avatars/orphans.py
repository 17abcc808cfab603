"""Tasks that a builder took from the queue and died before it began them: nobody else would ever take them."""

from collections.abc import Mapping
from typing import Any, Final

from django.db.models import Model
from django.utils import timezone
from django_tasks.base import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from avatars.heartbeat import STALE_AFTER
from avatars.models import Build, Document, GestureClip, VoiceSample

# What each task is about, and the state in which that waits for it. A task begins with taking it out of this state.
WAITING: Final[Mapping[str, tuple[type[Model], str]]] = {
    "avatars.tasks.build_avatar_task": (Build, Build.State.QUEUED),
    "avatars.tasks.record_gesture_task": (GestureClip, GestureClip.State.WAITING),
    "avatars.tasks.take_voice_task": (VoiceSample, VoiceSample.State.WAITING),
    "avatars.tasks.read_document_task": (Document, Document.State.WAITING),
}


def recover_orphans() -> int:
    """Put them back into the queue. Return how many were found.

    One that is put back while its builder was only slow does no harm: whoever comes second finds nothing that waits.
    """
    found = 0
    taken: Any = DBTaskResult.objects.filter(
        status=TaskResultStatus.RUNNING, task_path__in=WAITING, started_at__lt=timezone.now() - STALE_AFTER
    )
    for task in taken:
        model, waits = WAITING[task.task_path]
        if model._default_manager.filter(pk=task.args_kwargs["args"][0], state=waits).exists():
            found += taken.filter(pk=task.pk, started_at=task.started_at).update(status=TaskResultStatus.READY)
    return found
