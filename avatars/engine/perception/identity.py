"""Whose face it is, as 128 numbers: close together for one person, far apart for two."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.perception.session import open_session
from avatars.engine.weights import Weight

INPUT_SIDE_PX: Final = 112
SAME_PERSON_MIN: Final = 0.5
"""Cosine from which two embeddings are taken for one person; different people measured reach 0.41 at most."""

# Where eyes, nose and mouth corners stand in the network's input.
_TEMPLATE: Final = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float64
)


def similarity(points: NDArray[np.float32], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (2, 3) matrix of the turn, scale and shift that brings (n, 2) points closest to `target`."""
    source = points.astype(np.float64)
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    a, b = source - source_mean, target - target_mean
    norm = float((a**2).sum())
    real = float((a * b).sum()) / norm
    imaginary = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / norm
    turn = np.array([[real, -imaginary], [imaginary, real]])
    return np.column_stack([turn, target_mean - turn @ source_mean])


class Identity:
    """Embeds faces."""

    def __init__(self) -> None:
        self._session = open_session(Weight.FACE_IDENTITY)
        self._input = self._session.get_inputs()[0].name

    def embedding(self, picture: NDArray[np.uint8], five_points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the embedding (128,) float32 of length 1 of the face with these (5, 2) points in a BGR picture."""
        matrix = similarity(five_points, _TEMPLATE)
        square = cv2.warpAffine(picture, matrix, (INPUT_SIDE_PX, INPUT_SIDE_PX), flags=cv2.INTER_LINEAR)
        data = cv2.cvtColor(square, cv2.COLOR_BGR2RGB).astype(np.float32).transpose(2, 0, 1)[None]
        (raw,) = self._session.run(None, {self._input: data})
        vector = np.asarray(raw, np.float32)[0]
        return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9), np.float32)
