"""The builder's door to the engine: what is heavy is imported here, when a build runs, and never by the web process."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from avatars.models import Build


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
    size_px: tuple[int, int]
    report: dict[str, Any]


def make(
    build: Build, source: Path, out: Path, progress: Callable[[str, float, str], None], teeth: Path | None
) -> Made:
    """Build `source` into `out`, with the teeth of the picture `teeth`.

    Raises `Refused`.
    """
    from avatars.build import BuildRefused, FacePoints, Shot, Stage, build_avatar
    from avatars.engine.portrait import Kind
    from avatars.imx import open_imx

    def told(stage: Stage, share: float, message: str) -> None:
        progress(str(stage), share, message)

    points = build.points
    try:
        report = build_avatar(
            source,
            out,
            size=build.size_px,
            shot=Shot(build.shot),
            points=FacePoints.from_json(points) if points else None,
            kind=Kind(build.kind) if build.kind else None,
            teeth=teeth,
            blink_limit=0.0 if points and points.get("still_eyes") else 1.0,
            licence=build.avatar.licence,
            consent=f"{build.consent_text} ({build.consent_at:%Y-%m-%d %H:%M} UTC)" if build.consent_at else "",
            progress=told,
        )
    except BuildRefused as refusal:
        raise Refused(refusal.code, refusal.message) from refusal
    opened = open_imx(out)
    return Made(
        imx=out,
        poster=opened.poster(),
        preview=opened.preview() or b"",
        kind=str(opened.manifest.kind),
        size_px=(opened.manifest.width, opened.manifest.height),
        report=report.to_json(),
    )
