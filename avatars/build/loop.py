"""The idle loop drawn: 25 pictures a second, no seam, the mouth at rest."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.build.clip import Clip
from avatars.build.framing import Frame, cut
from avatars.build.neutral import RestingFace, patch_amounts
from avatars.build.stretch import Stretch
from avatars.build.tracking import Track
from avatars.engine.controls import FRAME_RATE_HZ
from avatars.engine.face.falloff import smoothstep

# Clips of nearly the right rate are played picture by picture.
SAME_RATE_HZ: Final = 1.3
# Nearer than this to a picture of the clip, it is taken as it is.
NEAR: Final = 0.12
FLOW_SIDE_PX: Final = 256

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Moment:
    """One picture of the loop: at `at` in the clip, turning by `turn` (0..1) into what was a loop's length before."""

    at: float
    turn: float


class Loop:
    """The pictures of one stretch of a clip, cut to the avatar's frame. Begins and ends at the reference."""

    def __init__(self, clip: Clip, track: Track, stretch: Stretch, frame: Frame, size: tuple[int, int]) -> None:
        self._clip, self._stretch, self._frame, self._size = clip, stretch, frame, size
        self._marks = np.stack(
            [frame.to_frame(track.landmarks[index], size) for index in range(self._start, stretch.last + 1)]
        )
        self.length = stretch.last - stretch.first
        same = abs(clip.rate_hz - FRAME_RATE_HZ) < SAME_RATE_HZ
        self.count = self.length if same else round(self.length * FRAME_RATE_HZ / clip.rate_hz)
        step = self.length / self.count
        begin = round((stretch.reference - stretch.first) / step)
        ats = stretch.first + step * ((np.arange(self.count) + begin) % self.count)
        self.patched = 0.0
        self.moments = [Moment(float(at), self._turn(float(at))) for at in ats]

    @property
    def _start(self) -> int:
        return self._stretch.first - self._stretch.meeting

    def _turn(self, at: float) -> float:
        into = (at - (self._stretch.last - self._stretch.meeting)) / self._stretch.meeting
        return float(smoothstep(0, 1, into))

    def landmarks(self, moment: Moment) -> Array:
        """The landmarks (478, 3) of a picture of the loop, in its pixels."""
        marks = self._between(moment.at)
        if moment.turn:
            marks = marks + np.float32(moment.turn) * (self._between(moment.at - self.length) - marks)
        return marks

    def _between(self, at: float) -> Array:
        low = int(np.floor(at)) - self._start
        share = np.float32(at - np.floor(at))
        if share == 0:
            return np.asarray(self._marks[low], np.float32)
        return np.asarray(self._marks[low] * (1 - share) + self._marks[low + 1] * share, np.float32)

    def pictures(self, rest: RestingFace) -> Iterator[Picture]:
        """Yield the pictures (height, width, 3) uint8 BGR of all moments, the mouth at rest."""
        deviations = np.array([rest.deviation_iod(marks) for marks in self._marks], np.float32)
        patches = patch_amounts(deviations, self._clip.rate_hz)
        self.patched = float(patches.mean())
        before = Winder(self.cut(self._start, self._stretch.first), self._start, hold=self._stretch.meeting + 2)
        begin = int(self.moments[0].at)
        reel = Winder(self.cut(begin, self._stretch.last), begin)
        last_at = -1.0
        for moment in self.moments:
            if moment.at < last_at:
                reel = Winder(self.cut(self._stretch.first, self._stretch.last), self._stretch.first)
            last_at = moment.at
            picture = reel.at(moment.at)
            amount = self._amount(patches, moment.at)
            if moment.turn:
                picture = between(picture, before.at(moment.at - self.length), moment.turn)
                amount = amount_between(amount, self._amount(patches, moment.at - self.length), moment.turn)
            yield rest.neutralised(picture, self.landmarks(moment), amount)

    def _amount(self, patches: Array, at: float) -> float:
        return float(np.interp(at - self._start, np.arange(len(patches)), patches))

    def cut(self, first: int, last: int) -> Iterator[Picture]:
        """Yield the pictures `first` to `last` of the clip, cut to the frame."""
        for _, picture in self._clip.pictures(first, last):
            yield cut(picture, self._frame, self._size)


