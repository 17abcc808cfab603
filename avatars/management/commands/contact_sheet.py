"""`manage.py contact_sheet`: one picture that shows a face in every pose, or many faces in some, for people to judge."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from django.core.management.base import BaseCommand, CommandError, CommandParser

from avatars.engine.controls import CONTROL_COUNT, MOUTH, Controls
from avatars.engine.face.sheet import Picture, gesture_sheet, refused_row, row, sheet
from avatars.engine.speech import LocalVoice, mouth_track
from avatars.management.faces import REFUSALS, faces_at, points_of, read_portrait


class Command(BaseCommand):
    """Draws the contact sheet of a picture, of an avatar file, or of a folder of them."""

    help = "Draw a face in every mouth shape, blink, gaze and head pose on one sheet; of a folder a row for each face."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("source", type=Path, help="picture (JPEG, PNG, WebP), .imx file, or a folder of them")
        parser.add_argument("--out", type=Path, required=True, help="sheet to write, ending in .png or .jpg")
        parser.add_argument(
            "--points", type=Path, help="JSON file with six points of the face, for pictures without one"
        )
        parser.add_argument("--text", default="", help="something to say: adds frames of the spoken mouth")
        parser.add_argument("--gestures", action="store_true", help="show the moods and every gesture instead")

    def handle(self, *args: Any, **options: Any) -> None:
        """Draw and write the sheet."""
        source: Path = options["source"]
        try:
            if source.is_dir():
                picture = self._rows(source)
            else:
                portrait = read_portrait(source, points_of(source, options["points"]))
                track = spoken_track(options["text"]) if options["text"].strip() else None
                picture = gesture_sheet(portrait) if options["gestures"] else sheet(portrait, track)
        except REFUSALS as refusal:
            raise CommandError(str(refusal)) from refusal
        out: Path = options["out"]
        if out.suffix.lower() not in {".png", ".jpg", ".jpeg"}:
            raise CommandError(f"{out.name} is neither a .png nor a .jpg. Name the sheet as one of the two.")
        _, encoded = cv2.imencode(out.suffix.lower(), picture)
        try:
            out.write_bytes(encoded.tobytes())
        except OSError as error:
            raise CommandError(f"The sheet {out} cannot be written: {error.strerror}.") from error
        self.stdout.write(f"{out}: {picture.shape[1]}x{picture.shape[0]}")

    def _rows(self, folder: Path) -> Picture:
        """A row for each face of a folder, and the sentence where one is refused."""
        rows = []
        for source in faces_at(folder):
            try:
                rows.append(row(read_portrait(source, points_of(source, None)), source.stem))
            except REFUSALS as refusal:
                rows.append(refused_row(source.stem, str(refusal)))
                self.stdout.write(f"{source.name}: {refusal}")
        return np.vstack(rows)


def spoken_track(text: str) -> Controls:
    """Controls (frames, CONTROL_COUNT) of `text` said by the default voice, the head still."""
    mouth = mouth_track(LocalVoice.shared().say(text))
    track = np.zeros((len(mouth), CONTROL_COUNT), np.float32)
    track[:, MOUTH] = mouth
    return track
