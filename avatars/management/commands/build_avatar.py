"""`manage.py build_avatar`: a picture or a video becomes an `.imx` file."""

import json
import sys
import time
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandParser

from avatars.build import BuildRefused, BuildReport, FacePoints, Shot, Stage, build_avatar
from avatars.build.advice import Tone
from avatars.engine.portrait import Kind

BAR_WIDTH = 24


def size_argument(text: str) -> tuple[int, int]:
    """Read "512x512"."""
    width, _, height = text.lower().partition("x")
    if not (width.isascii() and width.isdecimal() and height.isascii() and height.isdecimal()):
        raise ArgumentTypeError(f"{text!r} is not a size. Write it as 512x512.")
    return int(width), int(height)


def read_points(path: Path) -> FacePoints:
    """Read a file of six points. Raises `BuildRefused`."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise BuildRefused("bad_points", f"The points file {path.name} cannot be read. Check the path.") from error
    except ValueError as error:
        raise BuildRefused("bad_points", f"The points file {path.name} is not JSON. Correct it.") from error
    return FacePoints.from_json(content)


class ProgressBar:
    """Draws progress on one line of a terminal; writes nothing where there is none."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream if stream.isatty() else None

    def __call__(self, stage: Stage, share: float, message: str) -> None:
        """Draw one step of a build."""
        self.draw(share, message)

    def draw(self, share: float, message: str) -> None:
        """Draw a share done, 0..1, and what is being done."""
        filled = round(share * BAR_WIDTH)
        self._write(f"\r[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {share:4.0%} {message:<48}")

    def close(self) -> None:
        """Clear the line."""
        self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        if self._stream is not None:
            self._stream.write(text)
            self._stream.flush()


class Command(BaseCommand):
    """Builds one avatar file from one picture or video."""

    help = "Build an .imx avatar file from a picture or a video."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "source", type=Path, help="picture (JPEG, PNG, WebP) or video (MP4, MOV, WebM; 3 to 60 s, up to 100 MB)"
        )
        parser.add_argument("--out", type=Path, required=True, help="avatar file to write, ending in .imx")
        parser.add_argument("--points", type=Path, help="JSON file with six points of the face, in picture pixels")
        parser.add_argument(
            "--teeth", type=Path, help="second picture of the same person, smiling, to take the upper teeth from"
        )
        parser.add_argument("--size", type=size_argument, default=(512, 512), help="width x height, such as 512x512")
        parser.add_argument(
            "--shot", type=Shot, choices=list(Shot), default=Shot.FACE, help="head and shoulders, or the whole figure"
        )
        parser.add_argument(
            "--kind", type=Kind, choices=list(Kind), help="what the picture shows; found out without it"
        )
        parser.add_argument("--still-eyes", action="store_true", help="never blink, for eyes that do not close well")
        parser.add_argument("--licence", default="", help="licence of the picture, kept in the file")
        parser.add_argument("--consent", default="", help="on whose word the likeness is used, kept in the file")
        parser.add_argument("--json", action="store_true", help="print the report as one JSON object on the last line")

    def handle(self, *args: Any, **options: Any) -> None:
        """Build and report; exit status 1 where the picture is refused."""
        progress = ProgressBar(sys.stderr)
        cpu, wall = time.process_time(), time.perf_counter()
        try:
            points = read_points(options["points"]) if options["points"] else None
            report = build_avatar(
                options["source"],
                options["out"],
                size=options["size"],
                shot=options["shot"],
                points=points,
                kind=options["kind"],
                teeth=options["teeth"],
                blink_limit=0.0 if options["still_eyes"] else 1.0,
                licence=options["licence"],
                consent=options["consent"],
                progress=progress,
            )
        except BuildRefused as refusal:
            report = BuildReport.of_refusal(refusal, time.process_time() - cpu, time.perf_counter() - wall)
        progress.close()
        self._say(report, options["out"])
        if options["json"]:
            self.stdout.write(json.dumps(report.to_json()))
        if not report.ok:
            raise SystemExit(1)

    def _say(self, report: BuildReport, out: Path) -> None:
        if not report.ok:
            self.stderr.write(self.style.ERROR(report.error or ""))
            return
        for remark in report.remarks:
            sentence = f"{remark.text} {remark.advice}".rstrip()
            if remark.tone is Tone.BETTER:
                self.stderr.write(self.style.WARNING(sentence))
            else:
                self.stdout.write(sentence)
        size = f"{report.size[0]}x{report.size[1]}"
        self.stdout.write(f"{out}: {size}, {report.imx_bytes / 1e6:.2f} MB, built in {report.cpu_s:.1f} s of CPU time")
