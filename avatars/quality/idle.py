"""The idle motion of a face from a video, held against the seconds of the clip that it was made from.

Pictures are looked at as they are coded, by their luma (height, width) uint8: a loop may neither shimmer nor freeze.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from avatars.build import BuildRefused
from avatars.build.clip import Clip, open_clip
from avatars.build.framing import Frame, cut
from avatars.build.loop import SAME_RATE_HZ
from avatars.engine.controls import FRAME_RATE_HZ
from avatars.engine.face.i420 import i420_of

NOT_GIVEN: Final = "The clip that this avatar was made from was not given."
ANOTHER: Final = "The film is not the clip that this avatar was made from."
OTHER_RATE: Final = "Clips of another rate than 24 to 26 pictures a second move in other steps."


@dataclass(frozen=True, slots=True)
class Motion:
    """How pictures follow each other: mean step, and mean difference of two steps in a row, grey levels."""

    step_levels: float
    second_levels: float

    @classmethod
    def of(cls, lumas: Iterable[NDArray[np.uint8]]) -> "Motion":
        """The motion of at least three pictures."""
        steps, seconds = [], []
        before: NDArray[np.int16] | None = None
        last_step: NDArray[np.int16] | None = None
        for luma in lumas:
            # Renderers hand their frames out to be drawn into again.
            now = luma.astype(np.int16)
            if before is not None:
                step = now - before
                steps.append(float(np.abs(step).mean()))
                if last_step is not None:
                    seconds.append(float(np.abs(step - last_step).mean()))
                last_step = step
            before = now
        return cls(float(np.mean(steps)), float(np.mean(seconds)))

    @property
    def abruptness(self) -> float:
        """The second differences over the first: 0 for steady motion, 1.7 for noise."""
        return self.second_levels / max(self.step_levels, 1e-6)


def filmed(path: Path, recipe: dict[str, Any], size: tuple[int, int]) -> Motion | str:
    """The motion of the clip where an avatar of a `size` (width, height) took its loop, or a sentence why it is unknown.

    recipe: of the avatar's manifest.
    """
    try:
        clip = open_clip(path)
        source = recipe["source"]
        if (clip.width, clip.height, round(clip.rate_hz, 3)) != (source["width"], source["height"], source["rate_hz"]):
            return ANOTHER
        if abs(clip.rate_hz - FRAME_RATE_HZ) >= SAME_RATE_HZ:
            return OTHER_RATE
        return Motion.of(_lumas(clip, Frame(*recipe["frame"]), recipe["loop"], size))
    except (BuildRefused, KeyError, TypeError):
        return ANOTHER


def _lumas(clip: Clip, frame: Frame, loop: dict[str, int], size: tuple[int, int]) -> Iterable[NDArray[np.uint8]]:
    for _, picture in clip.pictures(loop["first"], loop["last"]):
        yield i420_of(cut(picture, frame, size))[: size[1]]
