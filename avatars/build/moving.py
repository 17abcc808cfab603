"""From a video file to a portrait that moves: everything of a build that is about a clip's face."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from avatars.build.clip import Clip, open_clip
from avatars.build.cutout import character_matte, clean_plate
from avatars.build.framing import EXTENDED_WARNING, Frame, Shot, cut, frame_around, frame_figure
from avatars.build.hands import Unobstructed, hand_at_mouth
from avatars.build.harvest import IOD_MIN_PX, candidates, upper_teeth
from avatars.build.inside import inside_colours
from avatars.build.inspection import Findings, measure_light
from avatars.build.loop import Loop, Seam
from avatars.build.neutral import RestingFace
from avatars.build.portrait import Drafted, check_size
from avatars.build.refusal import BuildRefused
from avatars.build.stage import CLIP_BEGINS, Progress, Stage, silent
from avatars.build.stretch import Stretch, choose_stretch
from avatars.build.tracking import Track, follow
from avatars.engine.face.i420 import i420_of
from avatars.engine.footage import Footage, encode
from avatars.engine.perception import Perception, eye_distance_px
from avatars.engine.portrait import Kind, Portrait
from avatars.imx.manifest import SourceKind

FACE_MIN_PX: Final = 44.0
HIDDEN_MAX: Final = 0.8
# So often another stretch is looked for where hands are in the way; they are looked for so often in each second.
TRIES: Final = 4
LOOKS_HZ: Final = 5.0
HAND_GUARD_S: Final = 0.3
LOOK_SIDE_PX: Final = 256
HANDS: Final = (
    "A hand comes before the mouth or beside the chin in this video, and may be moved along with the lips. "
    "Record 10 seconds with the hands away from the face."
)
# Another face counts that is so high, compared with the one that speaks, and is seen so often.
OTHER_FACE: Final = 0.5
OTHER_TIMES: Final = 2
SHORT_LOOP_S: Final = 3.0
# Of a picture that was enlarged, so many pixels of blur for each it was enlarged by.
BLUR_PER_SCALE: Final = 0.38
BLUR_FROM: Final = 1.2

_FOREHEAD_TOP, _CHIN = 10, 152

Array = NDArray[np.float32]


def draft_moving(
    source: Path, *, size: tuple[int, int], shot: Shot, kind: Kind, progress: Progress = silent
) -> Drafted:
    """Follow the face, choose the quietest seconds, bring the mouth to rest in them. Raises `BuildRefused`."""
    check_size(size)
    findings = Findings()

    def begin(stage: Stage) -> None:
        progress(stage, *CLIP_BEGINS[stage])

    begin(Stage.DECODE)
    clip = open_clip(source)
    begin(Stage.DETECT)
    track = follow(clip, lambda share: progress(Stage.DETECT, 0.02 + 0.46 * share, "Following the face."))
    begin(Stage.CROP)
    track, stretch, hands = _without_hands(clip, track, size)
    if hands:
        findings.warnings.append(HANDS)
    frame = _framed(clip, track, stretch, size, shot, findings)
    _inspect(track, stretch, frame, findings)
    loop = Loop(clip, track, stretch, frame, size)
    begin(Stage.LANDMARKS)
    rest = _resting(loop, track, stretch, frame, size)
    begin(Stage.LOOP)
    seam = Seam()
    pictures = seam.watch(loop.pictures(rest), loop)
    first = next(pictures)

    def told() -> Iterator[NDArray[np.uint8]]:
        yield i420_of(first)
        for index, picture in enumerate(pictures):
            progress(Stage.LOOP, 0.55 + 0.25 * index / loop.count, "Drawing the loop.")
            yield i420_of(picture)

    packets = tuple(encode(told(), *size))
    marks = loop.landmarks(loop.moments[0])
    face = Perception.shared().refine(first, marks)
    if face is None:
        raise BuildRefused("no_steady_face", "The face of this video cannot be measured. Use a sharper one.")
    scale = size[1] / frame.height
    measure_light(first, face, findings)
    begin(Stage.MATTE)
    matte, _ = character_matte(first, face.landmarks, None)
    begin(Stage.PLATE)
    plate = clean_plate(first, matte)
    begin(Stage.TEETH)
    shown = _shown(clip, track, stretch, frame, size)
    teeth = upper_teeth(shown, first, face.landmarks)
    footage = Footage(packets, _poses(loop, rest), BLUR_PER_SCALE * scale if scale > BLUR_FROM else 0.0)
    portrait = Portrait(first, face.landmarks, matte, plate, kind, footage=footage, teeth=teeth)
    inside = inside_colours(clip, track, stretch, frame, size, portrait)
    portrait = replace(portrait, footage=replace(footage, inside=inside.colours))
    findings.measures |= {
        "pose_deg": [round(value, 1) for value in face.pose_deg],
        "iod_px": round(face.iod_px / scale, 1),
        "face_height_px": round(_height(track, stretch), 1),
        "opening_iod": round(face.opening_iod, 4),
        "matte_share": round(float((matte > 127).mean()), 3),
        "source_scale": round(scale, 3),
        "clip_s": round(float(track.times_s[-1]) + 1 / clip.rate_hz, 2),
        "loop_s": round(loop.count / 25, 2),
        "loop_from_s": round(float(track.times_s[stretch.first]), 2),
        "loop_seam": round(seam.ratio, 2),
        "has_sound": clip.sounds,
        "own_teeth": teeth is not None,
        "mouth_db": [None if db is None else round(db, 2) for db in (inside.before_db, inside.after_db)],
        "mouth_share_laid_over": round(loop.patched, 3),
    }
    return Drafted(
        portrait=portrait,
        findings=findings,
        faces_found=track.faces,
        source_kind=SourceKind.VIDEO,
        recipe=_recipe(clip, stretch, frame),
    )


def _without_hands(clip: Clip, track: Track, size: tuple[int, int]) -> tuple[Track, Stretch, bool]:
    """The loop, if possible of pictures without a hand at the mouth, a track without the others, and whether a hand is
    still there. Raises `BuildRefused`."""
    picture_size = clip.width, clip.height
    chosen = choose_stretch(track, clip.rate_hz, picture_size, size)
    free, stretch = track, chosen
    for _ in range(TRIES):
        covered = _with_hands(clip, free, stretch)
        if not covered.any():
            return free, stretch, False
        free = replace(free, found=free.found & ~covered)
        try:
            stretch = choose_stretch(free, clip.rate_hz, picture_size, size)
        except BuildRefused:
            break
    return track, chosen, True


def _with_hands(clip: Clip, track: Track, stretch: Stretch) -> NDArray[np.bool_]:
    """In which pictures of a clip a hand is at the mouth, as far as a stretch and its reference tell: (n,)."""
    frame = frame_around(
        np.median(track.landmarks[stretch.first : stretch.last], axis=0),
        (clip.width, clip.height),
        (LOOK_SIDE_PX, LOOK_SIDE_PX),
    )
    wanted = set(range(stretch.first - stretch.meeting, stretch.last, max(1, round(clip.rate_hz / LOOKS_HZ))))
    first, last = min(*wanted, stretch.reference), max(*wanted, stretch.reference)
    pictures = {
        index: cut(picture, frame, (LOOK_SIDE_PX, LOOK_SIDE_PX))
        for index, (_, picture) in enumerate(clip.pictures(first, last), first)
        if index in wanted or index == stretch.reference
    }

    def marks(index: int) -> Array:
        return frame.to_frame(track.landmarks[index], (LOOK_SIDE_PX, LOOK_SIDE_PX))

    plain = Unobstructed(pictures[stretch.reference], marks(stretch.reference))
    seen = [
        index
        for index, picture in pictures.items()
        if hand_at_mouth(plain.in_front(picture, marks(index)), picture, marks(index))
    ]
    if len(seen) > len(pictures) / 2:
        # Then it is in the picture that the others are compared with.
        seen = [stretch.reference]
    covered = np.zeros(len(track), np.bool_)
    guard = round(HAND_GUARD_S * clip.rate_hz)
    for index in seen:
        covered[max(0, index - guard) : index + guard + 1] = True
    return covered


def _inspect(track: Track, stretch: Stretch, frame: Frame, findings: Findings) -> None:
    """Refuse what would not become a good avatar, and note what could be better."""
    height_px = _height(track, stretch)
    if height_px < FACE_MIN_PX:
        raise BuildRefused(
            "face_too_small",
            f"The face is only {height_px:.0f} pixels high and needs {FACE_MIN_PX:.0f}. "
            "Use a video taken from closer, or a larger one.",
        )
    if track.hidden > HIDDEN_MAX:
        raise BuildRefused(
            "mouth_covered", "The mouth is covered nearly all the time. Use a video that shows the whole face."
        )
    if track.others_in(frame, OTHER_FACE * height_px) >= OTHER_TIMES:
        raise BuildRefused(
            "several_people", "Somebody else is in the picture beside the face. Use a video of one person alone."
        )
    said = findings.warnings.append
    if track.faces > 1:
        said(f"There are {track.faces} faces in this video; the largest one was taken.")
    if track.shots[-1] > 0:
        said("This video has cuts; the loop was taken from one shot.")
    seconds = float(track.times_s[stretch.last] - track.times_s[stretch.first])
    if seconds < SHORT_LOOP_S:
        said(
            f"Only {seconds:.1f} seconds were quiet enough to be repeated, which will be noticed. "
            "Record 10 seconds of looking at the camera in silence."
        )


def _framed(clip: Clip, track: Track, stretch: Stretch, size: tuple[int, int], shot: Shot, findings: Findings) -> Frame:
    """The frame for all of the loop: around where the face usually is, or around the figure of one picture."""
    said = findings.warnings.append
    if shot is Shot.FIGURE:
        _, picture = next(clip.pictures(stretch.reference, stretch.reference))
        frame, whole = frame_figure(
            Perception.shared().matte(picture), track.landmarks[stretch.reference], size, cut_out=False
        )
        if not whole:
            said("Not all of the figure fits into the picture; it is shown from the head downwards.")
        return frame
    usual = np.median(track.landmarks[stretch.first : stretch.last], axis=0)
    frame = frame_around(usual, (clip.width, clip.height), size)
    if frame.outside_share(clip.width, clip.height) > EXTENDED_WARNING:
        said("The face fills the video, so the background was extended around it.")
    return frame


def _height(track: Track, stretch: Stretch) -> float:
    """The face from hairline to chin, pixels of the clip."""
    marks = track.landmarks[stretch.first : stretch.last]
    return float(np.median(np.linalg.norm(marks[:, _CHIN, :2] - marks[:, _FOREHEAD_TOP, :2], axis=1)))


def _resting(loop: Loop, track: Track, stretch: Stretch, frame: Frame, size: tuple[int, int]) -> RestingFace:
    picture = next(loop.cut(stretch.closed, stretch.closed))
    return RestingFace(picture, frame.to_frame(track.landmarks[stretch.closed], size))


def _shown(
    clip: Clip, track: Track, stretch: Stretch, frame: Frame, size: tuple[int, int]
) -> list[tuple[NDArray[np.uint8], Array]]:
    """Pictures that may show teeth, cut to the frame, with their landmarks."""
    if eye_distance_px(track.landmarks[stretch.reference]) < IOD_MIN_PX:
        return []
    wanted = candidates(track, stretch)
    if not wanted:
        return []
    pictures = enumerate(clip.pictures(wanted[0], wanted[-1]), wanted[0])
    return [
        (cut(picture, frame, size), frame.to_frame(track.landmarks[index], size))
        for index, (_, picture) in pictures
        if index in wanted
    ]


def _poses(loop: Loop, rest: RestingFace) -> Array:
    """Where the mouth of the loop's first picture is in each of them, (frames, 2, 3)."""
    matrices = [np.vstack([rest.mouth_pose(loop.landmarks(moment)), [0, 0, 1]]) for moment in loop.moments]
    home = np.linalg.inv(matrices[0])
    return np.stack([(matrix @ home)[:2] for matrix in matrices]).astype(np.float32)


def _recipe(clip: Clip, stretch: Stretch, frame: Frame) -> dict[str, Any]:
    return {
        "source": {"type": clip.codec, "width": clip.width, "height": clip.height, "rate_hz": round(clip.rate_hz, 3)},
        "frame": [frame.left, frame.top, frame.width, frame.height],
        "loop": asdict(stretch),
    }
