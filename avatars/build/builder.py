"""From a picture or a video file to an `.imx` file."""

import time
from dataclasses import replace
from pathlib import Path

from avatars.build.advice import Tone, advise
from avatars.build.clip import is_clip
from avatars.build.framing import Shot
from avatars.build.moving import draft_moving
from avatars.build.points import FacePoints
from avatars.build.portrait import SIZE_DEFAULT, Drafted, draft_portrait
from avatars.build.preview import film
from avatars.build.refusal import BuildRefused
from avatars.build.report import BuildReport
from avatars.build.smile import with_teeth
from avatars.build.stage import BEGINS, CLIP_BEGINS, Progress, Stage, silent
from avatars.build.trial import try_mouth
from avatars.engine.face import Rig
from avatars.engine.portrait import Kind, Portrait
from avatars.imx import Manifest, write_imx
from avatars.imx.pictures import POSTER_QUALITY, encode_jpeg


class _Clock:
    """CPU and wall time, in total and per stage."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()
        self._stage: Stage | None = None
        self._stage_cpu = self._cpu
        self.stage_cpu_s: dict[str, float] = {}

    def begin(self, stage: Stage | None) -> None:
        if stage is self._stage:
            return
        now = time.process_time()
        if self._stage is not None:
            self.stage_cpu_s[self._stage] = round(now - self._stage_cpu, 3)
        self._stage, self._stage_cpu = stage, now

    @property
    def cpu_s(self) -> float:
        return round(time.process_time() - self._cpu, 3)

    @property
    def wall_s(self) -> float:
        return round(time.perf_counter() - self._wall, 3)


def build_avatar(
    source: Path,
    out: Path,
    *,
    size: tuple[int, int] = SIZE_DEFAULT,
    shot: Shot = Shot.FACE,
    points: FacePoints | None = None,
    kind: Kind | None = None,
    teeth: Path | None = None,
    blink_limit: float = 1.0,
    licence: str = "",
    consent: str = "",
    progress: Progress = silent,
) -> BuildReport:
    """Make the avatar file `out` of the picture or the video `source`.

    size: (width, height) in pixels, even. shot: how much of the character is shown.
    points: the face marked by hand, for pictures in which none is found.
    teeth: a second picture of the person, smiling, whose upper teeth are taken where the first shows closed lips.
    blink_limit: how far the lids may close, 0 to 1; with 0 the eyes look nowhere else either.
    licence, consent: words kept in the file. Raises `BuildRefused`.
    """
    if not out.parent.is_dir():
        raise BuildRefused("not_written", f"There is no folder {out.parent}. Create it, or name another file.")
    clock = _Clock()

    def watched(stage: Stage, share: float, message: str) -> None:
        clock.begin(stage)
        progress(stage, share, message)

    begins = CLIP_BEGINS if is_clip(source) else BEGINS
    drafted = _drafted(source, size, shot, points, kind, watched)
    if teeth is not None:
        watched(Stage.TEETH, *begins[Stage.TEETH])
        drafted = replace(drafted, portrait=with_teeth(drafted.portrait, teeth, drafted.findings))
    portrait = replace(drafted.portrait, blink_limit=min(blink_limit, drafted.portrait.blink_limit))
    watched(Stage.CHECK, *begins[Stage.CHECK])
    try_mouth(Rig.from_portrait(portrait), drafted.findings)
    watched(Stage.PREVIEW, *begins[Stage.PREVIEW])
    preview = film(portrait)
    watched(Stage.WRITE, *begins[Stage.WRITE])
    manifest = _written(
        out,
        portrait,
        Manifest(
            width=portrait.width,
            height=portrait.height,
            kind=portrait.kind,
            source_kind=drafted.source_kind,
            blink_limit=portrait.blink_limit,
            licence=licence,
            consent=consent,
            recipe=drafted.recipe,
            measures=drafted.findings.measures,
        ),
        poster=encode_jpeg(portrait.picture, POSTER_QUALITY),
        preview=preview,
    )
    clock.begin(None)
    remarks = advise(drafted.findings.measures, portrait.kind, drafted.findings.warnings)
    return BuildReport(
        ok=True,
        cpu_s=clock.cpu_s,
        wall_s=clock.wall_s,
        imx_bytes=out.stat().st_size,
        faces_found=drafted.faces_found,
        source_kind=drafted.source_kind,
        fps=manifest.fps,
        size=size,
        warnings=tuple(f"{each.text} {each.advice}".rstrip() for each in remarks if each.tone is Tone.BETTER),
        remarks=remarks,
        measures=drafted.findings.measures,
        stage_cpu_s=clock.stage_cpu_s,
    )


def _drafted(
    source: Path, size: tuple[int, int], shot: Shot, points: FacePoints | None, kind: Kind | None, progress: Progress
) -> Drafted:
    if not is_clip(source):
        return draft_portrait(source, size=size, shot=shot, points=points, kind=kind, progress=progress)
    if points is not None:
        raise BuildRefused("bad_points", "Points are for pictures; the face in a video is followed by itself.")
    return draft_moving(source, size=size, shot=shot, kind=kind or Kind.PHOTO, progress=progress)


def _written(out: Path, portrait: Portrait, manifest: Manifest, *, poster: bytes, preview: bytes) -> Manifest:
    try:
        return write_imx(out, portrait, manifest, poster=poster, preview=preview)
    except OSError as error:
        reason = error.strerror or "unknown error"
        raise BuildRefused("not_written", f"The file {out.name} could not be written: {reason}.") from error
