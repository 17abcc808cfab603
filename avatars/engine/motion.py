"""What a face does while nobody tells it to: it breathes, blinks, looks about and holds its head.

Nothing repeats: every movement is drawn from a seeded generator, frame after frame. The distributions are those measured
on a man talking and listening, the head's at about 60 % of his, because the relief of one picture turns no further.
"""

from dataclasses import dataclass, field
from math import exp, floor, log, pi, sqrt, tanh
from typing import Final

import numpy as np
from numpy.random import Generator

from avatars.engine.activity import Activity
from avatars.engine.controls import Control, Controls, rest
from avatars.engine.easing import FRAME_S, Follower, minimum_jerk

# The lid over time: fast down, slow up.
BLINK: Final = (0.12, 0.62, 1.0, 0.88, 0.56, 0.32, 0.18, 0.10, 0.05)
BLINK_MEDIAN_S: Final = 3.1
BLINK_SPREAD: Final = 0.55
BLINK_RANGE_S: Final = (0.7, 8.0)
DOUBLE_BLINK: Final = 0.08
PARTIAL_BLINK: Final = 0.15
BLINK_AT_SACCADE: Final = 0.25
# Who thinks blinks less often.
THINKING_BLINKS: Final = 0.6
# One eye opens after the other by so many frames. They close together: a peak between two frames would not be drawn.
EYE_LAG_FRAMES: Final = 0.22

FIXATION_S: Final = (0.35, 0.90)
MICRO_SACCADE: Final = (0.0035, 0.0022)
GLANCE: Final = (0.022, 0.010)
GLANCE_S: Final = (0.5, 1.1)
GLANCE_CHANCE: Final = {
    Activity.IDLE: 0.09,
    Activity.LISTENING: 0.05,
    Activity.THINKING: 0.0,
    Activity.SPEAKING: 0.16,
}
# Who thinks looks up and aside.
THINKING_GAZE: Final = (0.026, -0.014)
LARGE_SACCADE_IOD: Final = 0.012
# The eyes stay on the viewer while the head turns, IOD for each degree.
GAZE_PER_YAW: Final = -0.0013
GAZE_PER_PITCH: Final = -0.0010

# Held postures and moves between them: seconds held, seconds of a move, and the spread of where to (degrees).
MOVE_S: Final = (0.45, 1.1)
POSTURE_SD_DEG: Final = np.array([2.8, 1.5, 1.5])
TREMOR_SD_DEG: Final = np.array([0.55, 0.42, 0.36])
LIMITS_DEG: Final = np.array([5.5, 4.5, 3.5])
ROLL_WITH_YAW: Final = -0.22
SHIFT_PER_YAW_IOD: Final = 0.0045
TREMOR_SHIFT_IOD: Final = 0.010
SHIFT_LIMIT_IOD: Final = 0.05
TREMOR_WAVES: Final = 9
TREMOR_HZ: Final = (0.05, 1.3)
TREMOR_CORNER_HZ: Final = 0.7

BREATH_HZ: Final = 0.24
BREATH_SHIFT_IOD: Final = 0.0022
BREATH_PITCH_DEG: Final = 0.10

NOD_EVERY_S: Final = (4.5, 9.0)
# A pause of who speaks is a reason to nod, unless the last nod was just now.
NOD_AGAIN_S: Final = 3.0
NOD_DEG: Final = (1.2, 2.2)
NOD_BEATS: Final = (1.0, 0.6, 0.3)
NOD_PERIOD_S: Final = 0.52


@dataclass(frozen=True, slots=True)
class Manner:
    """How the head is held: seconds of a hold, size of the moves and of the tremor, where it leans (yaw, pitch, roll)."""

    hold_s: tuple[float, float]
    size: float
    lean_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)


MANNERS: Final = {
    Activity.IDLE: Manner((1.2, 3.8), 0.60),
    Activity.LISTENING: Manner((1.2, 3.8), 0.45, (0.0, 0.6, 0.8)),
    Activity.THINKING: Manner((1.6, 3.0), 0.35, (2.2, -1.0, 1.0)),
    Activity.SPEAKING: Manner((0.4, 1.5), 1.0),
}


