"""`manage.py measure_avatar`: how good is a face, in numbers."""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from avatars.build import BuildRefused
from avatars.imx import ImxError
from avatars.management.commands.build_avatar import ProgressBar, read_points
from avatars.management.commands.contact_sheet import read_portrait
from avatars.management.script import ScriptRefused, add_script_arguments, read_script
from avatars.quality.measure import measure
from avatars.quality.recording import record

DEFAULT_TEXT = (
    "My brother Bob may have bought five big apples, and father packed them in a box. "
    "Maybe you would like to watch a film about a man who built boats by the harbour. "
    "What would you like to talk about?"
)


class Command(BaseCommand):
    """Lets one avatar file or picture speak and measures what is seen."""

    help = "Draw an avatar file or a picture speaking, find its face again in every frame, and measure it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("source", type=Path, help="avatar file (.imx) or picture (JPEG, PNG, WebP)")
        parser.add_argument("--points", type=Path, help="JSON file with six points of the face, for a picture")
        parser.add_argument("--json", action="store_true", help="print the measures as one JSON object, the last line")
        add_script_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure and report; exit status 1 where that cannot be done."""
        try:
            figures = {"ok": True, "error": None, **self._measured(options)}
        except (BuildRefused, ImxError, ScriptRefused) as refusal:
            figures = {"ok": False, "error": str(refusal)}
            self.stderr.write(self.style.ERROR(str(refusal)))
        if options["json"]:
            self.stdout.write(json.dumps(figures))
        if not figures["ok"]:
            raise SystemExit(1)

    def _measured(self, options: dict[str, Any]) -> dict[str, Any]:
        points = read_points(options["points"]) if options["points"] else None
        speech = read_script(options, DEFAULT_TEXT)
        portrait = read_portrait(options["source"], points)
        bar = ProgressBar(sys.stderr)
        try:
            recording = record(portrait, speech, lambda share: bar.draw(share, "Watching the face speak."))
        finally:
            bar.close()
        figures = measure(recording).to_json()
        for name, value in figures.items():
            if name != "reasons":
                shown = "-" if value is None else f"{value:g}"
                self.stdout.write(f"{name:<22} {shown:>8}  {figures['reasons'].get(name, '')}".rstrip())
        return figures
