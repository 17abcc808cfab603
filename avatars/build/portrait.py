"""From a picture file to a portrait: everything of a build that is about the face."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatars.build.cutout import character_matte, clean_plate
from avatars.build.decode import NEUTRAL_BGR, Source, decode, upright
from avatars.build.drawn import fitted_to_drawing, kind_of
from avatars.build.framing import EXTENDED_WARNING, Frame, Shot, cut, frame_around, frame_figure
from avatars.build.inspection import Findings, chosen_face, inspect_face
from avatars.build.muzzle import guess_muzzle
from avatars.build.points import FacePoints, fitted_mesh
from avatars.build.refusal import BuildRefused
from avatars.build.stage import BEGINS, Progress, Stage, silent
from avatars.engine.perception import Face, Perception
from avatars.engine.portrait import Kind, Portrait
from avatars.imx.manifest import SourceKind

SIZE_DEFAULT = (512, 512)
SIDE_MIN_PX = 256
SIDE_MAX_PX = 1920
GUESSED_WARNING = (
    "Parlo guessed where this animal's face is. If its mouth moves in the wrong place, mark the face by hand."
)


@dataclass(frozen=True, slots=True)
class Drafted:
    """A portrait, and what was learnt on the way to it."""

    portrait: Portrait
    findings: Findings
    faces_found: int
    source_kind: SourceKind
    recipe: dict[str, Any]


def picture_portrait(
    source: Path,
    points: FacePoints | None = None,
    *,
    size: tuple[int, int] = SIZE_DEFAULT,
    shot: Shot = Shot.FACE,
    kind: Kind | None = None,
) -> Portrait:
    """Return the portrait of a picture file handed in at run time, no `.imx` made. Raises `BuildRefused`."""
    return draft_portrait(source, size=size, shot=shot, points=points, kind=kind).portrait


def draft_portrait(
    source: Path,
    *,
    size: tuple[int, int] = SIZE_DEFAULT,
    shot: Shot = Shot.FACE,
    points: FacePoints | None = None,
    kind: Kind | None = None,
    progress: Progress = silent,
) -> Drafted:
    """Decode, find the face, frame it, measure it, cut it out. Raises `BuildRefused`."""
    check_size(size)
    marked = points

    def begin(stage: Stage) -> None:
        progress(stage, *BEGINS[stage])

    findings = Findings()
    begin(Stage.DECODE)
    opened = decode(source)
    begin(Stage.DETECT)
    faces: list[Face] = []
    if points is not None:
        opened, points, turned = upright(opened, points.scaled(opened.scale))
        if turned:
            findings.warnings.append("The picture was turned so that the face is upright.")
    else:
        faces = Perception.shared().faces(opened.picture)
        points = None if faces else _guessed(opened, findings)
    if points is None:
        landmarks, kind = _chosen(opened, faces, kind, findings)
    else:
        landmarks = _fitted(opened, points)
        kind = kind or kind_of(opened.picture, landmarks, marked=True)
    begin(Stage.CROP)
    picture_size = (opened.picture.shape[1], opened.picture.shape[0])
    frame = frame_around(landmarks, picture_size, size)
    if shot is Shot.FIGURE:
        frame = _around_figure(opened, landmarks, frame, size, findings)
    # Around what was cut out there is nothing to be mirrored.
    picture = cut(opened.picture, frame, size, beyond=None if opened.alpha is None else NEUTRAL_BGR)
    alpha = None if opened.alpha is None else cut(opened.alpha, frame, size, beyond=(0,))
    outside = frame.outside_share(*picture_size)
    if outside > EXTENDED_WARNING and alpha is None:
        findings.warnings.append("The face fills the picture, so the background was extended around it.")
    begin(Stage.LANDMARKS)
    landmarks = _refined(picture, frame.to_frame(landmarks, size), by_hand=points is not None)
    if kind is Kind.DRAWING:
        landmarks = fitted_to_drawing(picture, landmarks, marked=points is not None)
    begin(Stage.MATTE)
    matte, trusted = character_matte(picture, landmarks, alpha)
    if not trusted:
        findings.warnings.append(
            "The character could not be cut out cleanly; a plain background behind it will look better."
        )
    begin(Stage.PLATE)
    plate = clean_plate(picture, matte)
    findings.measures |= {
        "matte_share": round(float((matte > 127).mean()), 3),
        "source_scale": round(size[1] / frame.height * opened.scale, 3),
        "outside_share": round(outside, 3),
    }
    return Drafted(
        portrait=Portrait(picture, landmarks, matte, plate, kind, blink_limit=_blink_limit(kind, findings)),
        findings=findings,
        faces_found=len(faces),
        source_kind=_source_kind(kind, marked),
        recipe=_recipe(opened, frame, shot, marked),
    )


def check_size(size: tuple[int, int]) -> None:
    """Refuse output sizes the renderer and the codecs cannot take. Raises `BuildRefused`."""
    if any(side % 2 or not SIDE_MIN_PX <= side <= SIDE_MAX_PX for side in size):
        raise BuildRefused(
            "bad_size",
            f"Width and height have to be even numbers from {SIDE_MIN_PX} to {SIDE_MAX_PX}, such as 512x512.",
        )


def _around_figure(
    opened: Source, landmarks: NDArray[np.float32], closest: Frame, size: tuple[int, int], findings: Findings
) -> Frame:
    """Return the frame of the whole figure; the frame of the face where the picture has no room for a larger one."""
    shown = Perception.shared().matte(opened.picture) if opened.alpha is None else opened.alpha
    frame, whole = frame_figure(shown, landmarks, size, cut_out=opened.alpha is not None)
    if whole:
        return frame
    findings.warnings.append(
        "The whole figure does not fit into this size with a face large enough to be seen speaking; it was cropped."
    )
    return frame if frame.height > closest.height else closest


def _chosen(
    opened: Source, faces: list[Face], kind: Kind | None, findings: Findings
) -> tuple[NDArray[np.float32], Kind]:
    """Return the mesh of the face to animate, and its kind where none was asked for. Raises `BuildRefused`."""
    face = chosen_face(faces, findings)
    kind = kind or kind_of(opened.picture, face.landmarks, marked=False)
    inspect_face(opened.picture, face, opened.scale, kind, findings)
    findings.measures["points"] = FacePoints.of(face.landmarks).scaled(1 / opened.scale).to_json()
    return face.landmarks, kind


def _guessed(opened: Source, findings: Findings) -> FacePoints | None:
    """Return where an animal's face seems to be, in the working picture; None where nobody but a person can tell."""
    height, width = opened.picture.shape[:2]
    guess = guess_muzzle(opened.picture)
    if guess is None:
        return None
    try:
        guess.check(width, height)
    except BuildRefused:
        return None
    if kind_of(opened.picture, fitted_mesh(guess), marked=True) is Kind.DRAWING:
        # Spots of paint are more often anything else.
        return None
    findings.measures["points"] = guess.scaled(1 / opened.scale).to_json()
    findings.warnings.append(GUESSED_WARNING)
    return guess