class Motion:
    """The involuntary controls of one face, frame by frame. The mouth's are zero."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._breath_phase = float(rng.uniform(0, 2 * pi))
        self._frame = 0
        self._blinks = Blinks(rng)
        self._gaze = Gaze(rng)
        self._head = Head(rng)
        self._nods = Nods(rng)

    def next(self, activity: Activity) -> Controls:
        """The next frame (CONTROL_COUNT,) for what the avatar is doing."""
        controls = rest()
        time_s = self._frame * FRAME_S
        self._frame += 1
        phase = 2 * pi * BREATH_HZ * time_s + self._breath_phase
        breath = float(np.sin(phase) + 0.22 * np.sin(2 * phase))
        yaw, pitch, roll, shift_x = self._head.next(activity)
        pitch += BREATH_PITCH_DEG * breath + self._nods.next(activity)
        gaze = self._gaze.next(activity)
        left, right = self._blinks.next(activity, jumped=self._gaze.jumped)
        controls[Control.YAW_DEG], controls[Control.PITCH_DEG], controls[Control.ROLL_DEG] = yaw, pitch, roll
        controls[Control.SHIFT_X], controls[Control.SHIFT_Y] = shift_x, BREATH_SHIFT_IOD * breath
        controls[Control.GAZE_X] = gaze[0] + GAZE_PER_YAW * yaw
        controls[Control.GAZE_Y] = gaze[1] + GAZE_PER_PITCH * pitch
        controls[Control.BLINK_LEFT], controls[Control.BLINK_RIGHT] = left, right
        controls[Control.BREATH] = breath
        return controls

    def blink(self) -> None:
        """Blink now, where the lids are open."""
        self._blinks.soon()

    def user_paused(self) -> None:
        """Who is listened to has paused: nod, if the last nod is not too fresh."""
        self._nods.soon()


@dataclass(slots=True)
class Blinks:
    """When the lids close, and how far."""

    rng: Generator
    _wait: float = 0.0
    _at: float = float(len(BLINK))
    _depth: float = 1.0

    def __post_init__(self) -> None:
        self._wait = self._interval()

    def soon(self) -> None:
        """Blink at the next frame, unless a blink is under way."""
        if self._at >= len(BLINK):
            self._wait = 0

    def next(self, activity: Activity, *, jumped: bool) -> tuple[float, float]:
        """Closure of the left and the right lid. jumped: the gaze has just made a large jump."""
        if jumped and self.rng.random() < BLINK_AT_SACCADE:
            self.soon()
        if self._wait <= 0 and self._at >= len(BLINK):
            self._at = 0.0
            self._depth = float(self.rng.uniform(0.55, 0.8)) if self.rng.random() < PARTIAL_BLINK else 1.0
            self._wait = round(0.45 / FRAME_S) if self.rng.random() < DOUBLE_BLINK else self._interval()
        lag = EYE_LAG_FRAMES if self._at > BLINK.index(1.0) else 0.0
        closure = self._curve(self._at), 0.985 * self._curve(self._at - lag)
        self._at += 1
        self._wait -= THINKING_BLINKS if activity is Activity.THINKING else 1
        return closure[0] * self._depth, closure[1] * self._depth

    @staticmethod
    def _curve(at: float) -> float:
        before, share = floor(at), at - floor(at)
        closures = [BLINK[frame] if 0 <= frame < len(BLINK) else 0.0 for frame in (before, before + 1)]
        return closures[0] * (1 - share) + closures[1] * share

    def _interval(self) -> int:
        seconds = exp(log(BLINK_MEDIAN_S) + BLINK_SPREAD * float(self.rng.standard_normal()))
        return round(min(max(seconds, BLINK_RANGE_S[0]), BLINK_RANGE_S[1]) / FRAME_S)


@dataclass(slots=True)
class Gaze:
    """Where the eyes look: at the viewer with tiny jumps, now and then away. IOD, right and down."""

    rng: Generator
    jumped: bool = False
    _wait: int = 0
    _activity: Activity = Activity.IDLE
    _from: tuple[float, float] = (0.0, 0.0)
    _to: tuple[float, float] = (0.0, 0.0)
    _since: int = 2
    _centre: Follower = field(default_factory=lambda: Follower(2))

    def next(self, activity: Activity) -> tuple[float, float]:
        """The gaze in the next frame. A large jump takes two frames; who thinks turns the eyes away at leisure."""
        self.jumped = False
        if self._wait <= 0 or activity is not self._activity:
            self._activity = activity
            self._look(activity)
        self._wait -= 1
        self._since += 1
        share = 0.65 if self._since == 1 and self._is_large() else 1.0
        x, y = self._centre.next(THINKING_GAZE if activity is Activity.THINKING else (0.0, 0.0)).tolist()
        return (
            x + self._from[0] + share * (self._to[0] - self._from[0]),
            y + self._from[1] + share * (self._to[1] - self._from[1]),
        )

    def _look(self, activity: Activity) -> None:
        rng = self.rng
        away = rng.random() < GLANCE_CHANCE[activity]
        spread = GLANCE if away else MICRO_SACCADE
        held_s = rng.uniform(*(GLANCE_S if away else FIXATION_S))
        self._from = self._to
        self._to = spread[0] * float(rng.standard_normal()), spread[1] * float(rng.standard_normal())
        self._wait, self._since = round(held_s / FRAME_S), 0
        self.jumped = self._is_large()

    def _is_large(self) -> bool:
        return sqrt((self._to[0] - self._from[0]) ** 2 + (self._to[1] - self._from[1]) ** 2) > LARGE_SACCADE_IOD


@dataclass(slots=True)
class Head:
    """Postures that are held, minimum-jerk moves between them, and a slow tremor on top. Degrees, and IOD sideways."""

    rng: Generator
    _time_s: float = 0.0
    _activity: Activity = Activity.IDLE
    _size: float = MANNERS[Activity.IDLE].size
    _from: np.ndarray = field(default_factory=lambda: np.zeros(3))
    _to: np.ndarray = field(default_factory=lambda: np.zeros(3))
    _moves_s: tuple[float, float] = (0.0, 1.0)
    _hold_until_s: float = 1.0
    _waves: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def __post_init__(self) -> None:
        hertz = np.exp(self.rng.uniform(log(TREMOR_HZ[0]), log(TREMOR_HZ[1]), (4, TREMOR_WAVES)))
        weight = 1 / np.sqrt(1 + (hertz / TREMOR_CORNER_HZ) ** 4)
        weight *= sqrt(2) / np.sqrt(np.square(weight).sum(axis=1, keepdims=True))
        self._waves = hertz, weight, self.rng.uniform(0, 2 * pi, (4, TREMOR_WAVES))

    def next(self, activity: Activity) -> tuple[float, float, float, float]:
        """Yaw, pitch, roll in degrees and the sideways shift in IOD of the next frame."""
        manner = MANNERS[activity]
        if activity is not self._activity:
            # A change of mind moves the head soon, but never in the middle of a move.
            self._activity = activity
            self._hold_until_s = min(self._hold_until_s, max(self._moves_s[1], self._time_s + 0.12))
        if self._time_s >= self._hold_until_s:
            self._move(manner)
        self._size += (manner.size - self._size) * 0.04
        start_s, end_s = self._moves_s
        eased = minimum_jerk((self._time_s - start_s) / (end_s - start_s))
        posture = self._from + (self._to - self._from) * eased
        assert self._waves is not None
        hertz, weight, phase = self._waves
        tremor = (weight * np.sin(2 * pi * hertz * self._time_s + phase)).sum(axis=1) * self._size
        angles = posture + TREMOR_SD_DEG * tremor[:3]
        angles[2] += ROLL_WITH_YAW * angles[0]
        limited = [
            limit * tanh(angle / limit) for angle, limit in zip(angles.tolist(), LIMITS_DEG.tolist(), strict=True)
        ]
        self._time_s += FRAME_S
        shift = TREMOR_SHIFT_IOD * float(tremor[3]) + SHIFT_PER_YAW_IOD * limited[0]
        return limited[0], limited[1], limited[2], SHIFT_LIMIT_IOD * tanh(shift / SHIFT_LIMIT_IOD)

    def _move(self, manner: Manner) -> None:
        rng = self.rng
        step = rng.standard_normal(3)
        self._from = self._to
        self._to = np.array(manner.lean_deg) + POSTURE_SD_DEG * manner.size * step
        distance = float(np.linalg.norm((self._to - self._from) / POSTURE_SD_DEG))
        lasts_s = rng.uniform(*MOVE_S) * (1 + 0.15 * distance)
        self._moves_s = self._time_s, self._time_s + lasts_s
        self._hold_until_s = self._moves_s[1] + rng.uniform(*manner.hold_s)


@dataclass(slots=True)
class Nods:
    """Small nods at somebody who speaks; degrees down."""

    rng: Generator
    _wait: int = 0
    _at: int = 10_000
    _depth: float = 0.0
    _beats: int = 2

    def __post_init__(self) -> None:
        self._wait = self._interval()

    def next(self, activity: Activity) -> float:
        """The pitch to add in the next frame."""
        listening = activity is Activity.LISTENING
        self._wait -= listening
        if listening and self._wait <= 0:
            self._at, self._wait = 0, self._interval()
            self._depth = self.rng.uniform(*NOD_DEG)
            self._beats = 2 + int(self.rng.random() < 0.4)
        period = NOD_PERIOD_S / FRAME_S
        beat = int(self._at // period)
        down = (
            self._depth * NOD_BEATS[beat] * float(np.sin(pi * (self._at % period) / period) ** 2)
            if beat < self._beats
            else 0.0
        )
        self._at += 1
        return down

    def soon(self) -> None:
        """Nod next, unless the last nod was just now."""
        if self._at * FRAME_S >= NOD_AGAIN_S:
            self._wait = 0

    def _interval(self) -> int:
        return round(self.rng.uniform(*NOD_EVERY_S) / FRAME_S)
