"""Tasks of the builder process."""

from django_tasks import task


@task()
def build_avatar_task(build_id: int) -> None:
    """Build one avatar."""
    from avatars.builder import run_build

    run_build(build_id)


@task()
def record_gesture_task(clip_id: int) -> None:
    """Make one recorded gesture, or remove it."""
    from avatars.recorded.recording import record

    record(clip_id)


@task()
def take_voice_task(sample_id: int) -> None:
    """Take one voice sample."""
    from avatars.voice.taking import take

    take(sample_id)


@task()
def read_document_task(document_id: int) -> None:
    """Read one document."""
    from avatars.knowledge.reading import read_document

    read_document(document_id)
