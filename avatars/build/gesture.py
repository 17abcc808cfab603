"""A gesture from a further clip of a person in a video: drawn where the loop has them, the mouth at rest, joined to it.

The face is followed, the clip laid over the loop and brought to its colours. It begins and ends at the pictures that are
most like the loop. What comes in front of the face is found, so that the drawn mouth keeps away from it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.build.clip import Clip, open_clip
from avatars.build.colours import Colours, match_colours
from avatars.build.framing import Frame, cut
from avatars.build.hands import Unobstructed, free_share, lips_share
from avatars.build.loop import SAME_RATE_HZ, Winder
from avatars.build.neutral import SOLID, RestingFace, moved, patch_amounts, similarity
from avatars.build.refusal import BuildRefused
from avatars.build.tracking import Track, follow
from avatars.engine.controls import FRAME_RATE_HZ
from avatars.engine.face.bridging import Bridge
from avatars.engine.face.i420 import bgr_of, i420_of
from avatars.engine.footage import Footage, Reel, encode
from avatars.engine.perception import Perception, eye_distance_px
from avatars.engine.portrait import Portrait
from avatars.engine.recorded import FRAMES_MAX, FRAMES_MIN, LIMIT, RecordedGesture
from avatars.imx import Imx, OversizedImx, open_imx, rewrite_gestures

SECONDS_MIN: Final = 1.0
SECONDS_MAX: Final = 10.0
SAME_PERSON: Final = 0.5
IDENTITIES: Final = 7
# The face may be lost behind a hand for so long.
LOST_MAX_S: Final = 0.6
OTHER_FACE: Final = 0.5
OTHER_TIMES: Final = 2
# How much larger or smaller the face may be than in the loop's own clip.
SCALE_MAX: Final = 1.5
OUTSIDE_MAX: Final = 0.06
# So much of the clip, at most, is left out at its beginning and at its end for a better join.
TRIMMED_SHARE: Final = 0.25
TRIMMED_S: Final = 1.2
TRIM_COST_PER_S: Final = 0.8
# Small pictures of the loop and of the clip, for everything that is compared: a cell of 8 pixels has three.
SMALL_SHARE: Final = 3 / 8
# Where the join is half done, what both sides disagree on: grey levels, and the share of such pixels.
GHOST_GREY: Final = 36
GHOST_SHARE_MAX: Final = 0.02
# How far the head may be from the loop's at a join: larger or smaller, aside in IOD, and tilted.
JOIN_SCALE: Final = 0.10
JOIN_SHIFT_IOD: Final = 0.4
JOIN_TILT_DEG: Final = 7.0
COVERED_MAX: Final = 0.85
# Lips fade so long before something touches them, and come back as long after.
FADE_S: Final = 0.2
QUALITY: Final = 13
RATE_MAX_KBIT_S: Final = 4500
CELL_PX: Final = 8

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]
Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A gesture, what is worth telling its creator, and what was measured."""

    gesture: RecordedGesture
    warnings: tuple[str, ...]
    measures: dict[str, Any]


def add_gesture(imx: Path, clip: Path, name: str, label: str, out: Path, progress: Progress) -> Recorded:
    """Write the avatar file `out`: that of `imx` with one gesture more, or another in place of one with its name.

    Raises `BuildRefused`, in words, and `ImxError` for an avatar file that cannot be read.
    """
    opened = open_imx(imx)
    portrait = opened.portrait()
    if portrait.footage is None:
        raise BuildRefused(
            "not_moving",
            "Only an avatar from a video can have recorded gestures: a photo has no moving picture to join.",
        )
    recorded = record_gesture(opened, portrait, clip, name, label, progress)
    progress(0.96, "Writing the avatar.")
    put_in(imx, recorded.gesture, out)
    return recorded


def put_in(imx: Path, gesture: RecordedGesture, out: Path) -> None:
    """Write the avatar file `out`: that of `imx` with a gesture more, or in place of one with its name.

    Raises `BuildRefused` where there are too many, or the file would be too large.
    """
    opened = open_imx(imx)
    others = [one for one in opened.portrait().recorded if one.name != gesture.name]
    if len(others) >= LIMIT:
        raise BuildRefused("too_many", f"{LIMIT} recorded gestures are the most. Remove one first.")
    try:
        rewrite_gestures(out, opened, (*others, gesture))
    except OversizedImx as error:
        raise BuildRefused("too_large", error.message) from error


def take_out(imx: Path, name: str, out: Path) -> None:
    """Write the avatar file `out`: that of `imx` without the gesture of this name."""
    opened = open_imx(imx)
    rewrite_gestures(out, opened, tuple(one for one in opened.portrait().recorded if one.name != name))


