"""A recording of a face that speaks: what its lips were told to do, and what is seen of them in the pictures."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from avatars.engine.controls import FRAME_RATE_HZ, MOUTH, Controls, rest
from avatars.engine.face import Rig, renderer_of
from avatars.engine.face.i420 import bgr_of
from avatars.engine.face.weights import shape_weights
from avatars.engine.perception import Face, Perception
from avatars.engine.performer import Activity, Line, Performer, Take
from avatars.engine.portrait import Portrait
from avatars.engine.speech import Phone, Speech
from avatars.quality.metrics import Array, opening_iod

# Silence before the speech and after it belongs to a recording: a face has to be still in it.
SILENCE_FRAMES: Final = 25
LIKENESS_EVERY: Final = 5
STILL_FRAMES: Final = 75
SEED: Final = 7
JITTER_SIDE_PX: Final = 512
# The upper and lower inner lips of the mesh in the middle of the mouth: between these the opening is measured.
MIDDLE_LIPS: Final = (82, 13, 312)
# Corners of the eyes and the bridge of the nose: nothing that a speaking mouth moves.
STILL_POINTS: Final = (33, 133, 362, 263, 168, 6, 197, 195, 5, 4)


@dataclass(frozen=True, slots=True)
class Recording:
    """One performance, `FRAME_RATE_HZ` frames a second.

    commanded, detected: (frames,) lip openings in IOD; detected is NaN where no face was found.
    source_iod: the opening found in the source picture, NaN without a face.
    samples: (frames * SAMPLES_PER_FRAME,) sound. phones: with their times in the recording, or None.
    likeness: (k,) cosines of the face to the one at rest, every `LIKENESS_EVERY` frames.
    still: (m, n, 2) places of points that do not speak while the head is held still, in pixels of a picture that is 512
    pixels wide or high, whichever is less.
    """

    commanded: Array
    detected: Array
    source_iod: float
    samples: NDArray[np.float32]
    phones: tuple[Phone, ...] | None
    likeness: Array
    still: NDArray[np.float32]


def record(
    portrait: Portrait, speech: Speech, progress: Callable[[float], None] = lambda share: None, *, seed: int = SEED
) -> Recording:
    """Perform `speech` as visitors see it, head and eyes alive, and find the face again in every picture.

    progress: hears the share done, 0..1.
    """
    rig = Rig.from_portrait(portrait)
    performer = Performer(renderer_of(rig), seed)
    performer.set_activity(Activity.SPEAKING)
    line = Line.prepare(speech, seed)
    frames = SILENCE_FRAMES + line.frames + SILENCE_FRAMES
    watcher = _Watcher(rig)
    takes: list[Controls] = []
    sound: list[NDArray[np.float32]] = []
    for index in range(frames):
        if index == SILENCE_FRAMES:
            performer.say(1, line)
        take: Take = performer.next()
        takes.append(take.controls)
        sound.append(take.samples)
        watcher.watch(take.picture, likeness=index % LIKENESS_EVERY == 0)
        progress((index + 1) / frames)
    offset_s = SILENCE_FRAMES / FRAME_RATE_HZ
    phones = None
    if speech.phones is not None:
        phones = tuple(Phone(p.symbol, p.start_s + offset_s, p.end_s + offset_s, p.stress) for p in speech.phones)
    return Recording(
        commanded=np.array([commanded_iod(rig, controls) for controls in takes]),
        detected=np.array(watcher.openings),
        source_iod=watcher.source_iod,
        samples=np.concatenate(sound),
        phones=phones,
        likeness=np.array(watcher.likeness),
        still=_held_still(rig, line),
    )


def commanded_iod(rig: Rig, controls: Controls) -> float:
    """The opening that controls (CONTROL_COUNT,) ask for where it is detected, in IOD."""
    weights = shape_weights(controls, rig.portrait.kind, source_is_open=rig.mouth.is_open)
    upper, lower = rig.fields.contours(weights)
    at = rig.frame.to_face(rig.portrait.landmarks[list(MIDDLE_LIPS), :2])[:, 0]
    return float(np.interp(at, rig.fields.contour_x, lower[:, 1] - upper[:, 1]).mean())


class _Watcher:
    """Follows a face from picture to picture."""

    def __init__(self, rig: Rig) -> None:
        self.openings: list[float] = []
        self.likeness: list[float] = []
        self.face: Face | None = None
        self._landmarks = rig.portrait.landmarks
        picture = bgr_of(renderer_of(rig).render(rest()))
        face = Perception.shared().refine(picture, self._landmarks)
        self._identity = None if face is None else Perception.shared().embedding(picture, face)
        self.source_iod = float("nan") if face is None else opening_iod(face.landmarks)

    def watch(self, i420: NDArray[np.uint8], *, likeness: bool) -> None:
        """Look at the next picture."""
        # A drawing or an animal in which the resting face is not found is none that could be followed.
        if self._identity is None:
            self.openings.append(float("nan"))
            return
        picture = bgr_of(i420)
        self.face = Perception.shared().track(picture, self._landmarks)
        if self.face is None:
            self.openings.append(float("nan"))
            return
        self._landmarks = self.face.landmarks
        self.openings.append(opening_iod(self.face.landmarks))
        if likeness:
            self.likeness.append(float(self._identity @ Perception.shared().embedding(picture, self.face)))


def _held_still(rig: Rig, line: Line) -> NDArray[np.float32]:
    """Where points that do not speak are found while only the mouth moves: (frames, n, 2), see `Recording.still`."""
    renderer, watcher = renderer_of(rig), _Watcher(rig)
    scale = JITTER_SIDE_PX / min(rig.portrait.width, rig.portrait.height)
    found = []
    for mouth in line.mouth[:STILL_FRAMES]:
        controls = rest()
        controls[MOUTH] = mouth
        watcher.watch(renderer.render(controls), likeness=False)
        if watcher.face is not None:
            found.append(watcher.face.landmarks[list(STILL_POINTS), :2] * scale)
    return np.array(found, np.float32).reshape(len(found), len(STILL_POINTS), 2)
