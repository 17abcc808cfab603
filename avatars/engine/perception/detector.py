"""Where faces are: boxes and five points, from YuNet."""

from dataclasses import dataclass
from threading import Lock
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.weights import Weight, weight_path

LONGEST_SIDE_PX: Final = 960
SCORE_MIN: Final = 0.6
OVERLAP_MAX: Final = 0.3
CANDIDATES_MAX: Final = 500
SUSPECT_SCORE_MIN: Final = 0.25
SUSPECT_SIDES_PX: Final = (128, 192, 256, 320, 512, 800)

# A face that fills the picture is larger than anything the detector was taught: it is shown smaller, with a margin.
CLOSE_UP_SIDE_PX: Final = 320
CLOSE_UP_MARGIN: Final = 0.35


@dataclass(frozen=True, slots=True)
class Detection:
    """One face box.

    box: (4,) float32, left, top, width, height in pixels of the picture.
    five_points: (5, 2) float32, eye on the left of the picture, other eye, nose tip, mouth corner left, right.
    score: 0..1.
    """

    box: NDArray[np.float32]
    five_points: NDArray[np.float32]
    score: float


class Detector:
    """Finds faces of any size. Thread-safe."""

    def __init__(self, score_min: float = SCORE_MIN) -> None:
        self._lock = Lock()
        self._network = cv2.FaceDetectorYN.create(
            str(weight_path(Weight.FACE_DETECTOR)), "", (320, 320), score_min, OVERLAP_MAX, CANDIDATES_MAX
        )

    def detect(self, picture: NDArray[np.uint8]) -> list[Detection]:
        """Return the faces in a (height, width, 3) uint8 BGR picture, largest first."""
        height, width = picture.shape[:2]
        found = self._search(picture, min(1.0, LONGEST_SIDE_PX / max(height, width)))
        if not found:
            margin = int(CLOSE_UP_MARGIN * max(height, width))
            wide = cv2.copyMakeBorder(picture, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
            found = self._search(wide.astype(np.uint8, copy=False), CLOSE_UP_SIDE_PX / max(wide.shape[:2]), margin)
        return sorted(found, key=lambda face: -float(face.box[2] * face.box[3]))

    def suspect(self, picture: NDArray[np.uint8]) -> list[Detection]:
        """Return what looks a little like a face at several sizes, an animal's perhaps, surest first."""
        longest = max(picture.shape[:2])
        found = [face for side in SUSPECT_SIDES_PX for face in self._search(picture, min(1.0, side / longest))]
        return sorted(found, key=lambda face: -face.score)

    def _search(self, picture: NDArray[np.uint8], scale: float, margin_px: int = 0) -> list[Detection]:
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else picture
        with self._lock:
            self._network.setInputSize((small.shape[1], small.shape[0]))
            _, rows = self._network.detect(small)
        found: list[Detection] = []
        for row in np.zeros((0, 15), np.float32) if rows is None else np.asarray(rows, np.float32):
            box, five = row[:4] / scale, row[4:14].reshape(5, 2) / scale - margin_px
            box[:2] -= margin_px
            # Someone facing us has the right eye on the left of the picture; someone upside down has not.
            found.append(Detection(box.astype(np.float32), five.astype(np.float32), float(row[14])))
        return found