def record_gesture(imx: Imx, portrait: Portrait, source: Path, name: str, label: str, progress: Progress) -> Recorded:
    """Make a gesture for the loop of a portrait. Raises `BuildRefused`."""
    progress(0.0, "Opening the clip.")
    clip = open_clip(source, least_s=SECONDS_MIN, most_s=SECONDS_MAX)
    track = follow(clip, lambda share: progress(0.02 + 0.38 * share, "Following the face."))
    progress(0.40, "Comparing the person and the place.")
    _inspect(track, clip)
    loop = _small_loop(portrait)
    marks = _filled(track)
    _same_person(portrait, clip, track)
    frame = _placed(imx, portrait, clip, marks, loop)
    _alone(track, frame)
    laid = _laid(clip, frame, marks, loop)
    ends = _joined(laid, portrait, clip.rate_hz)
    progress(0.46, "Looking for hands in front of the face.")
    size = portrait.width, portrait.height
    front = _front(laid, ends, size, clip.rate_hz)
    drawing = _Drawing(clip, frame, laid, ends, front, portrait)
    count = len(drawing.ats)
    if not FRAMES_MIN <= count <= FRAMES_MAX:
        raise BuildRefused(
            "too_short", f"Only {count / FRAME_RATE_HZ:.1f} seconds of this clip can be used. Record more."
        )
    warnings = []
    lips = np.array([drawing.lips(at) for at in drawing.ats], np.float32)
    if lips.mean() < 1 - COVERED_MAX:
        raise BuildRefused(
            "mouth_covered", "Something is in front of the mouth nearly all the time. Keep the mouth free in the clip."
        )
    if lips.min() < 0.5:
        covered_s = float((lips < 0.5).mean()) * count / FRAME_RATE_HZ
        warnings.append(f"Something is in front of the mouth for {covered_s:.1f} seconds; there the lips stay at rest.")

    def told() -> Iterator[Picture]:
        for index, picture in enumerate(drawing.pictures()):
            progress(0.52 + 0.44 * index / count, "Drawing the gesture.")
            yield i420_of(picture)

    packets = tuple(encode(told(), *size, quality=QUALITY, rate_max_kbit_s=RATE_MAX_KBIT_S))
    free = np.stack([drawing.free(at) for at in drawing.ats])
    gesture = RecordedGesture(
        name,
        label,
        Footage(packets, np.stack([drawing.pose(at) for at in drawing.ats])),
        lips,
        enter=laid.apart(ends.first),
        leave=laid.apart(ends.last),
        free=None if (free == np.uint8(255)).all() else free,
    )
    measures = {
        "seconds": round(count / FRAME_RATE_HZ, 2),
        "trimmed_s": [round(value / clip.rate_hz, 2) for value in (ends.first, len(track) - 1 - ends.last)],
        "join_grey": [round(float(one.min()), 1) for one in (gesture.enter, gesture.leave)],
        "ghost_share": [round(value, 4) for value in ends.ghosts],
        "in_front_share": round(float((free < np.uint8(128)).any(axis=(1, 2)).mean()), 3),
        "lips_share": round(float(lips.mean()), 3),
        "bytes": sum(map(len, packets)),
    }
    return Recorded(gesture, tuple(warnings), measures)


def _inspect(track: Track, clip: Clip) -> None:
    """Refuse what no gesture can be made of."""
    lost, longest = 0, 0
    for found in track.found:
        lost = 0 if found else lost + 1
        longest = max(longest, lost)
    if not track.found.any():
        raise BuildRefused("no_steady_face", "Parlo found no face in this clip. Show it from the front.")
    if longest > LOST_MAX_S * clip.rate_hz or not (track.found[0] and track.found[-1]):
        raise BuildRefused("face_left", "The face leaves the picture in this clip, or turns away. Keep it in view.")
    if track.shots[-1] > 0:
        raise BuildRefused("cuts", "This clip is cut. Record the gesture in one go.")


def _alone(track: Track, frame: Frame) -> None:
    heights = np.linalg.norm(track.landmarks[:, 152, :2] - track.landmarks[:, 10, :2], axis=1)
    if track.others_in(frame, OTHER_FACE * float(np.nanmedian(heights))) >= OTHER_TIMES:
        raise BuildRefused("several_people", "Somebody else is in this clip beside the face. Record it alone.")


