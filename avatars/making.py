"""The builder's door to the engine: what is heavy is imported here, when a build runs, and never by the web process."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from avatars.models import Build

FILM_BEGINS: Final = 0.52


class Refused(Exception):
    """The source cannot become an avatar; `message` says why in one sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclasses.dataclass(frozen=True, slots=True)
class Made:
    """What a build leaves: the file, its still picture (JPEG), its silent film (MP4), and what is known about them."""

    imx: Path
    poster: bytes
    preview: bytes
    kind: str
    report: dict[str, Any]


def make(build: Build, source: Path, out: Path, progress: Callable[[str, float, str], None]) -> Made:
    """Build `source` into `out`, and draw the pictures that show it.

    Raises `Refused`.
    """
    from avatars.build import BuildRefused, FacePoints, Stage, build_avatar
    from avatars.engine.portrait import Kind
    from avatars.imx import open_imx
    from avatars.preview import idle_film

    def told(stage: Stage, share: float, message: str) -> None:
        # Writing the file takes no time; the film that follows it does.
        progress(str(stage), min(share, FILM_BEGINS), message)

    def filmed(share: float) -> None:
        progress(str(Stage.PREVIEW), FILM_BEGINS + (1.0 - FILM_BEGINS) * share, "Drawing the preview.")

    points = build.points
    try:
        report = build_avatar(
            source,
            out,
            points=FacePoints.from_json(points) if points else None,
            kind=Kind(build.kind) if build.kind else None,
            licence=build.avatar.licence,
            consent=f"{build.consent_text} ({build.consent_at:%Y-%m-%d %H:%M} UTC)" if build.consent_at else "",
            progress=told,
        )
    except BuildRefused as refusal:
        raise Refused(refusal.code, refusal.message) from refusal
    opened = open_imx(out)
    portrait = opened.portrait()
    return Made(
        imx=out,
        poster=opened.poster(),
        preview=idle_film(portrait, filmed),
        kind=str(portrait.kind),
        report=report.to_json(),
    )
