"""What a mouth's network learns from: mouths of the clip, and the same lips as they are drawn over the footage.

Each open mouth of the clip, and what comes right before and after, is drawn again from its lips alone into the picture
of the footage in which the head is held most nearly the same way. What was filmed is put into the light of that picture.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.build.clip import Clip
from avatars.build.framing import Frame, cut
from avatars.build.inside import fitted_weights
from avatars.build.neutral import RestingFace, moved
from avatars.build.stretch import Stretch
from avatars.build.tracking import Track
from avatars.engine.controls import Control, rest
from avatars.engine.face import Rig
from avatars.engine.face.footage import FootageRenderer
from avatars.engine.face.frame import INNER_LOWER, INNER_UPPER
from avatars.engine.face.i420 import i420_of
from avatars.engine.face.mouthbox import CHANGED, HALF, IOD, MIDDLE_GAP, MouthBox, box_pixels
from avatars.engine.face.shapes import SHAPES
from avatars.engine.footage import Reel

OPEN_IOD: Final = 0.05
# Shares of the open mouths, in the clip's order. What comes right before the next part is left out.
LEARNT: Final = 0.72
WATCHED: Final = 0.10
GUARD_FRAMES: Final = 12
AROUND_FRAMES: Final = 8
YAW_APART_DEG: Final = 9.0
PITCH_APART_DEG: Final = 9.0
# Of the pictures of the footage with nearly the same pose one of so many is taken.
ALIKE: Final = 3
SEED: Final = 5
LIGHT_MAX: Final = 1.35
RING_IOD: Final = (0.20, 0.45)
LIGHT_REACH_IOD: Final = 0.22

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Lessons:
    """n pictures of a clip in their order, as boxes of a mouth; pictures are uint8, 255 for 1.

    frames: (n,) their numbers in the clip. drawn: (n, CHANNELS, HALF, HALF). painted: (n, HALF, HALF). real: (n, CHANGED,
    HALF, HALF). controls: (n, CONTROL_COUNT). weights: (n, WEIGHT_COUNT). sources: (n,) the picture of the footage that
    each is drawn into.
    """

    frames: NDArray[np.intp]
    drawn: Picture
    painted: Picture
    real: Picture
    controls: Array
    weights: Array
    sources: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def opened(self) -> NDArray[np.bool_]:
        """Which show an open mouth, (n,)."""
        return np.asarray(self.controls[:, MIDDLE_GAP] > OPEN_IOD)

    def chosen(self, which: NDArray[np.bool_]) -> "Lessons":
        """Some of them."""
        return Lessons(*(getattr(self, field.name)[which] for field in fields(self)))

    def parts(self) -> tuple["Lessons", "Lessons", "Lessons"]:
        """Those to learn from, those to watch the learning by, and the last of the clip, which nothing is learnt from."""
        at = self.frames[self.opened]
        ends = [at[round(share * (len(at) - 1))] for share in (LEARNT, LEARNT + WATCHED)]
        learnt = self.frames < ends[0] - GUARD_FRAMES
        watched = (self.frames >= ends[0]) & (self.frames < ends[1] - GUARD_FRAMES)
        return self.chosen(learnt), self.chosen(watched), self.chosen(self.frames >= ends[1])


def usable(track: Track, stretch: Stretch) -> NDArray[np.bool_]:
    """Which pictures of a clip show the mouth as it is seen in the loop, (n,)."""
    usual = np.median(track.poses_deg[stretch.first : stretch.last, :2], axis=0)
    with np.errstate(invalid="ignore"):
        apart = np.abs(track.poses_deg[:, :2] - usual)
        near = (apart < [YAW_APART_DEG, PITCH_APART_DEG]).all(axis=1)
    return np.asarray(track.found & (track.shots == track.shots[stretch.first]) & near)


def taught(track: Track, stretch: Stretch) -> NDArray[np.intp]:
    """The pictures of a clip to learn from: open mouths, and what comes right before and after."""
    good = usable(track, stretch)
    opened = good & (np.nan_to_num(track.opening_iod) > OPEN_IOD)
    around = np.ones((2 * AROUND_FRAMES + 1, 1), np.uint8)
    return np.flatnonzero(good & (cv2.dilate(opened.astype(np.uint8)[:, None], around)[:, 0] > 0))


def lessons(
    clip: Clip,
    track: Track,
    frame: Frame,
    rig: Rig,
    ats: Array,
    wanted: NDArray[np.intp],
    progress: Callable[[float], None],
) -> Lessons:
    """Draw the pictures `wanted` of a clip again. ats: (frames,) where in the clip each picture of the footage is from."""
    portrait = rig.portrait
    footage, width, height = portrait.footage, portrait.width, portrait.height
    assert footage is not None
    box, drawer = MouthBox(rig), Drawer(rig)
    resting = RestingFace(portrait.picture, portrait.landmarks)
    sources = _sources(track, ats, wanted)
    pictures: tuple[list[Picture], list[Picture], list[Picture]] = ([], [], [])
    controls, asked = [], []
    for count, (index, whole) in enumerate(_pictures(clip, wanted)):
        marks = frame.to_frame(track.landmarks[index], (width, height))
        pose = resting.mouth_pose(marks)
        here = moved(cv2.invertAffineTransform(pose).astype(np.float32), marks[:, :2])
        inner = (rig.frame.to_face(here[list(ids)]) for ids in (INNER_UPPER, INNER_LOWER))
        weights = fitted_weights(rig, *(line[np.argsort(line[:, 0], kind="stable")] for line in inner))
        within, painted = box.masks(weights)
        real = box.seen(i420_of(cut(whole, frame, (width, height))), height, width, pose, within)[:CHANGED]
        source = int(sources[count])
        drawn = box.seen(drawer.draw(source, weights), height, width, footage.poses[source], within)
        lit = _in_the_light_of(real, drawn, box.lines(weights)[2])
        for row, one in zip(pictures, (drawn, painted, lit), strict=True):
            row.append(np.asarray(np.clip(one * 255 + 0.5, 0, 255), np.uint8))
        controls.append(box.controls(weights))
        asked.append(weights)
        progress((count + 1) / len(wanted))
    done = len(asked)
    drawn_all, painted_all, real_all = (np.stack(row) for row in pictures)
    return Lessons(wanted[:done], drawn_all, painted_all, real_all, np.stack(controls), np.stack(asked), sources[:done])


def _sources(track: Track, ats: Array, wanted: NDArray[np.intp]) -> NDArray[np.intp]:
    """For each picture one of the footage's in which the head is held nearly as in it; for neighbours, neighbours."""
    there = track.poses_deg[np.clip(ats.round().astype(int), 0, len(track) - 1), :2]
    random = np.random.default_rng(SEED)
    out = np.empty(len(wanted), np.intp)
    for count, index in enumerate(wanted):
        if count % 2 and index == wanted[count - 1] + 1:
            out[count] = (out[count - 1] + 1) % len(ats)
            continue
        apart = np.linalg.norm(there - track.poses_deg[index, :2], axis=1)
        out[count] = random.choice(np.argsort(apart)[:ALIKE])
    return out