def _filled(track: Track) -> Array:
    """The landmarks (n, 478, 3), drawn straight through where the face was lost for a moment."""
    flat = track.landmarks.reshape(len(track), -1)
    at = np.arange(len(track))
    known = at[track.found]
    low = np.clip(np.searchsorted(known, at, side="right") - 1, 0, len(known) - 1)
    high = np.clip(low + 1, 0, len(known) - 1)
    share = np.clip((at - known[low]) / np.maximum(known[high] - known[low], 1), 0, 1).astype(np.float32)[:, None]
    return np.asarray(flat[known[low]] * (1 - share) + flat[known[high]] * share, np.float32).reshape(-1, 478, 3)


def _same_person(portrait: Portrait, clip: Clip, track: Track) -> None:
    perception = Perception.shared()
    face = perception.refine(portrait.picture, portrait.landmarks)
    known = np.flatnonzero(track.found)
    wanted = set(known[np.linspace(0, len(known) - 1, IDENTITIES).round().astype(int)].tolist())
    if face is None:
        raise BuildRefused("no_steady_face", "The face of this avatar cannot be measured. Build it again.")
    reference = perception.embedding(portrait.picture, face)
    likeness = []
    for index, (_, picture) in enumerate(clip.pictures()):
        if index in wanted and (seen := perception.refine(picture, track.landmarks[index])) is not None:
            likeness.append(float(perception.embedding(picture, seen) @ reference))
    if not likeness or float(np.median(likeness)) < SAME_PERSON:
        raise BuildRefused(
            "other_person", "This clip shows somebody else. Use one of the person in the avatar's video."
        )


@dataclass(frozen=True, slots=True)
class _Small:
    """The loop in small: pictures (n, height, width, 3) uint8 BGR, and scale, how small they are."""

    pictures: Picture
    greys: Picture

    @property
    def size(self) -> tuple[int, int]:
        return self.pictures.shape[2], self.pictures.shape[1]


def _small_loop(portrait: Portrait) -> _Small:
    assert portrait.footage is not None
    size = round(portrait.width * SMALL_SHARE), round(portrait.height * SMALL_SHARE)
    reel = Reel(portrait.footage, portrait.width, portrait.height)
    pictures = np.stack([_resized(bgr_of(reel.next()[1]), size) for _ in range(len(portrait.footage))])
    return _Small(pictures, _greys(pictures))


def _resized(picture: Picture, size: tuple[int, int]) -> Picture:
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _greys(pictures: Picture) -> Picture:
    """As grey as they are compared, and half as large again: (n, rows, columns)."""
    half = pictures.shape[2] // 2, pictures.shape[1] // 2
    return np.stack([_resized(np.asarray(cv2.cvtColor(one, cv2.COLOR_BGR2GRAY), np.uint8), half) for one in pictures])


def _placed(imx: Imx, portrait: Portrait, clip: Clip, marks: Array, loop: _Small) -> Frame:
    """What of the clip will be the avatar's picture. Raises `BuildRefused` where the framing differs too much."""
    recipe, scale_before = imx.manifest.recipe, float(imx.manifest.measures["source_scale"])
    before = Frame(*recipe["frame"])
    outside = before.outside_share(recipe["source"]["width"], recipe["source"]["height"])
    solid = list(SOLID)
    usual = np.median(marks[: max(2, round(0.3 * clip.rate_hz))], axis=0)
    fit = similarity(usual[solid, :2], portrait.landmarks[solid, :2])
    scale = float(np.hypot(*fit[:, 0]))
    size_ratio = scale * clip.height / (scale_before * recipe["source"]["height"])
    middle = usual[solid, :2].mean(axis=0) - portrait.landmarks[solid, :2].mean(axis=0) / scale
    left, top = (round(float(value)) for value in middle)
    by_face = Frame(left, top, round(portrait.width / scale), round(portrait.height / scale))
    frames = [by_face]
    same_size = (recipe["source"]["width"], recipe["source"]["height"]) == (clip.width, clip.height)
    if same_size:
        frames.append(before)
    if not 1 / SCALE_MAX < size_ratio < SCALE_MAX:
        word = "smaller" if size_ratio > 1 else "larger"
        raise BuildRefused(
            "framing", f"The face is much {word} in this clip than in the avatar's video. Keep the same distance."
        )
    fitting = [one for one in frames if one.outside_share(clip.width, clip.height) <= outside + OUTSIDE_MAX]
    if not fitting:
        raise BuildRefused(
            "framing", "The avatar's picture reaches beyond this clip. Frame the person as in the avatar's video."
        )
    first = next(clip.pictures())[1]
    return min(fitting, key=lambda one: _nearest(_greys(cut(first, one, loop.size)[None])[0], loop.greys))


