"""Which seconds of a clip become the idle loop: the quietest, whose end looks like their beginning."""

import itertools
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.build.framing import Frame, frame_around
from avatars.build.refusal import BuildRefused
from avatars.build.tracking import Track
from avatars.engine.perception import eye_distance_px

SHORTEST_S: Final = 1.5
LONGEST_S: Final = 10.0
# How long before its end the loop begins to turn into what came before its beginning; longer where that is farther away,
# so that who sits still does not lurch.
MEETING_S: Final = 0.4
LONGEST_MEETING_S: Final = 1.2
MEETING_SHARE_MAX: Final = 0.3
YAW_MAX_DEG: Final = 25.0
ROLL_MAX_DEG: Final = 36.0
PITCH_RANGE_DEG: Final = 15.0
MATCH_PX: Final = 48
# One unit of cost each: place and size of the face, roll, yaw, pitch, gaze across and down, lids.
JOIN_UNITS: Final = (0.04, 0.04, 0.015, 1.5, 2.0, 2.0, 0.035, 0.035, 0.15)
# The same for how far the face wanders within the loop; gaze and lids may do as they like.
SPREAD_UNITS: Final = (0.30, 0.25, 0.06, 4.0, 5.0, 4.0, 1e6, 1e6, 1e6)
OPENING_UNIT_IOD: Final = 0.03
# Lips are measured this far apart when they touch; those pressed together, less.
TOUCHING_IOD: Final = 0.012
# In a clip whose lips never quite touch, so many percent of the pictures count as closed.
CLOSED_PERCENT: Final = 5.0
MOUTH_SPEED_IOD: Final = 0.02
# One unit of cost each, of the shape of closed lips: width, lift of the corners, thickness of both, chin below them; IOD.
SHAPE_UNITS: Final = (0.05, 0.03, 0.03, 0.04)
# Lips that are thinner than usual by so much are pressed together.
PRESSED_IOD: Final = 0.05
YAW_UNIT_DEG: Final = 12.0
SHUT: Final = 0.55
JOIN_WEIGHT: Final = 0.3
# Loops shorter than this are seen to repeat.
PATIENCE_S: Final = 5.0
SHORT_WEIGHT: Final = 1.5
LENGTH_WEIGHT: Final = 2.0
FACE_MIN_PX: Final = 44.0

# Corners of each eye, its iris, and the bridge of the nose.
_EYES: Final = ((33, 133, 468), (362, 263, 473))
_BRIDGE: Final = 168
# Corners of the mouth; edges of the upper and of the lower lip, from above; chin.
_CORNERS: Final = (61, 291)
_LIPS: Final = (0, 13, 14, 17)
_CHIN: Final = 152
_THICKNESS: Final = 2

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Stretch:
    """The pictures `first` to `last` - 1 of a clip, after which `first` follows again.

    meeting: how many pictures before `first` are blended into those before `last`. reference: the picture of the
    stretch that the face is measured in; closed: the picture of the clip, mostly the same, whose lips are at rest.
    """

    first: int
    last: int
    meeting: int
    reference: int
    closed: int


