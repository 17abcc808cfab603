"""What is behind the mouth of a face from a video: its loop round and round, and on cue a recorded gesture.

The loop turns into a gesture where both are most alike, along optical flow, and goes on at the picture that follows best.
"""

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from avatars.engine.face.bridging import Bridge
from avatars.engine.face.falloff import smoothstep
from avatars.engine.footage import Reel, decoding
from avatars.engine.portrait import Portrait
from avatars.engine.recorded import RecordedGesture

AHEAD: Final = 2
# The turn from one into the other takes so many pictures.
BRIDGE_FRAMES: Final = 8
# A cue waits at most so long for a better moment; each picture of waiting weighs as much as so many grey levels.
WAIT_FRAMES: Final = 20
WAIT_COST: Final = 0.06
# Meanwhile the loop is wound on to where it will go on: so many of its pictures with each of the gesture, at most.
WOUND_PER_FRAME: Final = 3
# A gesture that is to stop goes on so many times as fast; what is in the air cannot vanish.
HURRY: Final = 3

Picture = NDArray[np.uint8]
Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture to draw the mouth into.

    picture: I420 (height * 3 // 2, width). pose: (2, 3), from the portrait's pixels to its own. lips: how much of
    speaking lips is drawn, 0..1. free: (rows, columns) uint8 over cells of 8 pixels, see `RecordedGesture`, or None.
    """

    picture: Picture
    pose: Array
    lips: float = 1.0
    free: NDArray[np.uint8] | None = None


class Projector:
    """Shows one session what is behind the mouth. Pictures are made ahead, off the thread that draws.

    `next` belongs to one thread; `play` and `stop` may be called from any.
    """

    def __init__(self, portrait: Portrait) -> None:
        self.gestures = portrait.recorded
        self._screen = _Screen(portrait)
        self._coming: deque[Future[Shown]] = deque()

    def next(self) -> Shown:
        """The next picture. Raises `FootageDamaged`."""
        while len(self._coming) <= AHEAD:
            self._coming.append(decoding().submit(self._screen.next))
        return self._coming.popleft().result()

    def play(self, gesture: RecordedGesture) -> None:
        """Begin a gesture as soon as the loop is at a good place for it; one under way is brought to its end first."""
        self._screen.wanted = gesture

    def stop(self) -> None:
        """Bring a gesture under way to its end; one that has not begun never does."""
        self._screen.wanted = None
        self._screen.hurried = True


class _Screen:
    """The pictures one after the other, on the thread that decodes. wanted and hurried are set from outside."""

    def __init__(self, portrait: Portrait) -> None:
        assert portrait.footage is not None
        self._size = portrait.width, portrait.height
        self._poses = portrait.footage.poses
        self._loop = Reel(portrait.footage, *self._size)
        self.wanted: RecordedGesture | None = None
        self.hurried = False
        self._entering: tuple[RecordedGesture, int] | None = None
        self._playing: _Playing | None = None

    def next(self) -> Shown:
        if self._playing is None:
            self._begin_if_due()
        playing = self._playing
        if playing is None:
            return self._looped()
        if playing.at < BRIDGE_FRAMES:
            share = (playing.at + 1) / (BRIDGE_FRAMES + 1)
            return _between(self._looped(), playing.next(), share)
        if playing.left > BRIDGE_FRAMES:
            # A gesture that another waits for hurries as well.
            step = HURRY if self.hurried or self.wanted is not None else 1
            shown = playing.next(min(step, playing.left - BRIDGE_FRAMES))
            self._wind(playing, step)
            return shown
        share = 1 - playing.left / (BRIDGE_FRAMES + 1)
        shown = _between(playing.next(), self._looped(), share)
        if not playing.left:
            self._playing = None
        return shown

    def _looped(self) -> Shown:
        number, picture = self._loop.next()
        return Shown(picture, self._poses[number])

    def _begin_if_due(self) -> None:
        wanted = self.wanted
        if wanted is None:
            self._entering = None
            return
        count = len(self._poses)
        if self._entering is None or self._entering[0] is not wanted:
            waits = np.arange(min(WAIT_FRAMES, count))
            apart = wanted.enter[(self._loop.at + waits) % count]
            self._entering = wanted, (self._loop.at + int((apart + WAIT_COST * waits).argmin())) % count
        if self._loop.at == self._entering[1]:
            self._entering, self.hurried, self.wanted = None, False, None
            behind = (self._loop.at + BRIDGE_FRAMES) % count
            self._playing = _Playing(wanted, self._size, behind)

    def _wind(self, playing: "_Playing", step: int) -> None:
        """Wind the loop on, a little with each picture, to where it goes on."""
        missing = (playing.until - self._loop.at) % len(self._poses)
        pictures_left = max(0, playing.left - BRIDGE_FRAMES) // step
        for _ in range(-(-missing // (pictures_left + 1))):
            self._loop.skip()


class _Playing:
    """A gesture under way. behind: where the loop will be when it has turned into the gesture."""

    def __init__(self, gesture: RecordedGesture, size: tuple[int, int], behind: int) -> None:
        self._gesture = gesture
        self._reel = Reel(gesture.footage, *size)
        self.left = gesture.frames
        count = len(gesture.leave)
        within = np.arange(min(count, 1 + WOUND_PER_FRAME * (gesture.frames - 2 * BRIDGE_FRAMES)))
        self.until = (behind + int(gesture.leave[(behind + within) % count].argmin())) % count
        """The picture of the loop that its last ones begin to turn into."""

    @property
    def at(self) -> int:
        return self._gesture.frames - self.left

    def next(self, step: int = 1) -> Shown:
        """The picture so many further."""
        for _ in range(step - 1):
            self._reel.skip()
        number, picture = self._reel.next()
        self.left -= step
        gesture = self._gesture
        free = None if gesture.free is None else gesture.free[number]
        return Shown(picture, gesture.footage.poses[number], float(gesture.lips[number]), free)


def _between(first: Shown, second: Shown, share: float) -> Shown:
    """A picture on the way from one to another, `share` of it 0..1."""
    eased = float(smoothstep(0, 1, np.float32(share)))
    free = first.free if second.free is None else second.free
    return Shown(
        Bridge(first.picture, second.picture).at(eased),
        np.asarray(first.pose + np.float32(eased) * (second.pose - first.pose), np.float32),
        first.lips + eased * (second.lips - first.lips),
        free,
    )