class Seam:
    """How much more a loop changes where it begins again than it does elsewhere."""

    def __init__(self) -> None:
        self._steps: list[float] = []
        self._at = -1

    def watch(self, pictures: Iterator[Picture], loop: Loop) -> Iterator[Picture]:
        """Pass the pictures of a loop on, looking at each."""
        first = last = None
        ats = [moment.at for moment in loop.moments]
        self._at = int(np.argmin(np.diff([*ats, ats[0]])))
        for picture in pictures:
            grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
            if last is None:
                first = grey
            else:
                self._steps.append(float(cv2.absdiff(grey, last).mean()))
            last = grey
            yield picture
        if first is not None and last is not None:
            self._steps.append(float(cv2.absdiff(first, last).mean()))

    @property
    def ratio(self) -> float:
        """The step at the seam over the median of all."""
        return self._steps[self._at] / max(float(np.median(self._steps)), 1e-3)


class Winder:
    """Pictures of a clip from number `first` on, wound forwards only, with the last `hold` of them at hand."""

    def __init__(self, pictures: Iterator[Picture], first: int, *, hold: int = 2) -> None:
        self._pictures = pictures
        self._next = first
        self._kept: dict[int, Picture] = {}
        self._hold = hold

    def at(self, at: float) -> Picture:
        """The picture at a place between two of the clip's."""
        low = int(np.floor(at))
        share = at - low
        if share < NEAR:
            return self._get(low)
        if share > 1 - NEAR:
            return self._get(low + 1)
        return between(self._get(low), self._get(low + 1), share)

    def _get(self, index: int) -> Picture:
        while self._next <= index:
            try:
                self._kept[self._next] = next(self._pictures)
            except StopIteration:
                # A clip may be a picture shorter in a second reading: its last one stands.
                self._kept[self._next] = self._kept[max(self._kept)]
            self._next += 1
            for old in [name for name in self._kept if name < self._next - self._hold]:
                del self._kept[old]
        return self._kept[index]


def amount_between(first: float, second: float, share: float) -> float:
    """How much of the lips is laid over in a picture between two, `share` (0..1) of the way: of each what it needs for as
    long as it is seen, so that lips do not jump where the way ends."""
    return max(first * float(smoothstep(1, 0.5, share)), second * float(smoothstep(0, 0.5, share)))


def between(first: Picture, second: Picture, share: float) -> Picture:
    """The picture `share` (0..1) of the way from one to the other: what moves is moved, nothing is seen twice."""
    height, width = first.shape[:2]
    scale = min(1.0, FLOW_SIDE_PX / max(height, width))
    small = (max(32, round(width * scale)), max(32, round(height * scale)))
    greys = [
        cv2.resize(cv2.cvtColor(one, cv2.COLOR_BGR2GRAY), small, interpolation=cv2.INTER_AREA)
        for one in (first, second)
    ]
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    drawn = []
    for source, way, part in ((first, greys, share), (second, greys[::-1], 1 - share)):
        field = flow.calc(way[0], way[1], np.zeros((*small[::-1], 2), np.float32))
        field = cv2.GaussianBlur(field, (0, 0), 1.5) * np.array([width / small[0], height / small[1]], np.float32)
        field = cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR)
        xs, ys = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        # Where a pixel comes from is taken to be where it goes to, turned round: true for small movements.
        drawn.append(
            cv2.remap(
                source,
                xs - np.float32(part) * field[..., 0],
                ys - np.float32(part) * field[..., 1],
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
        )
    return np.asarray(cv2.addWeighted(drawn[0], 1 - share, drawn[1], share, 0), np.uint8)
