"""`manage.py contact_sheet`: one picture that shows a face in every pose, for people to judge."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from django.core.management.base import BaseCommand, CommandError, CommandParser

from avatars.build import BuildRefused, picture_portrait
from avatars.build.points import FacePoints
from avatars.engine.controls import CONTROL_COUNT, MOUTH, Controls
from avatars.engine.face.sheet import gesture_sheet, sheet
from avatars.engine.portrait import Portrait
from avatars.engine.speech import LocalVoice, mouth_track
from avatars.imx import ImxError, open_imx
from avatars.management.commands.build_avatar import read_points


class Command(BaseCommand):
    """Draws the contact sheet of a picture or an avatar file."""

    help = "Draw a face in every mouth shape, blink, gaze and head pose on one labelled sheet."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("source", type=Path, help="picture (JPEG, PNG, WebP) or .imx file")
        parser.add_argument("--out", type=Path, required=True, help="sheet to write, ending in .png or .jpg")
        parser.add_argument(
            "--points", type=Path, help="JSON file with six points of the face, for pictures without one"
        )
        parser.add_argument("--text", default="", help="something to say: adds frames of the spoken mouth")
        parser.add_argument("--gestures", action="store_true", help="show the moods and every gesture instead")

    def handle(self, *args: Any, **options: Any) -> None:
        """Draw and write the sheet."""
        try:
            points = read_points(options["points"]) if options["points"] else None
            portrait = read_portrait(options["source"], points)
        except (BuildRefused, ImxError) as refusal:
            raise CommandError(str(refusal)) from refusal
        if options["gestures"]:
            picture = gesture_sheet(portrait)
        else:
            picture = sheet(portrait, spoken_track(options["text"]) if options["text"].strip() else None)
        out: Path = options["out"]
        if out.suffix.lower() not in {".png", ".jpg", ".jpeg"}:
            raise CommandError(f"{out.name} is neither a .png nor a .jpg. Name the sheet as one of the two.")
        _, encoded = cv2.imencode(out.suffix.lower(), picture)
        try:
            out.write_bytes(encoded.tobytes())
        except OSError as error:
            raise CommandError(f"The sheet {out} cannot be written: {error.strerror}.") from error
        self.stdout.write(f"{out}: {picture.shape[1]}x{picture.shape[0]}")


def read_portrait(source: Path, points: FacePoints | None) -> Portrait:
    """The portrait of an .imx file or of a picture. Raises `ImxError` or `BuildRefused`."""
    if source.suffix.lower() != ".imx":
        return picture_portrait(source, points)
    try:
        return open_imx(source).portrait()
    except OSError as error:
        raise BuildRefused("not_found", f"The file {source.name} cannot be read: {error.strerror}.") from error


def spoken_track(text: str) -> Controls:
    """Controls (frames, CONTROL_COUNT) of `text` said by the default voice, the head still."""
    mouth = mouth_track(LocalVoice.shared().say(text))
    track = np.zeros((len(mouth), CONTROL_COUNT), np.float32)
    track[:, MOUTH] = mouth
    return track
