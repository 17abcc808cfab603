"""`manage.py seed_demo`: create the demo avatars."""

from typing import Any

from django.core.management.base import BaseCommand

from avatars.seed import seed_demos


class Command(BaseCommand):
    """Creates the demo avatars that are missing; running it again changes nothing."""

    help = "Create the demo avatars that are missing and queue their builds."

    def handle(self, **options: Any) -> None:
        """Seed."""
        for avatar in seed_demos():
            self.stdout.write(f"Demo avatar {avatar.name} ({avatar.code}) is queued to be built.")
