"""A film watched as a recording is: a real person as the ceiling of every measure, or a talking video as it was written."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from avatars.engine.controls import FRAME_RATE_HZ
from avatars.engine.perception import Face, Perception
from avatars.engine.portrait import LANDMARK_COUNT
from avatars.engine.speech import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from avatars.quality import pixels
from avatars.quality.lips import openings
from avatars.quality.recording import LIKENESS_EVERY, Recording

SECONDS_MAX: Final = 120
SIDE_MAX_PX: Final = 1920


class FootageRefused(Exception):
    """The film cannot be watched; the text is a sentence for people."""


def watch(path: Path, progress: Callable[[float], None] = lambda share: None) -> Recording:
    """Follow the largest face of a film of at most two minutes; its track is put on `FRAME_RATE_HZ`.

    Nothing was commanded, and no phones are known. Raises `FootageRefused`.
    """
    if not path.is_file():
        raise FootageRefused(f"There is no film {path}. Check the path.")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise FootageRefused(f"There are no pictures in the file {path.name}.")
            viewer = _Viewer()
            stream = container.streams.video[0]
            if max(stream.width, stream.height) > SIDE_MAX_PX:
                raise FootageRefused(f"The film {path.name} is larger than {SIDE_MAX_PX} pixels. Make it smaller.")
            length_s = min(SECONDS_MAX, (container.duration or 0) / av.time_base) or SECONDS_MAX
            for frame in container.decode(stream):
                time_s = float(frame.time or 0)
                if time_s > SECONDS_MAX:
                    break
                viewer.watch(np.asarray(frame.to_ndarray(format="bgr24"), np.uint8), time_s)
                progress(min(1.0, time_s / length_s))
            container.seek(0)
            samples = _sound(container) if container.streams.audio else np.zeros(0, np.float32)
    except (FFmpegError, ValueError) as error:
        raise FootageRefused(f"The film {path.name} is damaged or of an unknown kind.") from error
    if not viewer.times:
        raise FootageRefused(f"No face is found in the film {path.name}.")
    return viewer.recording(samples)


class _Viewer:
    """Follows a face, and looks for it again where it was lost."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self._meshes: list[NDArray[np.float32]] = []
        self._texture: list[float] = []
        self._changes: list[NDArray[np.float32]] = []
        self._likeness: list[float] = []
        self._face: Face | None = None
        self._identity: NDArray[np.float32] | None = None
        self._before: NDArray[np.uint8] | None = None

    def watch(self, picture: NDArray[np.uint8], time_s: float) -> None:
        """Look at the picture of a time."""
        if self._face is not None:
            self._face = Perception.shared().track(picture, self._face.landmarks)
        if self._face is None:
            self._face = next(iter(Perception.shared().faces(picture)), None)
        if self._face is None:
            if self._identity is None:
                return
            mesh, texture = np.full((LANDMARK_COUNT, 2), np.nan, np.float32), float("nan")
        else:
            mesh, texture = self._face.landmarks[:, :2], pixels.oral_texture(picture, self._face.landmarks)
            if len(self.times) % LIKENESS_EVERY == 0:
                embedding = Perception.shared().embedding(picture, self._face)
                self._identity = embedding if self._identity is None else self._identity
                self._likeness.append(float(self._identity @ embedding))
        if self._before is not None:
            self._changes.append(pixels.difference_grid(self._before, picture))
        self._before = picture
        self.times.append(time_s)
        self._meshes.append(mesh)
        self._texture.append(texture)

    def recording(self, samples: NDArray[np.float32]) -> Recording:
        """What was seen, every 40 ms from the beginning of the film."""
        frames = int(self.times[-1] * FRAME_RATE_HZ) + 1
        wanted = (np.arange(frames) + 0.5) / FRAME_RATE_HZ
        step_s = float(np.median(np.diff(self.times))) if len(self.times) > 1 else 1 / FRAME_RATE_HZ
        # A picture stands for the time during which it is shown, so for its middle.
        shown = np.array(self.times) + step_s / 2
        flat = np.stack(self._meshes).reshape(len(shown), -1)
        columns = [np.interp(wanted, shown, column) for column in flat.T]
        mesh = np.stack(columns, axis=-1).astype(np.float32).reshape(frames, LANDMARK_COUNT, 2)
        gap = openings(mesh)
        sound = np.zeros(frames * SAMPLES_PER_FRAME if len(samples) else 0, np.float32)
        sound[: len(samples)] = samples[: len(sound)]
        return Recording(
            commanded=np.zeros(0),
            detected=gap,
            source_iod=float("nan"),
            samples=sound,
            phones=None,
            likeness=np.array(self._likeness),
            still=np.zeros((0, 0, 2), np.float32),
            mesh=mesh,
            changes=np.array(self._changes, np.float32).reshape(-1, pixels.GRID, pixels.GRID),
            texture=np.array(self._texture),
        )


def _sound(container: av.container.InputContainer) -> NDArray[np.float32]:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
    parts: list[NDArray[np.float32]] = []
    for frame in container.decode(audio=0):
        parts += [np.asarray(piece.to_ndarray(), np.float32).reshape(-1) for piece in resampler.resample(frame)]
        if sum(map(len, parts)) > SECONDS_MAX * SAMPLE_RATE_HZ:
            break
    parts += [np.asarray(piece.to_ndarray(), np.float32).reshape(-1) for piece in resampler.resample(None)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
