"""A whole examination of one face: performed, filmed, watched, measured, and measured again where it has to fail."""

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from avatars.engine.controls import FRAME_RATE_HZ
from avatars.engine.portrait import Portrait
from avatars.engine.speech import Speech
from avatars.quality import lips, shams
from avatars.quality.bars import bar_for, sham_faults, verdicts
from avatars.quality.footage import watch
from avatars.quality.idle import NOT_GIVEN, Motion
from avatars.quality.measure import Measures, measure
from avatars.quality.recording import SILENCE_FRAMES, Recording, record

# Where in the progress of an examination the performance ends and the watching of its film begins.
PERFORMED: Final = 0.7


@dataclass(frozen=True, slots=True)
class Comparison:
    """A drawn face against a real one that speaks the same sound.

    lips_apart_iod: mean distance of the lips' landmarks, each face freed of its own mean shape; lips_apart_px: the same
    on a face 256 pixels high. lips_apart_speed_iod: of their steps from frame to frame. extrema_apart_ms: how far apart
    their peaks and troughs are. opening_ratio: drawn over real, at the 95th percentile.
    """

    lips_apart_iod: float
    lips_apart_px: float
    lips_apart_speed_iod: float
    extrema_apart_ms: float
    opening_ratio: float


@dataclass(frozen=True, slots=True)
class Examination:
    """Everything found out about one face."""

    recording: Recording
    measures: Measures
    shuffled: Measures
    delayed: Measures
    still: Measures
    comparison: Comparison | None = None

    @property
    def verdicts(self) -> dict[str, bool | None]:
        """Which bars hold; None where a measure is missing."""
        return verdicts(self.measures)

    @property
    def missed(self) -> list[str]:
        """The measures whose bars do not hold."""
        return [name for name, holds in self.verdicts.items() if holds is False]

    @property
    def faults(self) -> list[str]:
        """Sentences about controls that passed where they had to fail."""
        return sham_faults(self.measures, self.shuffled, self.delayed, self.still)

    def to_json(self) -> dict[str, Any]:
        """The measures as they are, then bars, verdicts and controls."""
        content = {
            **self.measures.to_json(),
            "bars": {name: str(bar_for(name, self.measures)) for name in self.verdicts},
            "verdicts": self.verdicts,
            "missed": self.missed,
            "controls": {
                "shuffled": self.shuffled.to_json(),
                "delayed_200_ms": self.delayed.to_json(),
                "still": self.still.to_json(),
                "faults": self.faults,
            },
        }
        return content if self.comparison is None else content | {"comparison": asdict(self.comparison)}


def examine(
    portrait: Portrait,
    speech: Speech,
    progress: Callable[[float], None] = lambda share: None,
    *,
    real: Recording | None = None,
    clip: Motion | str = NOT_GIVEN,
) -> Examination:
    """Let a portrait say `speech` and find out how well it does; `real` is a person to hold it against, with sound.

    clip: the motion of the seconds of a clip that its loop was made from, or a sentence why it is not known.
    """
    with tempfile.TemporaryDirectory(prefix="parlo-quality-") as folder:
        path = Path(folder) / "film.mp4"
        recording = record(portrait, speech, lambda share: progress(PERFORMED * share), film=path)
        film = None
        if np.isfinite(recording.detected).any():
            film = watch(path, lambda share: progress(PERFORMED + (1 - PERFORMED) * share))
    progress(1.0)
    return Examination(
        recording=recording,
        measures=measure(recording, film, clip),
        shuffled=shams.shuffled(recording),
        delayed=shams.delayed(recording),
        still=shams.still(recording),
        comparison=compare(portrait, real) if real is not None and len(real.samples) else None,
    )


def compare(portrait: Portrait, real: Recording) -> Comparison:
    """Let a portrait speak with the sound of a real person's film, and hold its lips against theirs."""
    drawn = record(portrait, Speech(real.samples))
    said = slice(SILENCE_FRAMES, SILENCE_FRAMES + len(real.detected))
    mesh = drawn.mesh[said]
    apart, speed = lips.landmark_distance(lips.aligned(mesh), lips.aligned(real.mesh))
    top, chin = (mesh[:, point] for point in lips.FACE_HEIGHT)
    height_iod = float(np.nanmean(np.linalg.norm(chin - top, axis=-1) / lips.eye_distances(mesh)))
    p95 = [float(np.nanpercentile(each, 95)) for each in (drawn.detected[said], real.detected)]
    return Comparison(
        lips_apart_iod=round(apart, 4),
        lips_apart_px=round(apart * lips.FACE_PX / height_iod, 2),
        lips_apart_speed_iod=round(speed, 4),
        extrema_apart_ms=round(lips.extrema_apart_ms(real.detected, drawn.detected[said], FRAME_RATE_HZ), 1),
        opening_ratio=round(p95[0] / p95[1], 3),
    )
