"""`manage.py render_avatar`: a face says something, in an MP4 file."""

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from avatars.build import BuildRefused
from avatars.engine.controls import FRAME_RATE_HZ
from avatars.engine.directions import Direction, without_directions
from avatars.engine.face.kernel import unavailable_because
from avatars.engine.gestures import GESTURES, UnknownGesture, find_gesture
from avatars.engine.performer import Mood
from avatars.engine.recorded import RecordedGesture
from avatars.film import Cue, FilmFailed, film
from avatars.imx import ImxError
from avatars.management.commands.build_avatar import ProgressBar, read_points
from avatars.management.faces import read_portrait
from avatars.management.script import ScriptRefused, add_script_arguments, read_script

LATEST_CUE_S = 600.0


class Command(BaseCommand):
    """Films one avatar file or picture saying one thing."""

    help = "Make a talking video of an avatar file or of a picture."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("source", type=Path, help="avatar file (.imx) or picture (JPEG, PNG, WebP)")
        parser.add_argument("--out", type=Path, required=True, help="film to write, ending in .mp4")
        parser.add_argument("--points", type=Path, help="JSON file with six points of the face, for a picture")
        parser.add_argument("--json", action="store_true", help="print the figures as one JSON object on the last line")
        parser.add_argument(
            "--gesture",
            action="append",
            default=[],
            metavar="WORD[@SECONDS]",
            help=f"a gesture, at the first word or so many seconds after it; may be given more than once, and without "
            f"anything to say: {', '.join(gesture.word for gesture in GESTURES.values())}, or one of the avatar's own",
        )
        parser.add_argument("--mood", choices=list(Mood), default=Mood.NEUTRAL, help="what the face shows by nature")
        add_script_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Film and report; exit status 1 where that cannot be done."""
        try:
            figures = self._film(options)
        except (BuildRefused, ImxError, ScriptRefused, FilmFailed, UnknownGesture) as refusal:
            figures = {"ok": False, "error": str(refusal)}
            self.stderr.write(self.style.ERROR(str(refusal)))
        if options["json"]:
            self.stdout.write(json.dumps(figures))
        if not figures["ok"]:
            raise SystemExit(1)

    def _film(self, options: dict[str, Any]) -> dict[str, Any]:
        out: Path = options["out"]
        if out.suffix.lower() != ".mp4":
            raise FilmFailed(f"{out.name} does not end in .mp4. Name the film so.")
        points = read_points(options["points"]) if options["points"] else None
        portrait = read_portrait(options["source"], points)
        cues = [read_cue(given, portrait.recorded) for given in options["gesture"]]
        silent = bool(cues) and options["text"] is None and options["audio"] is None
        written: tuple[Direction, ...] = ()
        if options["text"] is not None:
            options["text"], written = without_directions(options["text"], portrait.recorded)
        speech = None if silent else read_script(options)
        if why_not := unavailable_because():
            self.stderr.write(self.style.WARNING(f"{why_not} Faces are drawn about five times slower without it."))
        if speech is not None:
            cues += [Cue(direction.gesture, direction.share * speech.duration_s) for direction in written]
        bar = ProgressBar(sys.stderr)
        try:
            filmed = film(
                portrait,
                speech,
                out,
                lambda share: bar.draw(share, "Filming."),
                mood=Mood(options["mood"]),
                cues=cues,
            )
        finally:
            bar.close()
        size = f"{portrait.width}x{portrait.height}"
        self.stdout.write(
            f"{out}: {size}, {filmed.duration_s:.1f} s, {out.stat().st_size / 1e6:.2f} MB, "
            f"{filmed.draw_ms_per_frame:.1f} ms of CPU time to draw a frame"
        )
        return {
            "ok": True,
            "error": None,
            "frames": filmed.frames,
            "fps": FRAME_RATE_HZ,
            "duration_s": round(filmed.duration_s, 3),
            "ms_per_frame_cpu": round(filmed.draw_ms_per_frame, 2),
            "encode_ms_per_frame_cpu": round(filmed.encode_ms_per_frame, 2),
            "size": size,
        }


def read_cue(given: str, own: Sequence[RecordedGesture] = ()) -> Cue:
    """The cue that "nod" or "nod@1.5" asks for. Raises `UnknownGesture` or `FilmFailed`."""
    word, _, seconds = given.partition("@")
    gesture = find_gesture(word, own)
    try:
        at_s = float(seconds or 0)
    except ValueError:
        at_s = math.nan
    if not 0 <= at_s <= LATEST_CUE_S:
        raise FilmFailed(f"{given!r} does not say when: write for example {gesture.word}@1.5, in seconds.")
    return Cue(gesture.name, at_s)
