"""Seeding: the demo avatars are created and built on the first start; they belong to nobody and are public."""

from pathlib import Path

from django.core.files import File
from django.db import transaction

from avatars.builds import start_build
from avatars.demo import DEMO_FILE, DemoAvatar, demo_avatars
from avatars.models import Avatar, Build, Pair


def seed_demos(path: Path = DEMO_FILE) -> list[Avatar]:
    """Create the demo avatars that are not there and queue what is not built; return those that were queued.

    Doing it again changes nothing, except that a demo whose build failed is given another try.
    """
    queued = []
    # The gallery shows the newest first.
    for demo in reversed(demo_avatars(path)):
        with transaction.atomic():
            avatar, created = Avatar.objects.get_or_create(
                demo_key=demo.key,
                defaults={
                    "name": demo.name,
                    "tagline": demo.tagline,
                    "persona": demo.persona,
                    "greeting": demo.greeting,
                    "voice": demo.voice,
                    "mood": demo.mood,
                    "licence": demo.licence,
                    "visibility": demo.visibility,
                    "kind": demo.kind,
                    "demo": True,
                    "can_tell_time": True,
                    "can_calculate": True,
                },
            )
            if created:
                Pair.objects.bulk_create(
                    Pair(avatar=avatar, questions=p.questions, answer=p.answer) for p in demo.pairs
                )
            if created or avatar.state == Avatar.State.FAILED:
                _queue(avatar, demo)
                queued.append(avatar)
    return queued


def _queue(avatar: Avatar, demo: DemoAvatar) -> Build:
    with demo.picture.open("rb") as opened:
        return start_build(
            avatar,
            File(opened, name=f"source{demo.picture.suffix.lower()}"),
            kind=demo.kind,
            points=demo.points,
            consent_text=f"Demo material that comes with Parlo. {demo.licence}",
        )
