"""From face controls to the weights of the shapes: the closure law in geometry, and what follows from what."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from avatars.engine.controls import Control, Controls
from avatars.engine.face.falloff import smoothstep
from avatars.engine.face.mouthline import MouthLine
from avatars.engine.face.relax import OVERLAP
from avatars.engine.face.shapes import JAW_DROP, LOWER_LIP_DROP, UPPER_LIP_LIFT
from avatars.engine.portrait import Kind

WEIGHT_COUNT: Final = 10
RELAX: Final = WEIGHT_COUNT - 1
ANIMAL_GAIN: Final = 1.25
# Half the width of a muzzle's mouth, IOD, from which on it opens so far: a narrower one would be higher than wide.
ANIMAL_WIDE_IOD: Final = 0.34
ANIMAL_ROUND: Final = 0.5
# Of the gap between the parted lips of a source so much is its jaw's.
JAW_OF_GAP: Final = 0.42
# An opening of this size, IOD, is no smile any more.
SPOKEN_IOD: Final = 0.06
# A source's lips are hardly parted below the first of these gaps, and plainly above the second.
HARDLY_PARTED_IOD: Final = (0.05, 0.08)


def shape_weights(controls: Controls, kind: Kind, mouth: MouthLine) -> NDArray[np.float32]:
    """Weights (WEIGHT_COUNT,) of the shapes in the order of `shapes.SHAPES`, then of the relax field.

    A seal is made by geometry, not by fading to a closed picture: the lips take back what the jaw opens, four fifths by
    the lower lip, one fifth by the upper. So the jaw may hang while the lips meet.
    """
    jaw, seal, rounding = float(controls[Control.JAW]), float(controls[Control.SEAL]), float(controls[Control.ROUND])
    upper, lower = float(controls[Control.UPPER_LIP]), float(controls[Control.LOWER_LIP])
    if kind is Kind.ANIMAL:
        gain = ANIMAL_GAIN * min(1.0, mouth.half_width / ANIMAL_WIDE_IOD)
        jaw, upper, lower, rounding = jaw * gain, upper * gain, lower * gain, rounding * ANIMAL_ROUND
    tuck = float(controls[Control.TUCK])
    upper = (1 - seal) * upper - seal * 0.20 * jaw * JAW_DROP / UPPER_LIP_LIFT
    lower = (1 - seal) * lower - seal * 0.80 * jaw * JAW_DROP / LOWER_LIP_DROP
    relax = 0.0
    if mouth.is_open:
        opening = JAW_DROP * jaw + UPPER_LIP_LIFT * upper + LOWER_LIP_DROP * lower
        relax = _relaxed(float(controls[Control.RELAX]), opening, max(min(1.0, 1.3 * rounding), tuck), mouth.gap)
        relax += (1 - relax) * seal
    return np.array(
        [
            jaw,
            upper,
            lower,
            float(controls[Control.WIDE]),
            rounding,
            float(controls[Control.PRESS]),
            tuck,
            float(controls[Control.SMILE]),
            rounding * jaw * (1 - seal),
            relax,
        ],
        np.float32,
    )


def _relaxed(base: float, opening: float, shaped: float, gap: float) -> float:
    """The weight of the relax field with which parted lips open as far as speech asks, and not by their own gap besides.

    base: the weight at rest, where lips that smile stay parted. opening: what is asked for, IOD. shaped: how much rounding
    or a tucked lip takes the smile away whatever the opening, 0..1. gap: of the source, IOD.
    """
    # Lips hardly parted would show neither a seam nor an opening when half relaxed: they are closed at rest.
    base += (1 - base) * float((1 - smoothstep(*HARDLY_PARTED_IOD, gap)) * smoothstep(0, 0.5, base))
    even = gap / (gap + OVERLAP)
    # From the parted lips of the base to the asked opening; never so fast that lips close while they are asked to part.
    left = abs((1 - base) * gap - base * OVERLAP)
    spoken = float(smoothstep(0, max(SPOKEN_IOD, 2 * left), opening))
    return base + (even - base) * max(spoken, shaped)


def jaw_drop(weights: NDArray[np.float32], mouth: MouthLine) -> float:
    """How far the jaw of a frame with these weights hangs, in IOD; what is behind the lips rides on it."""
    still_open = JAW_OF_GAP * mouth.gap * (1 - float(weights[RELAX])) if mouth.is_open else 0.0
    return JAW_DROP * float(weights[0]) + still_open
