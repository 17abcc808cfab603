"""Fetching pixels from where a map says they are."""

from typing import Any, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = TypeVar("Pixels", NDArray[np.uint8], NDArray[np.float32])


def sample(source: Pixels, places: NDArray[np.float32], out: Pixels | None = None) -> Pixels:
    """The pixels of `source` at `places` (rows, columns, 2), x and y; the edge goes on outside. Into `out` if given."""
    no_second_map: Any = None
    drawn: Any = cv2.remap(source, places, no_second_map, cv2.INTER_LINEAR, dst=out, borderMode=cv2.BORDER_REPLICATE)
    return cast(Pixels, drawn)