def choose_stretch(track: Track, rate_hz: float, picture_size: tuple[int, int], size: tuple[int, int]) -> Stretch:
    """Choose the loop of a clip whose pictures are `picture_size` (width, height), drawn later as `size`.

    Raises `BuildRefused`, in words, where no part of the clip will do.
    """
    usable = _usable(track)
    features, unquiet = _features(track), _unquiet(track)
    meeting = max(2, round(MEETING_S * rate_hz))
    shortest = round(SHORTEST_S * rate_hz)
    best, best_cost, longest = None, np.inf, meeting
    for run in _runs(track, usable):
        start, stop = run.start + meeting, run.stop
        if stop - start < shortest:
            continue
        frame = frame_around(np.median(track.landmarks[run], axis=0), picture_size, size)
        thumbs = _cropped(track.thumbs[run], frame, picture_size[0])
        usual = float(np.median(np.abs(np.diff(thumbs.astype(np.int16), axis=0)).mean(axis=(1, 2))))
        step = max(0.4, usual)
        # A picture that its own film changes as a whole, at each key frame of some cameras, is no place for a join.
        usual_step = max(0.05, float(np.median(track.steps[run])))
        sums = [np.concatenate([[0], np.cumsum(unquiet[run])])]
        values = features[run].astype(np.float64)
        values = values - values.mean(axis=0)
        moments = [np.vstack([np.zeros(values.shape[1]), np.cumsum(values**power, axis=0)]) for power in (1, 2)]
        for length in range(shortest, min(round(LONGEST_S * rate_hz), stop - start) + 1):
            first = np.arange(meeting, run.stop - run.start - length)
            if not first.size:
                continue
            last = first + length
            quiet = (sums[0][last] - sums[0][first]) / length
            mean, square = ((moment[last] - moment[first]) / length for moment in moments)
            spread = (np.maximum(square - mean**2, 0) / np.square(SPREAD_UNITS)).sum(axis=1)
            apart = np.sqrt(np.square((values[first] - values[last]) / JOIN_UNITS).sum(axis=1))
            pixels = np.array([cv2.absdiff(thumbs[a], thumbs[b]).mean() for a, b in zip(first, last, strict=True)])
            pop = np.maximum(0, track.steps[run.start + first] / usual_step - 1)
            cost = quiet + spread + JOIN_WEIGHT * (apart + 2 * pixels / step + 2 * pop)
            seconds = length / rate_hz
            cost += LENGTH_WEIGHT * np.log(LONGEST_S / seconds) + SHORT_WEIGHT * max(0.0, PATIENCE_S - seconds)
            at = int(cost.argmin())
            if cost[at] < best_cost:
                best_cost = float(cost[at])
                best = run.start + int(first[at]), run.start + int(last[at])
                most = min(LONGEST_MEETING_S * rate_hz, MEETING_SHARE_MAX * length, first[at])
                longest = int(np.clip(pixels[at] / max(0.1, usual), meeting, max(meeting, most)))
    if best is None:
        raise _refusal(track, usable)
    first, last = best
    meeting = longest
    closed = _closed(track, usable, (first, last), features)
    reference = closed
    if not first <= closed < last - meeting:
        inside = np.arange(first, last - meeting)
        apart = np.square((features[inside] - features[closed]) / JOIN_UNITS)[:, 2:6].sum(axis=1)
        reference = int(
            inside[(apart + 4 * track.shut[inside] + track.opening_iod[inside] / OPENING_UNIT_IOD).argmin()]
        )
    return Stretch(first, last, meeting, reference, closed)


def _usable(track: Track) -> NDArray[np.bool_]:
    pitch = track.poses_deg[:, 1]
    usual = float(np.nanmedian(pitch)) if track.found.any() else 0.0
    with np.errstate(invalid="ignore"):
        return np.asarray(
            track.found
            & (np.abs(track.poses_deg[:, 0]) < YAW_MAX_DEG)
            & (np.abs(track.poses_deg[:, 2]) < ROLL_MAX_DEG)
            & (np.abs(pitch - usual) < PITCH_RANGE_DEG)
        )


def _runs(track: Track, usable: NDArray[np.bool_]) -> list[slice]:
    edges = np.flatnonzero(np.diff(usable.astype(np.int8)) | np.diff(track.shots).astype(bool)) + 1
    bounds = np.concatenate([[0], edges, [len(track)]])
    pairs = itertools.pairwise(bounds)
    return [slice(int(start), int(stop)) for start, stop in pairs if usable[start]]


def _features(track: Track) -> Array:
    """Where the head is and where it looks, (n, 9): see `JOIN_UNITS`."""
    marks = track.landmarks
    sizes = np.array([eye_distance_px(one) if np.isfinite(one[0, 0]) else np.nan for one in marks])
    usual = float(np.nanmedian(sizes)) if np.isfinite(sizes).any() else 1.0
    gaze = []
    for left, right, iris in _EYES:
        span = marks[:, right, :2] - marks[:, left, :2]
        width = np.linalg.norm(span, axis=1, keepdims=True)
        along = span / width
        offset = (marks[:, iris, :2] - (marks[:, left, :2] + marks[:, right, :2]) / 2) / width
        across = (offset * along).sum(axis=1)
        gaze.append(np.stack([across, offset[:, 1] * along[:, 0] - offset[:, 0] * along[:, 1]], axis=1))
    yaw, pitch, roll = track.poses_deg.T
    look = (gaze[0] + gaze[1]) / 2
    place = marks[:, _BRIDGE, :2] / usual
    columns = [place[:, 0], place[:, 1], np.log(sizes / usual), roll, yaw, pitch, look[:, 0], look[:, 1], track.shut]
    return np.stack(columns, axis=1).astype(np.float32)


def _unquiet(track: Track) -> Array:
    """How little each picture is one of a person who waits in silence, (n,); 0 is perfect."""
    opening = track.opening_iod
    if not track.found.any():
        return np.zeros(len(track), np.float32)
    rest = float(np.nanpercentile(opening, 15))
    ajar = np.clip((opening - rest) / OPENING_UNIT_IOD, 0, 5)
    speed = np.clip(np.abs(np.gradient(opening)) / MOUTH_SPEED_IOD, 0, 3)
    thickness = _mouth_shapes(track)[:, _THICKNESS]
    pressed = np.clip((np.nanmedian(thickness) - thickness) / PRESSED_IOD, 0, 3)
    turned = np.square(track.poses_deg[:, 0] / YAW_UNIT_DEG)
    return np.asarray(2 * (ajar + speed) + pressed + turned + 1.5 * (track.shut > SHUT), np.float32)


