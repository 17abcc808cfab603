"""Where the lips are: the two inner contours and the seam between them, as curves over x."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.face.falloff import smoothstep
from avatars.engine.face.frame import INNER_LOWER, INNER_UPPER, OUTER_LOWER, OUTER_UPPER, FaceFrame

COLUMNS: Final = 81
CLOSED_GAP_IOD: Final = 0.025
SEARCH_IOD: Final = 0.06
SEARCH_ROWS: Final = 49
STEP_PENALTY: Final = 1.0
# What the path costs: how dark a place is beside what is above and below it, and so much of how dark it is beside its whole
# column, both of `CONTRAST`; and how far it is from where the mesh has the lips.
SURROUNDINGS_ROWS: Final = 8.0
DARKNESS_SHARE: Final = 0.3
CONTRAST: Final = 30.0
LEAST_CONTRAST: Final = 6.0
FAR_IOD: Final = 0.02
FAR_PENALTY: Final = 3.0
# Teeth between lips that the mesh takes for closed: the red of teeth is nearer to their green than that of lips is.
SLIT_SEARCH_IOD: Final = 0.10
SLIT_ROWS: Final = 81
LIP_FROM_IOD: Final = 0.05
PALE: Final = 0.82
SLIT_WIDTH_IOD: Final = 0.10
SLIT_NEAR_IOD: Final = 0.02
LIP_REDNESS: Final = 1.4
CHEEKS: Final = (50, 280, 205, 425)
CHEEK_IOD: Final = 0.03
# The inner edge of a lip lies in the shade beside the teeth.
SLIT_RIM_IOD: Final = 0.006


@dataclass(frozen=True, slots=True)
class MouthLine:
    """The mouth of a source picture, face coordinates.

    xs: (COLUMNS,) from corner to corner; upper, lower: the inner contours there; half_width: of the inner mouth.
    upper_thickness, lower_thickness: of the lips in the middle. gap: mean opening of the middle third.
    """

    xs: NDArray[np.float32]
    upper: NDArray[np.float32]
    lower: NDArray[np.float32]
    outer_upper: NDArray[np.float32]
    outer_lower: NDArray[np.float32]
    half_width: float
    upper_thickness: float
    lower_thickness: float
    gap: float

    @property
    def is_open(self) -> bool:
        """Whether the lips are parted in the source."""
        return self.gap >= CLOSED_GAP_IOD

    def seam(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Height of the middle between the lips at `x`; level beyond the corners."""
        return np.interp(x, self.xs, (self.upper + self.lower) / 2).astype(np.float32)


def find_mouth(picture: NDArray[np.uint8], landmarks: NDArray[np.float32], frame: FaceFrame) -> MouthLine:
    """The mouth line of a picture. Where the lips are closed it follows the dark line between them."""
    local = frame.to_face(landmarks[:, :2])
    half_width = float(local[308, 0] - local[78, 0]) / 2
    xs = np.linspace(-half_width, half_width, COLUMNS, dtype=np.float32)

    def curve(ids: tuple[int, ...]) -> NDArray[np.float32]:
        points = local[list(ids)]
        order = np.argsort(points[:, 0], kind="stable")
        return np.asarray(np.interp(xs, points[order, 0], points[order, 1]), np.float32)

    upper, lower = curve(INNER_UPPER), curve(INNER_LOWER)
    lower = np.maximum(lower, upper)
    gap = _gap(upper, lower)
    if gap < CLOSED_GAP_IOD:
        seam = np.float32(0.5) * (upper + lower)
        upper, lower = _pale_slit(picture, frame, xs, seam, _redness_of_skin(picture, landmarks, frame))
        gap = max(gap, _gap(upper, lower))
        if gap < CLOSED_GAP_IOD:
            upper = lower = _dark_line(picture, frame, xs, seam)
    outer_upper, outer_lower = curve(OUTER_UPPER), curve(OUTER_LOWER)
    middle = COLUMNS // 2
    return MouthLine(
        xs,
        upper,
        lower,
        outer_upper,
        outer_lower,
        half_width,
        max(0.03, float(upper[middle] - outer_upper[middle])),
        max(0.04, float(outer_lower[middle] - lower[middle])),
        gap,
    )


