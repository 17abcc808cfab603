"""Painting over a drawn mouth: what makes it the person's own where the footage's clip taught a network how it looks.

The network itself is given from outside: the face knows what goes in and what comes out, not what runs it.
"""

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from avatars.engine.face.i420 import Picture
from avatars.engine.face.mouthbox import MouthBox
from avatars.engine.face.rig import Rig
from avatars.engine.face.shapes import SHAPES

_NAMES: Final = [name for name, _ in SHAPES]
OPENING: Final = tuple(_NAMES.index(name) for name in ("jaw", "upper_lip", "lower_lip", "pinch"))
"""The shapes that open the mouth. Made larger by one factor, sealed lips stay sealed."""
INVISIBLE: Final = 0.01

Array = NDArray[np.float32]
Network = Callable[[Array, Array], Array]
"""From the box of a mouth (CHANNELS, HALF, HALF) and its controls (CONTROL_COUNT,) to a change (CHANGED, HALF, HALF)."""


class MouthPainter(Protocol):
    """Paints over the drawn mouths of one rig. Keeps nothing between calls, so that sessions can share it."""

    def opened(self, weights: Array) -> Array:
        """The weights to draw so that lips, once painted, are seen to open as these weights (WEIGHT_COUNT,) ask."""
        ...

    def paint(self, i420: Picture, pose: Array, weights: Array) -> None:
        """Paint over the mouth that was drawn with these weights in an I420 picture (height * 3 // 2, width).

        pose: (2, 3), the similarity from the portrait's pixels to the picture's.
        """
        ...


class NetworkPainter:
    """Adds what a network makes of the box of the mouth. gain: how much wider lips are drawn than they shall look."""

    def __init__(self, rig: Rig, network: Network, gain: float) -> None:
        self._size = rig.portrait.height, rig.portrait.width
        self._box, self._network, self._gain = MouthBox(rig), network, np.float32(gain)

    def opened(self, weights: Array) -> Array:
        """See `MouthPainter.opened`."""
        wider = weights.copy()
        wider[list(OPENING)] *= self._gain
        return wider

    def paint(self, i420: Picture, pose: Array, weights: Array) -> None:
        """See `MouthPainter.paint`."""
        within, painted = self._box.masks(weights)
        if float(painted.max()) < INVISIBLE:
            return
        seen = self._box.seen(i420, *self._size, pose, within)
        self._box.add(i420, *self._size, pose, self._network(seen, self._box.controls(weights)), painted)
