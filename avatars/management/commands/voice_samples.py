"""`manage.py voice_samples`: a sound file of every voice, to choose by."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from avatars.voices import make_samples


class Command(BaseCommand):
    """Speaks the samples that are missing; the studio runs it when somebody first listens to one."""

    help = "Make a sound file of every built-in voice."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--out", type=Path, default=Path(settings.MEDIA_ROOT) / "voices", help="folder to write to")

    def handle(self, *, out: Path, **options: Any) -> None:
        """Speak."""
        self.stdout.write(f"Samples made: {make_samples(out)}.")