def _gap(upper: NDArray[np.float32], lower: NDArray[np.float32]) -> float:
    return float(np.mean((lower - upper)[COLUMNS // 3 : -COLUMNS // 3]))


def _redness_of_skin(picture: NDArray[np.uint8], landmarks: NDArray[np.float32], frame: FaceFrame) -> float:
    """Red by green of the cheeks."""
    around = np.linspace(-CHEEK_IOD, CHEEK_IOD, 5, dtype=np.float32)
    patch = frame.vectors(np.stack(np.meshgrid(around, around), axis=-1)).reshape(-1, 2)
    pixels = (landmarks[list(CHEEKS), None, :2] + patch).astype(np.float32)
    seen = cv2.remap(picture, pixels[..., 0], pixels[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return float(np.median(seen[..., 2].astype(np.float32) / np.maximum(seen[..., 1], 1)))


def _pale_slit(
    picture: NDArray[np.uint8], frame: FaceFrame, xs: NDArray[np.float32], seam: NDArray[np.float32], skin: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The inner edges of lips that are parted around teeth though the mesh sees none apart; `seam` twice where not.

    skin: the redness of the skin, red by green. What is much redder is a lip, however pale it is beside a painted one.
    """
    offsets = np.linspace(-SLIT_SEARCH_IOD, SLIT_SEARCH_IOD, SLIT_ROWS, dtype=np.float32)
    grid = np.stack(np.broadcast_arrays(xs[None, :], seam[None, :] + offsets[:, None]), axis=-1).astype(np.float32)
    pixels = frame.to_pixels(grid)
    seen = cv2.remap(picture, pixels[..., 0], pixels[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    redness = seen[..., 2].astype(np.float32) / np.maximum(seen[..., 1], 1)
    middle = slice(COLUMNS // 4, -COLUMNS // 4)
    lips = float(np.median(redness[np.abs(offsets) > LIP_FROM_IOD, middle]))
    _, blobs, boxes, _ = cv2.connectedComponentsWithStats((redness < PALE * lips).astype(np.uint8))
    near = blobs[np.abs(offsets) < SLIT_NEAR_IOD, middle]
    least = SLIT_WIDTH_IOD / (xs[1] - xs[0])
    upper, lower = seam.copy(), seam.copy()
    for blob in np.unique(near[near > 0]):
        top, width, height = boxes[blob, [cv2.CC_STAT_TOP, cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
        # What goes on to the edge of the search is skin beside thin lips, or a light on them.
        if width < least or top == 0 or top + height == SLIT_ROWS:
            continue
        if float(np.median(redness[blobs == blob])) > LIP_REDNESS * skin:
            continue
        for column in np.flatnonzero((blobs == blob).any(axis=0)):
            rows = np.flatnonzero(blobs[:, column] == blob)
            upper[column] = min(upper[column], seam[column] + offsets[rows[0]] - SLIT_RIM_IOD)
            lower[column] = max(lower[column], seam[column] + offsets[rows[-1]] + SLIT_RIM_IOD)
    edges = (cv2.GaussianBlur(edge[None], (0, 0), 2.0, borderType=cv2.BORDER_REPLICATE)[0] for edge in (upper, lower))
    first, second = (np.asarray(edge, np.float32) for edge in edges)
    return first, second


def _dark_line(
    picture: NDArray[np.uint8], frame: FaceFrame, xs: NDArray[np.float32], guess: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The darkest smooth line near `guess`, by dynamic programming; the mesh alone is one or two pixels off.

    A line is dark beside what is above and below it: the darkest place near it is often the shaded upper lip.
    """
    offsets = np.linspace(-SEARCH_IOD, SEARCH_IOD, SEARCH_ROWS, dtype=np.float32)
    grid = np.stack(np.broadcast_arrays(xs[None, :], guess[None, :] + offsets[:, None]), axis=-1).astype(np.float32)
    pixels = frame.to_pixels(grid)
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    cost = cv2.remap(grey, pixels[..., 0], pixels[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cost = cost.astype(np.float32)
    contrast = max(LEAST_CONTRAST, float(np.median(np.ptp(cost, axis=0))))
    around = cv2.GaussianBlur(cost, (1, 0), sigmaX=1, sigmaY=SURROUNDINGS_ROWS, borderType=cv2.BORDER_REPLICATE)
    cost = CONTRAST / contrast * (cost - around + DARKNESS_SHARE * (cost - cost.mean(axis=0)))
    cost += FAR_PENALTY * np.square(offsets / FAR_IOD)[:, None]
    total = cost.copy()
    came_from = np.zeros(cost.shape, np.int8)
    for column in range(1, len(xs)):
        before = total[:, column - 1]
        padded = np.pad(before, 1, constant_values=np.inf)
        options = np.stack([padded[:-2] + STEP_PENALTY, before, padded[2:] + STEP_PENALTY])
        best = np.argmin(options, axis=0)
        came_from[:, column] = best - 1
        total[:, column] += options[best, np.arange(SEARCH_ROWS)]
    path = np.zeros(len(xs), np.int64)
    path[-1] = int(np.argmin(total[:, -1]))
    for column in range(len(xs) - 1, 0, -1):
        path[column - 1] = path[column] + came_from[path[column], column]
    shift = cv2.GaussianBlur(offsets[path][None], (0, 0), 3.0, borderType=cv2.BORDER_REPLICATE)[0]
    fade = smoothstep(1.0, 0.75, np.abs(xs) / xs[-1])
    return np.asarray(guess + shift * fade, np.float32)