def _nearest(grey: Picture, others: Picture) -> float:
    """How far a grey picture is from the nearest of others, its lightness left aside."""
    levelled = grey.astype(np.float32) - grey.mean()
    apart = [np.abs(levelled - (one.astype(np.float32) - one.mean())).mean() for one in others]
    return float(min(apart))


@dataclass(frozen=True, slots=True)
class _Laid:
    """The clip laid over the loop in small, in its colours. marks: in pixels of the avatar's picture, (n, 478, 3)."""

    pictures: Picture
    greys: Picture
    marks: Array
    loop: _Small
    colours: Colours
    scale: float

    def apart(self, index: int) -> Array:
        """How far the pictures of the loop are from one of the clip, grey levels: (loop frames,)."""
        return np.array([cv2.absdiff(self.greys[index], one).mean() for one in self.loop.greys], np.float32)

    def small_marks(self, index: int) -> Array:
        return np.asarray(self.marks[index] * np.float32(self.scale), np.float32)


def _laid(clip: Clip, frame: Frame, marks: Array, loop: _Small) -> _Laid:
    size = round(loop.size[0] / SMALL_SHARE), round(loop.size[1] / SMALL_SHARE)
    pictures = np.stack([cut(picture, frame, loop.size) for _, picture in clip.pictures()][: len(marks)])
    count = len(pictures)
    begin = _greys(pictures[:1])[0]
    nearest = int(np.argmin([_nearest(begin, one[None]) for one in loop.greys]))
    colours = match_colours(pictures[0], loop.pictures[nearest])
    pictures = np.stack([colours.applied(one) for one in pictures])
    placed = np.stack([frame.to_frame(one, size) for one in marks[:count]])
    return _Laid(pictures, _greys(pictures), placed, loop, colours, loop.size[0] / size[0])


@dataclass(frozen=True, slots=True)
class _Ends:
    """The first and the last picture of the clip that are used, and how much of each join is seen twice."""

    first: int
    last: int
    ghosts: tuple[float, float]


def _joined(laid: _Laid, portrait: Portrait, rate_hz: float) -> _Ends:
    """Choose where the gesture begins and ends. Raises `BuildRefused` where either does not join the loop."""
    assert portrait.footage is not None
    count, loop = len(laid.pictures), laid.loop
    rest = RestingFace(portrait.picture, portrait.landmarks)
    most = max(1, min(round(TRIMMED_S * rate_hz), int(TRIMMED_SHARE * count)))
    found, ghosts = [], []
    for ends, words in ((range(most), "begin"), (range(count - 1, count - 1 - most, -1), "end")):
        costs = [
            float(np.percentile(laid.apart(index), 20)) + TRIM_COST_PER_S * trimmed / rate_hz
            for trimmed, index in enumerate(ends)
        ]
        chosen = ends[int(np.argmin(costs))]
        nearest = int(laid.apart(chosen).argmin())
        pose = portrait.footage.poses[nearest]
        ghost = _ghost_share(laid.pictures[chosen], loop.pictures[nearest])
        near = _is_near(rest.mouth_pose(laid.marks[chosen]), pose, portrait)
        idle = Unobstructed(loop.pictures[nearest], moved(pose, portrait.landmarks[:, :2]) * np.float32(laid.scale))
        hand = idle.in_front(laid.pictures[chosen], laid.small_marks(chosen)).any()
        if ghost > GHOST_SHARE_MAX or hand or not near:
            raise BuildRefused(
                f"does_not_{words}_at_rest",
                f"The clip does not {words} as the avatar looks at rest: same place, light and clothes, hands down, "
                "looking at the camera.",
            )
        found.append(chosen)
        ghosts.append(ghost)
    return _Ends(found[0], found[1], (ghosts[0], ghosts[1]))


def _is_near(pose: Array, other: Array, portrait: Portrait) -> bool:
    """Tell whether two poses of the mouth are near enough to turn into each other without being noticed."""
    turns = [one[:, :2].astype(np.float64) for one in (pose, other)]
    apart = turns[0] @ np.linalg.inv(turns[1])
    scale, tilt_deg = float(np.hypot(*apart[:, 0])), float(np.degrees(np.arctan2(apart[1, 0], apart[0, 0])))
    nose = portrait.landmarks[1, :2]
    shift_px = float(np.linalg.norm((pose - other)[:, :2] @ nose + (pose - other)[:, 2]))
    shift_iod = shift_px / eye_distance_px(portrait.landmarks)
    return abs(scale - 1) < JOIN_SCALE and shift_iod < JOIN_SHIFT_IOD and abs(tilt_deg) < JOIN_TILT_DEG