def _pictures(clip: Clip, wanted: NDArray[np.intp]) -> Iterator[tuple[int, Picture]]:
    chosen = set(wanted.tolist())
    for index, (_, picture) in enumerate(clip.pictures(int(wanted[0]), int(wanted[-1])), int(wanted[0])):
        if index in chosen:
            yield index, picture


class Drawer:
    """Draws lips into any picture of some footage."""

    def __init__(self, rig: Rig) -> None:
        footage = rig.portrait.footage
        assert footage is not None
        reel = Reel(footage, rig.portrait.width, rig.portrait.height)
        self._pictures = [reel.next()[1] for _ in range(len(footage))]
        self._renderer = FootageRenderer(rig)
        self._round, self._press = ([name for name, _ in SHAPES].index(name) for name in ("round", "press"))

    def draw(self, number: int, weights: Array) -> Picture:
        """The picture `number` of the footage with lips of these weights, I420, in memory of its own."""
        controls = rest()
        controls[Control.ROUND], controls[Control.PRESS] = weights[self._round], weights[self._press]
        out = self._pictures[number].copy()
        self._renderer.draw_over(out, weights, controls, number)
        return out


def _in_the_light_of(real: Array, drawn: Array, outline: Array) -> Array:
    """The real mouth as bright and as coloured as the drawn one is on the skin around it, side by side."""
    ring = _ring(outline).astype(np.float32)

    def around(plane: Array) -> Array:
        reach = LIGHT_REACH_IOD * IOD / 2
        return np.asarray(cv2.GaussianBlur(plane * ring, (0, 0), reach) + 1e-4 * plane[ring > 0].mean(), np.float32)

    out = real.copy()
    light = around(drawn[:4].mean(axis=0)) / np.maximum(around(real[:4].mean(axis=0)), 1e-6)
    out[:4] *= np.clip(light, 1 / LIGHT_MAX, LIGHT_MAX)
    for plane in range(4, CHANGED):
        out[plane] += (around(drawn[plane]) - around(real[plane])) / around(np.ones_like(ring))
    return out


def _ring(outline: Array) -> NDArray[np.bool_]:
    """The skin around the lips, within the box: (HALF, HALF)."""
    mask = np.full((HALF, HALF), 255, np.uint8)
    hull = cv2.convexHull(box_pixels(outline).astype(np.float32)).round().astype(np.int32)
    cv2.fillConvexPoly(mask, hull, (0,))
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, 3) / (IOD / 2)
    return np.asarray((distance > RING_IOD[0]) & (distance < RING_IOD[1]))
