"""Formulas on the mesh: how lips move once the head is taken off, how wide they are, which shape they show.

A mesh track is (frames, 478, 2), in pixels, a row of NaN where no face was found. Lengths come out in IOD.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avatars.engine.perception.face import EYE_LEFT_CORNERS, EYE_RIGHT_CORNERS, INNER_LIP_PAIRS
from avatars.engine.speech import Phone
from avatars.engine.speech.phones import BILABIALS
from avatars.quality.metrics import Array, closed_below_iod

Mesh = NDArray[np.float32]

# Inner lips from corner to corner, upper and lower; then the outer ones.
LIPS: Final = (
    *(78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 95, 88, 178, 87, 14, 317, 402, 318, 324),
    *(61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 146, 91, 181, 84, 17, 314, 405, 321, 375),
)
INNER_CORNERS: Final = (78, 308)
# Corners of the eyes and the bridge of the nose: nothing that a speaking mouth moves.
STILL_POINTS: Final = (33, 133, 362, 263, 168, 6, 197, 195, 5, 4)
FACE_HEIGHT: Final = (10, 152)
FACE_PX: Final = 256.0
"""The height of the face at which published distances of landmarks are given."""

FAST_HZ: Final = 8.0
EXTREMUM_IOD: Final = 0.02
WARP_S: Final = 0.5

# The mouth of a shape against the same mouth closed; from what a talking man shows, whose lips are 0.70 to 0.82 IOD
# wide in speech and 0.76 at rest, and open by 0.08 in a tenth of his frames.
OPEN_IOD: Final = 0.075
ROUND_WIDTH: Final = 0.925
SPREAD_WIDTH: Final = 1.01
CENTRE_S: Final = 0.040

GROUPS: Final = ("closed", "open", "spread", "round", "mid")
"""Shapes of the mouth that lips alone tell apart. f and v are not among them: what is seen of a lip does not show whether
it meets the other lip or the teeth. `mid` is everything in between and is never asked for."""
_GROUP_OF: Final[Mapping[str, str]] = {
    **dict.fromkeys(BILABIALS, "closed"),
    **dict.fromkeys(("AA", "AE"), "open"),
    **dict.fromkeys(("IY", "S", "Z"), "spread"),
    **dict.fromkeys(("UW", "OW", "W", "SH", "CH", "JH"), "round"),
}


def aligned(mesh: Mesh) -> Array:
    """The lips (frames, 40, 2) in IOD of a mesh track: each frame turned, scaled and shifted to one head."""
    flat = mesh[..., 0].astype(np.float64) + 1j * mesh[..., 1]
    still = flat[:, list(STILL_POINTS)]
    centre = still.mean(axis=1, keepdims=True)
    if not np.isfinite(centre).any():
        return np.full((len(mesh), len(LIPS), 2), np.nan)
    still = still - centre
    mean = still[np.isfinite(still[:, 0])][0]
    for _ in range(2):
        turn = (np.conj(still) * mean).sum(axis=1) / np.square(np.abs(still)).sum(axis=1)
        mean = np.nanmean(still * turn[:, None], axis=0)
    lips = (flat[:, list(LIPS)] - centre) * turn[:, None]
    corners = [
        np.mean([mean[STILL_POINTS.index(corner)] for corner in eye]) for eye in (EYE_LEFT_CORNERS, EYE_RIGHT_CORNERS)
    ]
    lips = lips / max(float(np.abs(corners[1] - corners[0])), 1e-6)
    return np.stack([lips.real, lips.imag], axis=-1)


def openings(mesh: Mesh) -> Array:
    """The gap between the inner lips in the middle of the mouth, (frames,) in IOD."""
    upper, lower = (mesh[:, [pair[side] for pair in INNER_LIP_PAIRS]] for side in (0, 1))
    return np.asarray(np.linalg.norm(lower - upper, axis=-1).mean(axis=1) / eye_distances(mesh), np.float64)


def widths(mesh: Mesh) -> Array:
    """The distance of the inner corners of the mouth, (frames,) in IOD."""
    left, right = (mesh[:, corner] for corner in INNER_CORNERS)
    return np.asarray(np.linalg.norm(right - left, axis=-1) / eye_distances(mesh), np.float64)


def eye_distances(mesh: Mesh) -> Array:
    """The IOD of each frame, (frames,) in pixels."""
    left, right = (mesh[:, list(eye)].mean(axis=1) for eye in (EYE_LEFT_CORNERS, EYE_RIGHT_CORNERS))
    return np.asarray(np.linalg.norm(right - left, axis=-1), np.float64)


def step_speed(lips: Array, rate_hz: float) -> float:
    """The 99th percentile of how fast the lips go from frame to frame, on the mean of their points, IOD a second."""
    speed = np.linalg.norm(np.diff(lips, axis=0), axis=-1).mean(axis=1) * rate_hz
    speed = speed[np.isfinite(speed)]
    return float(np.percentile(speed, 99)) if len(speed) else float("nan")


def fast_share(lips: Array, rate_hz: float) -> float:
    """The share of the lips' movement that is faster than 8 Hz: no speaker moves them so, only a nervous tracker."""
    known = np.isfinite(lips).all(axis=(1, 2))
    if known.sum() < 2 * rate_hz:
        return float("nan")
    flat = lips[known].reshape(int(known.sum()), -1)
    windowed = (flat - flat.mean(axis=0)) * np.hanning(len(flat))[:, None]
    power = np.square(np.abs(np.fft.rfft(windowed, axis=0))).sum(axis=1)
    hertz = np.fft.rfftfreq(len(flat), 1 / rate_hz)
    return float(power[hertz > FAST_HZ].sum() / max(float(power.sum()), 1e-12))