def _ghost_share(first: Picture, second: Picture) -> float:
    """The share of pixels in which two pictures, each moved half the way to the other, still disagree."""
    even = [one[: one.shape[0] // 2 * 2, : one.shape[1] // 2 * 2] for one in (first, second)]
    height = even[0].shape[0]
    halves = Bridge(*(i420_of(np.ascontiguousarray(one)) for one in even)).drawn(0.5)
    a, b = (cv2.GaussianBlur(one[:height], (0, 0), 1.0) for one in halves)
    return float((cv2.absdiff(a, b) > GHOST_GREY).mean())


@dataclass(frozen=True, slots=True)
class _Front:
    """For each picture of the clip: free (n, rows, columns) 0..1 and lips (n,) 0..1."""

    free: Array
    lips: Array


def _front(laid: _Laid, ends: _Ends, size: tuple[int, int], rate_hz: float) -> _Front:
    cells = -(-size[0] // CELL_PX), -(-size[1] // CELL_PX)
    plain = Unobstructed(laid.pictures[ends.first], laid.small_marks(ends.first))
    count = len(laid.pictures)
    free, lips = np.ones((count, cells[1], cells[0]), np.float32), np.ones(count, np.float32)
    for index in range(count):
        marks = laid.small_marks(index)
        in_front = plain.in_front(laid.pictures[index], marks)
        if in_front.any():
            free[index], lips[index] = free_share(in_front, marks, cells), lips_share(in_front, marks)
    # What is in front at one moment is so a little before and after: it moves, and may have been overlooked.
    free = np.minimum(free, np.minimum(np.roll(free, 1, axis=0), np.roll(free, -1, axis=0)))
    side = 2 * round(FADE_S * rate_hz) + 1
    held = cv2.erode(lips[:, None], np.ones((side, 1), np.uint8)).reshape(-1)
    soft = cv2.GaussianBlur(held[:, None], (1, 0), 0.1, sigmaY=FADE_S * rate_hz / 2, borderType=cv2.BORDER_REFLECT)
    return _Front(free, np.asarray(soft.reshape(-1), np.float32))


class _Drawing:
    """The pictures of the gesture, 25 a second."""

    def __init__(self, clip: Clip, frame: Frame, laid: _Laid, ends: _Ends, front: _Front, portrait: Portrait) -> None:
        self._clip, self._frame, self._laid, self._ends, self._front = clip, frame, laid, ends, front
        self._size = portrait.width, portrait.height
        self._rest = RestingFace(portrait.picture, portrait.landmarks)
        same = abs(clip.rate_hz - FRAME_RATE_HZ) < SAME_RATE_HZ
        step = 1.0 if same else clip.rate_hz / FRAME_RATE_HZ
        count = int((ends.last - ends.first) / step + 1e-6) + 1
        self.ats: list[float] = [ends.first + step * index for index in range(count)]
        deviations = np.array([self._rest.deviation_iod(marks) for marks in laid.marks], np.float32)
        self._patches = patch_amounts(deviations, clip.rate_hz)

    def _at(self, values: Array, at: float) -> Any:
        low = int(np.floor(at))
        share = np.float32(at - low)
        high = min(low + 1, len(values) - 1)
        return values[low] * (1 - share) + values[high] * share

    def lips(self, at: float) -> float:
        """How much of speaking lips is drawn."""
        value = float(self._at(self._front.lips, at))
        return 1.0 if value > 0.99 else 0.0 if value < 0.02 else value

    def free(self, at: float) -> NDArray[np.uint8]:
        """How far skin may move, cell by cell."""
        return np.asarray(np.round(255 * self._at(self._front.free, at)), np.uint8)

    def pose(self, at: float) -> Array:
        """From the portrait's pixels to this picture's."""
        return self._rest.mouth_pose(self._at(self._laid.marks, at))

    def pictures(self) -> Iterator[Picture]:
        """Draw them, the mouth at rest in each where nothing is in front of it."""
        first, last = self._ends.first, self._ends.last
        reel = Winder((cut(one, self._frame, self._size) for _, one in self._clip.pictures(first, last + 1)), first)
        for at in self.ats:
            picture = self._laid.colours.applied(reel.at(at))
            patch = float(np.interp(at, np.arange(len(self._patches)), self._patches))
            still = self._rest.neutralised(picture, self._at(self._laid.marks, at), patch)
            free = self._at(self._front.free, at)
            if free.min() < 1:
                mask = cv2.resize(free, self._size, interpolation=cv2.INTER_LINEAR)[..., None]
                still = np.asarray(np.round(picture + mask * (still.astype(np.float32) - picture)), np.uint8)
            yield still
