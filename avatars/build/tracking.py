"""One face followed through a clip: where it is in every picture, which way it looks, whether lips and lids move."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.build.clip import Clip, too_short
from avatars.build.framing import Frame
from avatars.build.inspection import lips_hidden
from avatars.engine.perception import Face, Perception
from avatars.engine.portrait import LANDMARK_COUNT

SIDE_PX: Final = 960
THUMB_PX: Final = 96
# How often everybody in the picture is looked for, and how often a lost face.
LOOK_ROUND_S: Final = 1.0
LOOK_AGAIN_FRAMES: Final = 6
SMOOTHING_FRAMES: Final = 1.2
# Mean difference of neighbouring pictures, grey levels, and how much that is above what is usual there.
CUT_GREY: Final = 10.0
CUT_TIMES: Final = 4.0
CUT_REACH: Final = 8
JUMP_IN_FACES: Final = 0.5
SAME_PERSON: Final = 0.35

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Track:
    """What was seen, one row for each of n pictures.

    times_s: (n,). found: (n,) whether the face was there and is the one person's. landmarks: (n, 478, 3) in pixels of
    the clip, smoothed in time. poses_deg: (n, 3) yaw, pitch, roll. opening_iod, shut: (n,) lips apart, and lids down
    (0..1). shots: (n,) number of the shot between two cuts. thumbs: (n, rows, columns) uint8 grey. steps: (n,) mean
    difference to the picture before, grey levels. faces: the most faces seen at once. beside: (k, 4) boxes of other
    faces, left, top, width, height. hidden: share of pictures in which something of the skin's colour, or of one colour
    with the chin, is where the lips should be.
    """

    times_s: Array
    found: NDArray[np.bool_]
    landmarks: Array
    poses_deg: Array
    opening_iod: Array
    shut: Array
    shots: NDArray[np.int32]
    thumbs: NDArray[np.uint8]
    steps: Array
    faces: int
    beside: Array
    hidden: float

    def __len__(self) -> int:
        return len(self.times_s)

    def others_in(self, frame: Frame, height_px: float) -> int:
        """How often another face larger than this was seen in a frame of the clip."""
        centres = self.beside[:, :2] + self.beside[:, 2:] / 2 - np.array([frame.left, frame.top], np.float32)
        inside = (centres > 0).all(axis=1) & (centres < [frame.width, frame.height]).all(axis=1)
        return int((inside & (self.beside[:, 3] > height_px)).sum())

    def runs(self) -> list[slice]:
        """The stretches of one shot in which the face was never lost."""
        breaks = np.flatnonzero(np.diff(self.shots) != 0) + 1
        edges = np.unique(np.concatenate([[0, len(self)], breaks, np.flatnonzero(np.diff(self.found)) + 1]))
        pairs = itertools.pairwise(edges)
        return [slice(int(start), int(stop)) for start, stop in pairs if self.found[start]]


def follow(clip: Clip, progress: Callable[[float], None]) -> Track:
    """Follow the largest face of a clip; `progress` hears the share done. Raises `BuildRefused`."""
    watch = _Watch(clip)
    for index, (time_s, picture) in enumerate(clip.pictures(side_px=SIDE_PX)):
        watch.look(index, time_s, picture)
        progress(min(1.0, time_s / (clip.seconds or clip.most_s)))
    return watch.track()


class _Watch:
    """The face of the picture before, and what has been noted of it."""

    def __init__(self, clip: Clip) -> None:
        self._perception = Perception.shared()
        self._least_s = clip.least_s
        self._scale = np.float32(min(1.0, SIDE_PX / max(clip.width, clip.height)))
        self._round = max(1, round(LOOK_ROUND_S * clip.rate_hz))
        self._last: Face | None = None
        self._lost = 0
        self._rows: list[Face | None] = []
        self._times: list[float] = []
        self._thumbs: list[NDArray[np.uint8]] = []
        self._steps: list[float] = []
        self._grey: NDArray[np.uint8] | None = None
        self._hidden: list[bool] = []
        self._identities: list[tuple[int, Array]] = []
        self._beside: list[Array] = []
        self._faces = 0

    def look(self, index: int, time_s: float, picture: NDArray[np.uint8]) -> None:
        face = None if self._last is None else self._perception.track(picture, self._last.landmarks)
        if index % self._round == 0 or (face is None and self._lost % LOOK_AGAIN_FRAMES == 0):
            face = self._among_all(picture, face)
        if face is not None and index % self._round == 0:
            self._identities.append((index, self._perception.embedding(picture, face)))
            self._hidden.append(lips_hidden(picture, face.landmarks))
        self._lost = 0 if face is not None else self._lost + 1
        self._last = face
        self._rows.append(face)
        self._times.append(time_s)
        grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
        self._steps.append(0.0 if self._grey is None else float(np.asarray(cv2.absdiff(grey, self._grey)).mean()))
        self._grey = grey
        size = (THUMB_PX, max(2, THUMB_PX * grey.shape[0] // grey.shape[1]))
        self._thumbs.append(np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8))

    def _among_all(self, picture: NDArray[np.uint8], face: Face | None) -> Face | None:
        everybody = self._perception.faces(picture)
        self._faces = max(self._faces, len(everybody))
        if face is None:
            face = everybody[0] if everybody else None
        if face is not None:
            centre = face.landmarks[:, :2].mean(axis=0)
            apart = [other for other in everybody if not _inside(centre, other.box)]
            self._beside += [other.box / self._scale for other in apart]
        return face

    def track(self) -> Track:
        """Everything noted, judged. Raises `BuildRefused`."""
        count = len(self._rows)
        times = np.array(self._times, np.float32)
        if count < 2 or times[-1] < 0.9 * self._least_s:
            raise too_short(self._times[-1] if count else 0.0, self._least_s)
        found = np.array([face is not None for face in self._rows]) & self._same_person(count)
        landmarks = np.full((count, LANDMARK_COUNT, 3), np.nan, np.float32)
        numbers = np.full((count, 5), np.nan, np.float32)
        for index, face in enumerate(self._rows):
            if face is not None and found[index]:
                landmarks[index] = face.landmarks / self._scale
                lids = min(face.blendshapes["eyeBlinkLeft"], face.blendshapes["eyeBlinkRight"])
                numbers[index] = *face.pose_deg, face.opening_iod, lids
        thumbs = np.stack(self._thumbs)
        track = Track(
            times,
            found,
            landmarks,
            numbers[:, :3],
            numbers[:, 3],
            numbers[:, 4],
            _shots(thumbs, landmarks),
            thumbs,
            np.array(self._steps, np.float32),
            self._faces,
            np.array(self._beside, np.float32).reshape(-1, 4),
            float(np.mean(self._hidden)) if self._hidden else 0.0,
        )
        for run in track.runs():
            landmarks[run] = _smoothed(landmarks[run])
        return track

    def _same_person(self, count: int) -> NDArray[np.bool_]:
        """Which pictures show the person that the clip shows most; judged where everybody was looked for."""
        if not self._identities:
            return np.zeros(count, bool)
        vectors = np.stack([vector for _, vector in self._identities])
        likeness = vectors @ vectors.T
        same = likeness[int(np.median(likeness, axis=1).argmax())] >= SAME_PERSON
        at = np.array([index for index, _ in self._identities])
        nearest = np.abs(np.arange(count)[:, None] - at[None]).argmin(axis=1)
        return np.asarray(same[nearest], np.bool_)


def _inside(point: Array, box: Array) -> bool:
    return bool((point >= box[:2]).all() and (point <= box[:2] + box[2:]).all())


def _shots(thumbs: NDArray[np.uint8], landmarks: Array) -> NDArray[np.int32]:
    """Number the shots: a cut changes the whole picture at once, or puts the face somewhere else."""
    steps = np.abs(np.diff(thumbs.astype(np.int16), axis=0)).mean(axis=(1, 2))
    around = np.array([np.median(steps[max(0, k - CUT_REACH) : k + CUT_REACH + 1]) for k in range(len(steps))])
    cut = (steps > CUT_GREY) & (steps > CUT_TIMES * around)
    centres = landmarks[:, :, :2].mean(axis=1)
    heights = np.linalg.norm(landmarks[:, 152, :2] - landmarks[:, 10, :2], axis=1)
    jump = np.linalg.norm(np.diff(centres, axis=0), axis=1) / np.fmax(heights[1:], 1)
    cut |= np.nan_to_num(jump) > JUMP_IN_FACES
    return np.concatenate([[0], np.cumsum(cut)]).astype(np.int32)


def _smoothed(landmarks: Array) -> Array:
    flat = np.ascontiguousarray(landmarks.reshape(len(landmarks), -1))
    soft = cv2.GaussianBlur(flat, (1, 0), 0.1, sigmaY=SMOOTHING_FRAMES, borderType=cv2.BORDER_REFLECT)
    return np.asarray(soft, np.float32).reshape(landmarks.shape)