def jerk(lips: Array, rate_hz: float) -> float:
    """How abruptly the lips change their course: the root mean square of the third derivative, IOD/s³ over their speed.

    Divided by the speed, so that who moves less is not called smoother.
    """
    third = np.diff(lips, n=3, axis=0) * rate_hz**3
    first = np.diff(lips, axis=0) * rate_hz
    third, first = third[np.isfinite(third)], first[np.isfinite(first)]
    if not len(third) or not first.any():
        return float("nan")
    return float(np.sqrt(np.square(third).mean() / np.square(first).mean()))


def width_range(width: ArrayLike) -> float:
    """Between which widths the mouth speaks: 95th less 5th percentile, in IOD."""
    seen = np.asarray(width, np.float64)
    seen = seen[np.isfinite(seen)]
    return float(np.percentile(seen, 95) - np.percentile(seen, 5)) if len(seen) else float("nan")


def shape_groups(mesh: Mesh) -> NDArray[np.intp]:
    """Which of `GROUPS` each frame's mouth looks like, (frames,); -1 where no face was found.

    Told by the opening, and by the width against that of the same mouth when closed.
    """
    gap, width = openings(mesh), widths(mesh)
    shut = gap <= closed_below_iod(gap)
    closed_width = float(np.median(width[shut])) if shut.any() else float("nan")
    found = np.full(len(mesh), GROUPS.index("mid"))
    found[width > SPREAD_WIDTH * closed_width] = GROUPS.index("spread")
    found[gap > OPEN_IOD] = GROUPS.index("open")
    found[width < ROUND_WIDTH * closed_width] = GROUPS.index("round")
    found[shut] = GROUPS.index("closed")
    found[~np.isfinite(gap)] = -1
    return found


def group_table(groups: NDArray[np.intp], phones: Sequence[Phone], rate_hz: float, lead_s: float) -> NDArray[np.intp]:
    """How often each group that is spoken (rows) looks like each group (columns): counts (5, 5).

    Frames within 40 ms of a phone's centre are judged; the mouth is meant to be `lead_s` early.
    """
    times = (np.arange(len(groups)) + 0.5) / rate_hz + lead_s
    table = np.zeros((len(GROUPS), len(GROUPS)), np.intp)
    for phone in phones:
        group = _GROUP_OF.get(phone.symbol)
        if group is None:
            continue
        near = np.abs(times - (phone.start_s + phone.end_s) / 2) <= min(CENTRE_S, (phone.end_s - phone.start_s) / 2)
        for seen in groups[near & (groups >= 0)]:
            table[GROUPS.index(group), seen] += 1
    return table


def macro_f1(table: NDArray[np.intp]) -> float:
    """The mean over spoken groups of 2 hits / (spoken + seen)."""
    spoken, seen, hits = table.sum(axis=1), table.sum(axis=0), np.diag(table)
    judged = spoken > 0
    return float((2 * hits[judged] / (spoken + seen)[judged]).mean()) if judged.any() else float("nan")


def landmark_distance(first: Array, second: Array) -> tuple[float, float]:
    """How far two tracks of lips (frames, 40, 2) are apart, both freed of their own mean shape: IOD, and IOD a frame.

    After the landmark distance (LMD) and its velocity form. Freed of the shape, two different faces can be compared.
    """
    length = min(len(first), len(second))
    one, two = (track[:length] - np.nanmean(track[:length], axis=0) for track in (first, second))
    apart = np.nanmean(np.linalg.norm(one - two, axis=-1))
    velocity = np.nanmean(np.linalg.norm(np.diff(one, axis=0) - np.diff(two, axis=0), axis=-1))
    return float(apart), float(velocity)


def extrema_apart_ms(first: ArrayLike, second: ArrayLike, rate_hz: float) -> float:
    """How far apart in time two tracks of openings have their peaks and troughs, in ms.

    After Mean Temporal Misalignment: the tracks are matched by dynamic time warping of their derivatives, at most half a
    second aside, and the extrema of the first compared with where they are matched.
    """
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    length = min(len(one), len(two))
    if length < rate_hz:
        return float("nan")
    slopes = [np.gradient(track[:length]) for track in (one, two)]
    slopes = [slope / max(float(slope.std()), 1e-9) for slope in slopes]
    matched = _warped(slopes[0], slopes[1], round(WARP_S * rate_hz))
    extrema = _extrema(one[:length])
    apart = [abs(float(np.mean(matched[at])) - at) for at in extrema if matched[at]]
    return float(1000 * np.mean(apart) / rate_hz) if apart else float("nan")


def _extrema(track: Array) -> list[int]:
    """Peaks and troughs that stand out from the last one by 0.02 IOD."""
    found: list[int] = []
    turning = np.flatnonzero(np.diff(np.sign(np.diff(track)))) + 1
    for at in turning:
        if not found or abs(track[at] - track[found[-1]]) >= EXTREMUM_IOD:
            found.append(int(at))
    return found


def _warped(first: Array, second: Array, reach: int) -> list[list[int]]:
    """For each value of the first track the places in the second that dynamic time warping matches it with."""
    length = len(first)
    total = np.full((length + 1, length + 1), np.inf)
    total[0, 0] = 0
    for row in range(1, length + 1):
        for column in range(max(1, row - reach), min(length, row + reach) + 1):
            least = min(total[row - 1, column - 1], total[row - 1, column], total[row, column - 1])
            total[row, column] = abs(first[row - 1] - second[column - 1]) + least
    matched: list[list[int]] = [[] for _ in range(length)]
    row = column = length
    while row and column:
        matched[row - 1].append(column - 1)
        steps = {
            (row - 1, column - 1): total[row - 1, column - 1],
            (row - 1, column): total[row - 1, column],
            (row, column - 1): total[row, column - 1],
        }
        row, column = min(steps, key=lambda step: steps[step])
    return matched
