"""A recording of a face that speaks: what its lips were told to do, and what is seen of them in the pictures."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from avatars.build.trial import commanded_iod
from avatars.engine.controls import FRAME_RATE_HZ, MOUTH, Control, Controls, rest
from avatars.engine.face import Rig
from avatars.engine.face.i420 import bgr_of
from avatars.engine.mouth_network import painting_renderer
from avatars.engine.perception import Face, Perception
from avatars.engine.performer import Activity, Line, Performer, Take
from avatars.engine.portrait import LANDMARK_COUNT, Portrait
from avatars.engine.speech import Phone, Speech
from avatars.film import open_reel
from avatars.quality import pixels
from avatars.quality.idle import Motion
from avatars.quality.lips import STILL_POINTS, Mesh
from avatars.quality.metrics import Array, opening_iod

# Silence before the speech and after it belongs to a recording: a face has to be still in it.
SILENCE_FRAMES: Final = 25
LIKENESS_EVERY: Final = 5
STILL_FRAMES: Final = 75
SEED: Final = 7
JITTER_SIDE_PX: Final = 512
# Points are followed by what is around them within so many IOD.
FOLLOWED_IOD: Final = 0.11
ASIDE_IOD: Final = 0.004
BACKGROUND_MARGIN_IOD: Final = 0.30


def _none() -> Array:
    return np.zeros(0)


@dataclass(frozen=True, slots=True)
class Held:
    """What is seen while the head is held still and only the mouth moves, a value for each of m frames.

    outside_changed: share of the pixels outside the moving region that differ from the face at rest.
    upper_ssim: structural similarity of brows and forehead to the face at rest.
    flicker: step of the skin of the forehead from frame to frame, in levels.
    seam, seam_de: the border of the moving region, see `pixels.seam`.
    """

    outside_changed: Array = field(default_factory=_none)
    upper_ssim: Array = field(default_factory=_none)
    flicker: Array = field(default_factory=_none)
    seam: Array = field(default_factory=_none)
    seam_de: Array = field(default_factory=_none)


@dataclass(frozen=True, slots=True)
class Recording:
    """One performance, `FRAME_RATE_HZ` frames a second; or a real person on film, who was told nothing.

    commanded, detected: (frames,) lip openings in IOD; detected is NaN where no face was found, commanded is empty for
    a real person.
    source_iod: the opening found in the source picture, NaN without a face.
    samples: (frames * SAMPLES_PER_FRAME,) sound, or none. phones: with their times in the recording, or None.
    likeness: (k,) cosines of the face to the one at rest, every `LIKENESS_EVERY` frames.
    still: (m, n, 2) places of points that do not speak while the head is held still, as their pixels show them, on a
    picture that is 512 pixels wide or high, whichever is less.
    mesh: (frames, 478, 2) where the face was found, NaN where it was not.
    changes: (frames - 1, 8, 8) steps from picture to picture, see `pixels.difference_grid`.
    texture: (frames,) detail of the open mouth, see `pixels.oral_texture`.
    background_changed: (frames,) share of the pixels well outside the character that differ from the face at rest.
    loop_steps: of an avatar made from a video, the steps from picture to picture of one round of its loop, in levels; the
    last is the one where it begins again. idle: the motion of that round.
    What is about a head held still or an unmoved background is empty for a video, which moves by itself.
    """

    commanded: Array
    detected: Array
    source_iod: float
    samples: NDArray[np.float32]
    phones: tuple[Phone, ...] | None
    likeness: Array
    still: NDArray[np.float32]
    mesh: Mesh = field(default_factory=lambda: np.zeros((0, LANDMARK_COUNT, 2), np.float32))
    changes: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, pixels.GRID, pixels.GRID), np.float32))
    texture: Array = field(default_factory=_none)
    background_changed: Array = field(default_factory=_none)
    loop_steps: Array = field(default_factory=_none)
    idle: Motion | None = None
    held: Held = field(default_factory=Held)


def record(
    portrait: Portrait,
    speech: Speech,
    progress: Callable[[float], None] = lambda share: None,
    *,
    seed: int = SEED,
    film: Path | None = None,
) -> Recording:
    """Perform `speech` as visitors see it, head and eyes alive, and find the face again in every picture.

    progress: hears the share done, 0..1. film: where the same performance is written as MP4, too.
    """
    rig = Rig.from_portrait(portrait)
    performer = Performer(painting_renderer(rig), seed)
    performer.set_activity(Activity.SPEAKING)
    line = Line.prepare(speech, seed)
    frames = SILENCE_FRAMES + line.frames + SILENCE_FRAMES
    watcher = _Watcher(rig)
    background = pixels.around(portrait.matte, BACKGROUND_MARGIN_IOD * rig.frame.iod_px)
    takes: list[Controls] = []
    sound: list[NDArray[np.float32]] = []
    changed: list[float] = []
    with nullcontext() if film is None else open_reel(film, portrait.width, portrait.height) as reel:
        for index in range(frames):
            if index == SILENCE_FRAMES:
                performer.say(1, line)
            take: Take = performer.next()
            takes.append(take.controls)
            sound.append(take.samples)
            if reel is not None:
                reel.add(take)
            picture = bgr_of(take.picture)
            watcher.watch(picture, likeness=index % LIKENESS_EVERY == 0)
            if portrait.footage is None:
                changed.append(pixels.changed_share(picture, watcher.resting, background))
            progress((index + 1) / frames)
    offset_s = SILENCE_FRAMES / FRAME_RATE_HZ
    phones = None
    if speech.phones is not None:
        phones = tuple(Phone(p.symbol, p.start_s + offset_s, p.end_s + offset_s, p.stress) for p in speech.phones)
    if portrait.footage is None:
        still, held = _held_still(rig, line)
    else:
        still, held = np.zeros((0, len(STILL_POINTS), 2), np.float32), Held()
    return Recording(
        commanded=np.array([commanded_iod(rig, controls) for controls in takes]),
        detected=np.array(watcher.openings),
        source_iod=watcher.source_iod,
        samples=np.concatenate(sound),
        phones=phones,
        likeness=np.array(watcher.likeness),
        still=still,
        mesh=np.stack(watcher.meshes),
        changes=np.array(watcher.changes, np.float32).reshape(-1, pixels.GRID, pixels.GRID),
        texture=np.array(watcher.texture),
        background_changed=np.array(changed),
        loop_steps=np.zeros(0) if portrait.footage is None else _one_round(rig, len(portrait.footage.poses)),
        idle=None if portrait.footage is None else _idle(rig, len(portrait.footage.poses)),
        held=held,
    )


def held_still() -> Controls:
    """The controls (CONTROL_COUNT,) of a face at rest, its head a hair aside.

    A head that is nowhere but in its place is the untouched source; visitors never see it, as every head breathes.
    """
    controls = rest()
    controls[Control.SHIFT_X] = ASIDE_IOD
    return controls


class _Watcher:
    """Follows a face from picture to picture."""

    def __init__(self, rig: Rig) -> None:
        self.openings: list[float] = []
        self.likeness: list[float] = []
        self.meshes: list[Mesh] = []
        self.changes: list[NDArray[np.float32]] = []
        self.texture: list[float] = []
        self.face: Face | None = None
        self._landmarks = rig.portrait.landmarks
        self._before: NDArray[np.uint8] | None = None
        self.resting = bgr_of(painting_renderer(rig).render(held_still()))
        face = Perception.shared().refine(self.resting, self._landmarks)
        self._identity = None if face is None else Perception.shared().embedding(self.resting, face)
        self.source_iod = float("nan") if face is None else opening_iod(face.landmarks)

    def watch(self, picture: NDArray[np.uint8], *, likeness: bool) -> None:
        """Look at the next picture."""
        if self._before is not None:
            self.changes.append(pixels.difference_grid(self._before, picture))
        self._before = picture
        # A drawing or an animal in which the resting face is not found is none that could be followed.
        self.face = None if self._identity is None else Perception.shared().track(picture, self._landmarks)
        if self.face is None or self._identity is None:
            self.openings.append(float("nan"))
            self.meshes.append(_unseen())
            self.texture.append(float("nan"))
            return
        self._landmarks = self.face.landmarks
        self.openings.append(opening_iod(self.face.landmarks))
        self.meshes.append(self.face.landmarks[:, :2])
        self.texture.append(pixels.oral_texture(picture, self.face.landmarks))
        if likeness:
            self.likeness.append(float(self._identity @ Perception.shared().embedding(picture, self.face)))


def _held_still(rig: Rig, line: Line) -> tuple[NDArray[np.float32], Held]:
    """What is seen while only the mouth moves: points that do not speak, see `Recording.still`, and what is around."""
    portrait = rig.portrait
    renderer = painting_renderer(rig)
    resting = bgr_of(renderer.render(held_still()))
    size = portrait.height, portrait.width
    scale = JITTER_SIDE_PX / min(size)
    region = pixels.moving_region(portrait.landmarks, size)
    upper, skin = pixels.upper_face(portrait.landmarks, size), pixels.forehead(portrait.landmarks, size)
    border = pixels.Border.of(region)
    points = portrait.landmarks[list(STILL_POINTS), :2]
    reach_px = FOLLOWED_IOD * rig.frame.iod_px
    before = resting
    found, seen = [], []
    for mouth in line.mouth[:STILL_FRAMES]:
        controls = held_still()
        controls[MOUTH] = mouth
        picture = bgr_of(renderer.render(controls))
        found.append(pixels.followed(points, resting, picture, reach_px) * scale)
        seen.append(
            (
                pixels.changed_share(picture, resting, ~region),
                pixels.ssim(picture, resting, upper),
                pixels.flicker(picture, before, skin),
                *pixels.seam(picture, resting, border),
            )
        )
        before = picture
    held = Held(*(np.array(values) for values in zip(*seen, strict=True))) if seen else Held()
    return np.array(found, np.float32).reshape(len(found), len(STILL_POINTS), 2), held


def _one_round(rig: Rig, count: int) -> Array:
    """The steps of a loop of `count` pictures, see `Recording.loop_steps`."""
    renderer = painting_renderer(rig)
    pictures = (bgr_of(renderer.render(rest())) for _ in range(count + 1))
    return np.array([float(pixels.difference_grid(*pair).mean()) for pair in pairwise(pictures)])


def _idle(rig: Rig, count: int) -> Motion:
    """The motion of one round of a loop of `count` pictures."""
    renderer = painting_renderer(rig)
    return Motion.of(renderer.render(rest())[: rig.portrait.height] for _ in range(count + 1))


def _unseen() -> Mesh:
    return np.full((LANDMARK_COUNT, 2), np.nan, np.float32)