def _fitted(opened: Source, points: FacePoints) -> NDArray[np.float32]:
    """Return the template bent to six points. Raises `BuildRefused`."""
    height, width = opened.picture.shape[:2]
    points.check(width, height)
    return fitted_mesh(points)


def _refined(picture: NDArray[np.uint8], landmarks: NDArray[np.float32], *, by_hand: bool) -> NDArray[np.float32]:
    """Measure the face again where it is drawn in its final size; points placed by hand are taken as they are."""
    if by_hand:
        return landmarks
    again = Perception.shared().refine(picture, landmarks)
    return landmarks if again is None else again.landmarks


def _blink_limit(kind: Kind, findings: Findings) -> float:
    """Return how far the lids may close: over dark glasses none are drawn. Drawn eyes may be as dark."""
    return 0.0 if kind is Kind.PHOTO and findings.measures.get("dark_glasses") else 1.0


def _source_kind(kind: Kind, points: FacePoints | None) -> SourceKind:
    if points is not None:
        return SourceKind.POINTS
    return SourceKind.DRAWING if kind is Kind.DRAWING else SourceKind.PHOTO


def _recipe(opened: Source, frame: Frame, shot: Shot, points: FacePoints | None) -> dict[str, Any]:
    return {
        "source": {"type": opened.header.type.value, "width": opened.header.width, "height": opened.header.height},
        "scale": round(opened.scale, 6),
        "shot": str(shot),
        "frame": [frame.left, frame.top, frame.width, frame.height],
        "points": None if points is None else points.to_json(),
    }
