"""`manage.py add_gesture`: a clip of the person becomes a gesture of their avatar file."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from avatars.build import BuildRefused
from avatars.build.gesture import add_gesture
from avatars.engine.recorded import NAME_PATTERN
from avatars.imx import ImxError
from avatars.management.commands.build_avatar import ProgressBar


class Command(BaseCommand):
    """Adds one recorded gesture to an avatar file from a video."""

    help = "Add a gesture from a clip to an avatar file that was made from a video."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("imx", type=Path, help="avatar file (.imx) from a video")
        parser.add_argument("clip", type=Path, help="clip of the same person (MP4, MOV, WebM), 1 to 10 seconds")
        parser.add_argument("--name", required=True, help="its name, such as mini_wave_hello")
        parser.add_argument("--label", default="", help="what people read, such as Wave")
        parser.add_argument("--out", type=Path, required=True, help="avatar file to write; may be the same")
        parser.add_argument("--json", action="store_true", help="print the figures as one JSON object on the last line")

    def handle(self, *args: Any, **options: Any) -> None:
        """Add it and report; exit status 1 where that cannot be done."""
        cpu = time.process_time()
        bar = ProgressBar(sys.stderr)
        try:
            if not NAME_PATTERN.fullmatch(options["name"]):
                raise BuildRefused("bad_name", "A gesture's name is made of small letters and underscores, 30 at most.")
            label = options["label"] or options["name"].replace("_", " ").capitalize()
            made = add_gesture(options["imx"], options["clip"], options["name"], label, options["out"], bar.draw)
        except (BuildRefused, ImxError, OSError) as refusal:
            bar.close()
            code = getattr(refusal, "code", "not_read")
            figures: dict[str, Any] = {"ok": False, "error": str(refusal), "code": code}
            self.stderr.write(self.style.ERROR(str(refusal)))
        else:
            bar.close()
            figures = {
                "ok": True,
                "error": None,
                "code": None,
                "cpu_s": round(time.process_time() - cpu, 2),
                "imx_bytes": options["out"].stat().st_size,
                "warnings": list(made.warnings),
                **made.measures,
            }
            self.stdout.write(
                f"{options['out']}: {label}, {made.measures['seconds']} s, {figures['cpu_s']} s of CPU time"
            )
        if options["json"]:
            self.stdout.write(json.dumps(figures))
        if not figures["ok"]:
            raise SystemExit(1)