def _mouth_shapes(track: Track) -> Array:
    """The shape of the mouth in each picture, (n, 4) in IOD: see `SHAPE_UNITS`."""
    marks = track.landmarks[..., :2]
    across = marks[:, _EYES[1][2]] - marks[:, _EYES[0][2]]
    iod = np.linalg.norm(across, axis=1, keepdims=True)
    across = across / iod
    down = np.stack([-across[:, 1], across[:, 0]], axis=1)
    left, right = (marks[:, corner] for corner in _CORNERS)
    top, upper, lower, bottom = ((marks[:, edge] * down).sum(axis=1) for edge in _LIPS)
    corners = ((left + right) / 2 * down).sum(axis=1)
    chin = (marks[:, _CHIN] * down).sum(axis=1)
    width = ((right - left) * across).sum(axis=1)
    columns = [width, (upper + lower) / 2 - corners, upper - top + bottom - lower, chin - bottom]
    return np.asarray(np.stack(columns, axis=1) / iod, np.float32)


def _closed(track: Track, usable: NDArray[np.bool_], stretch: tuple[int, int], features: Array) -> int:
    """The picture whose closed lips stand for rest: of the same shot, looking the way the stretch does, and with the
    lips as they usually are in it when closed, so that they go with cheeks and chin."""
    first, last = stretch
    same = np.flatnonzero(usable & (track.shots == track.shots[first]))
    usual = np.median(features[first:last], axis=0)
    apart = np.square((features[same] - usual) / SPREAD_UNITS)[:, 4:6].sum(axis=1)
    speed = np.abs(np.gradient(track.opening_iod))[same] / MOUTH_SPEED_IOD
    outside = ((same < first) | (same >= last)) * 0.5
    ajar = np.maximum(0, track.opening_iod[same] - TOUCHING_IOD) / OPENING_UNIT_IOD
    shapes = _mouth_shapes(track)[same]
    touching = ajar <= np.percentile(ajar, CLOSED_PERCENT)
    within = touching & (outside == 0)
    wanted = np.median(shapes[within if within.any() else touching], axis=0)
    # All through a stretch lips may be pressed together.
    wanted[_THICKNESS] = max(wanted[_THICKNESS], float(np.median(shapes[touching, _THICKNESS])))
    odd = np.square((shapes - wanted) / SHAPE_UNITS).sum(axis=1)
    # The loop begins at this picture: not at one that its film changes as a whole.
    pop = np.maximum(0, track.steps[same] / max(0.05, float(np.median(track.steps[same]))) - 1)
    cost = pop + 4 * ajar + odd + speed + 2 * apart + outside + 2 * track.shut[same]
    return int(same[cost.argmin()])


def _cropped(thumbs: NDArray[np.uint8], frame: Frame, picture_width: int) -> NDArray[np.uint8]:
    """What of the small pictures will be the avatar's, smaller still."""
    scale = thumbs.shape[2] / picture_width
    top, left = max(0, round(frame.top * scale)), max(0, round(frame.left * scale))
    bottom, right = round((frame.top + frame.height) * scale), round((frame.left + frame.width) * scale)
    cut = thumbs[:, top : max(top + 4, bottom), left : max(left + 4, right)]
    size = MATCH_PX, max(4, MATCH_PX * cut.shape[1] // cut.shape[2])
    if cut.shape[2] <= MATCH_PX:
        return np.ascontiguousarray(cut)
    return np.stack([cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in cut]).astype(np.uint8)


def _refusal(track: Track, usable: NDArray[np.bool_]) -> BuildRefused:
    """Why no part of a clip will do."""
    least = f"{SHORTEST_S + MEETING_S:.1f} seconds in one piece"
    if track.found.mean() < 0.5:
        return BuildRefused(
            "no_steady_face",
            "Parlo could not follow one face through this video. Use one that shows a single person from the front.",
        )
    if usable.mean() < 0.5:
        return BuildRefused(
            "profile", f"The head is turned away too much in this video. Look at the camera for {least}."
        )
    if track.shots[-1] > 0:
        return BuildRefused("cuts", f"This video is cut: no shot shows the face for {least}. Use one without cuts.")
    return BuildRefused("no_steady_face", f"The face is never seen for {least}. Keep it in the picture.")
