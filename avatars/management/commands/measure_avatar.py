"""`manage.py measure_avatar`: how good is a face, or a folder of faces, in numbers and on a page."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from django.core.management.base import BaseCommand, CommandParser

from avatars.build import BuildRefused
from avatars.engine.controls import CONTROL_COUNT, MOUTH
from avatars.engine.face.sheet import sheet
from avatars.engine.portrait import Portrait
from avatars.engine.speech import Speech, mouth_track
from avatars.imx import ImxError, open_imx
from avatars.management.commands.build_avatar import ProgressBar
from avatars.management.faces import faces_at, points_of, read_portrait
from avatars.management.script import ScriptRefused, add_script_arguments, read_script
from avatars.quality.bars import CEILINGS, bar_for
from avatars.quality.examination import Examination, examine
from avatars.quality.footage import FootageRefused, watch
from avatars.quality.idle import NOT_GIVEN, Motion, filmed
from avatars.quality.measure import measure
from avatars.quality.page import Face, page
from avatars.quality.recording import Recording

DEFAULT_TEXT: Final = (
    "My brother Bob may have bought five big apples, and father packed them in a box. "
    "Maybe you would like to watch a film about a man who built boats by the harbour. "
    "What would you like to talk about?"
)


class MeasuringFailed(Exception):
    """What was asked for cannot be measured or written; the text is a sentence for people."""


REFUSALS: Final = (BuildRefused, ImxError, ScriptRefused, FootageRefused, MeasuringFailed)


class Command(BaseCommand):
    """Lets avatar files or pictures speak and measures what is seen."""

    help = "Draw avatar files or pictures speaking, find their faces again in every frame, and measure them."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "source",
            type=Path,
            help="avatar file (.imx), picture (JPEG, PNG, WebP), or a folder of them; NAME.points.json beside a picture "
            "holds six points of its face",
        )
        parser.add_argument("--points", type=Path, help="JSON file with six points of the face, for one picture")
        parser.add_argument(
            "--real",
            type=Path,
            help="film of a real speaker, to hold the faces against; the clip an avatar was made from, to hold its loop against",
        )
        parser.add_argument("--page", type=Path, help="HTML page to write, with charts and contact sheets")
        parser.add_argument("--out", type=Path, help="JSON file to write")
        parser.add_argument("--json", action="store_true", help="print the measures as one JSON object, the last line")
        parser.add_argument("--strict", action="store_true", help="exit with status 1 where a bar is missed")
        add_script_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Measure and report; exit status 1 where that cannot be done."""
        try:
            figures = self._measured(options)
            _write(options["out"], lambda: json.dumps(figures, indent=1))
        except REFUSALS as refusal:
            figures = {"ok": False, "error": str(refusal)}
            self.stderr.write(self.style.ERROR(str(refusal)))
        if options["json"]:
            self.stdout.write(json.dumps(figures))
        missed = any(face.get("missed") for face in figures.get("faces", [figures]))
        if not figures["ok"] or (options["strict"] and missed):
            raise SystemExit(1)

    def _measured(self, options: dict[str, Any]) -> dict[str, Any]:
        source: Path = options["source"]
        sources = faces_at(source)
        for target in (options["page"], options["out"]):
            if target is not None and not target.parent.is_dir():
                raise MeasuringFailed(f"There is no folder {target.parent}. Create it, or name another file.")
        speech = read_script(options, DEFAULT_TEXT)
        real = self._real(options["real"]) if options["real"] else None
        faces = []
        for each in sources:
            try:
                portrait = read_portrait(each, points_of(each, options["points"]))
                clip = _clip(each, options["real"])
                faces.append(
                    self._face(each.name, portrait, speech, real, clip, with_sheet=options["page"] is not None)
                )
            except REFUSALS as refusal:
                if not source.is_dir():
                    raise
                faces.append(Face(each.name, refusal=str(refusal)))
                self.stdout.write(f"{each.name}: {refusal}")
        ceilings = dict(CEILINGS) if real is None else {options["real"].name: measure(real), **CEILINGS}
        _write(options["page"], lambda: page(faces, speech.text, ceilings))
        figures = [_figures(face) for face in faces]
        if not source.is_dir():
            return figures[0]
        return {"ok": True, "error": None, "faces": figures, "ceilings": {k: m.to_json() for k, m in ceilings.items()}}

    def _real(self, path: Path) -> Recording:
        bar = ProgressBar(sys.stderr)
        try:
            return watch(path, lambda share: bar.draw(share, f"Watching {path.name}."))
        finally:
            bar.close()

    def _face(
        self,
        name: str,
        portrait: Portrait,
        speech: Speech,
        real: Recording | None,
        clip: Motion | str,
        *,
        with_sheet: bool,
    ) -> Face:
        bar = ProgressBar(sys.stderr)
        try:
            found = examine(
                portrait, speech, lambda share: bar.draw(share, f"Watching {name} speak."), real=real, clip=clip
            )
        finally:
            bar.close()
        self._say(name, found)
        if not with_sheet:
            return Face(name, found)
        mouth = mouth_track(speech)
        track = np.zeros((len(mouth), CONTROL_COUNT), np.float32)
        track[:, MOUTH] = mouth
        return Face(name, found, sheet(portrait, track), portrait.picture)

    def _say(self, name: str, found: Examination) -> None:
        verdicts, measures = found.verdicts, found.measures
        self.stdout.write(f"{name}: {sum(map(bool, verdicts.values()))} bars met, {len(found.missed)} missed")
        for each, value in measures.to_json().items():
            if each in {"reasons", "group_table"}:
                continue
            shown = "-" if value is None else f"{value:g}"
            bar = bar_for(each, measures)
            verdict = {True: "ok", False: "MISSED", None: ""}[verdicts.get(each)]
            note = measures.reasons.get(each, f"{bar}" if bar else "")
            self.stdout.write(f"  {each:<25} {shown:>9}  {verdict:<7} {note}".rstrip())
        for sentence in found.faults:
            self.stdout.write(self.style.WARNING(f"  {sentence}"))


def _clip(source: Path, real: Path | None) -> Motion | str:
    """The motion of the clip that an avatar file was made from, or why it is not known."""
    if real is None or source.suffix.lower() != ".imx":
        return NOT_GIVEN
    manifest = open_imx(source).manifest
    return filmed(real, manifest.recipe, (manifest.width, manifest.height))


def _figures(face: Face) -> dict[str, Any]:
    if face.examination is None:
        return {"name": face.name, "ok": False, "error": face.refusal}
    return {"name": face.name, "ok": True, "error": None, **face.examination.to_json()}


def _write(path: Path | None, content: Callable[[], str]) -> None:
    """Write a text file where one is asked for. Raises `MeasuringFailed`."""
    if path is None:
        return
    try:
        path.write_text(content(), encoding="utf-8")
    except OSError as error:
        raise MeasuringFailed(f"The file {path} cannot be written: {error.strerror}.") from error
