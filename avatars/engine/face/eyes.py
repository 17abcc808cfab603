"""Eyes: lids that travel over the eye, and an iris that looks about. Painted into a copy of the source picture."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.face.falloff import bell, smoothstep

Array = NDArray[np.float32]

# Corner to corner from the left of the picture to the right: upper lid, lower lid, lower edge of the brow, iris.
LEFT_EYE: Final = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133),
    (33, 7, 163, 144, 145, 153, 154, 155, 133),
    (46, 53, 52, 65, 55),
    468,
)
RIGHT_EYE: Final = (
    (362, 398, 384, 385, 386, 387, 388, 466, 263),
    (362, 382, 381, 380, 374, 373, 390, 249, 263),
    (285, 295, 282, 283, 276),
    473,
)
LID_TRAVEL: Final = 0.95
LOWER_LID_RISE: Final = 0.13
GAZE_FOLLOW: Final = 0.62


@dataclass(frozen=True, slots=True)
class Eye:
    """One eye in a box of the picture. All maps are (rows, columns); lengths in eye widths, upright in the eye's axis."""

    left: int
    top: int
    x: Array
    y: Array
    upper: Array
    lower: Array
    zone: Array
    aperture: Array
    axis: Array
    width_px: float
    iris: Array
    iris_radius: float
    lash: float
    largest_aperture: float

    @property
    def box(self) -> tuple[slice, slice]:
        rows, columns = self.x.shape
        return slice(self.top, self.top + rows), slice(self.left, self.left + columns)

    def paint(self, source: NDArray[np.uint8], out: NDArray[np.uint8], blink: float, gaze_px: Array) -> None:
        """Draw the eye with its lid closed by `blink` (0..1) and its iris moved by `gaze_px` (2,) from `source` into `out`."""
        width = self.width_px
        gaze_x = float(gaze_px @ self.axis) / width
        gaze_y = float(gaze_px @ np.array([-self.axis[1], self.axis[0]], np.float32)) / width
        shape = np.sqrt(np.clip(self.aperture / max(self.largest_aperture, 1e-3), 0, 1))
        follow = np.clip(GAZE_FOLLOW * gaze_y, -0.10, 0.40 * self.largest_aperture) * shape
        drop = np.maximum(LID_TRAVEL * self.aperture * blink + follow * (1 - blink), -0.2 * self.zone)
        rise = LOWER_LID_RISE * self.aperture * blink - 0.25 * max(0.0, gaze_y) * shape

        lid = self.upper + drop
        strip = 0.04 + 0.12 * self.lash
        zone_top = self.upper - self.zone
        stretched = zone_top + (self.y - zone_top) * (self.zone - strip) / np.maximum(self.zone - strip + drop, 0.02)
        lid_source = np.where(self.y > lid - strip, self.y - drop, stretched)
        lower_line = self.lower - rise
        lower_source = self.y + rise * smoothstep(0.45, 0.0, self.y - lower_line)
        dx = self.x - self.iris[0] - gaze_x
        dy = self.y - self.iris[1] - gaze_y
        pull = np.exp(-np.square(np.square((dx * dx + dy * dy) / (1.9 * self.iris_radius) ** 2)))
        source_x = self.x.copy()
        source_y = self.y - gaze_y * pull
        on_lid, on_lower = self.y < lid, self.y > lower_line
        source_y = np.where(on_lower, lower_source, source_y)
        source_y = np.where(on_lid & (self.y > zone_top), lid_source, source_y)
        source_y = np.where(self.y <= zone_top, self.y, source_y)
        source_x -= np.where(on_lid | on_lower, 0, gaze_x * pull)
        # A step of half a pixel at the lid's edge would flicker; inside the eye it is softened by mixing over one pixel.
        edge = np.clip((self.y - lid) * width + 0.5, 0, 1) * (self.y < lid + 1.5 / width)
        source_y = np.where((edge > 0) & (edge < 1), (1 - edge) * lid_source + edge * source_y, source_y)
        offset_x, offset_y = (source_x - self.x) * width, (source_y - self.y) * width
        rows, columns = np.indices(self.x.shape, np.float32)
        map_x = columns + self.left + offset_x * self.axis[0] - offset_y * self.axis[1]
        map_y = rows + self.top + offset_x * self.axis[1] + offset_y * self.axis[0]
        patch = cv2.remap(
            source,
            map_x.astype(np.float32),
            map_y.astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        gain = self._shade(blink, drop, lid, shape)
        out[self.box] = np.clip(patch * gain[..., None] + 0.5, 0, 255).astype(np.uint8)

    def _shade(self, blink: float, drop: Array, lid: Array, shape: Array) -> Array:
        """Lash line, crease and dome of the lid, and the shadow that the lid throws on the eye."""
        on_lid = self.y - lid
        amount = (0.16 + 0.52 * self.lash) * blink * shape
        gain = 1 - amount * bell(on_lid + 0.008, 0.020)
        gain = gain - 0.13 * blink * (1 - 0.4 * blink) * shape * bell(on_lid + 0.13, 0.030)
        gain = gain + 0.07 * blink * shape * bell(on_lid + 0.5 * drop, 0.09) * (on_lid < 0)
        cover = np.clip(drop / np.maximum(self.aperture, 0.02), 0, 1)
        inside = (on_lid > 0) & (self.y < self.lower)
        return np.asarray(gain - 0.22 * (1 - 0.5 * blink) * cover * bell(on_lid - 0.045, 0.055) * inside, np.float32)


def find_eye(
    picture: NDArray[np.uint8], landmarks: Array, ids: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]
) -> Eye:
    """Measure one eye of a picture."""
    points = landmarks[:, :2]
    upper_ids, lower_ids, brow_ids, iris_id = ids
    start, end = points[upper_ids[0]], points[upper_ids[-1]]
    width = max(float(np.linalg.norm(end - start)), 4.0)
    axis = ((end - start) / width).astype(np.float32)
    down = np.array([-axis[1], axis[0]], np.float32)
    centre = (start + end) / 2

    def local(p: Array) -> Array:
        offset = p - centre
        return np.stack([offset @ axis, offset @ down], axis=-1) / np.float32(width)

    height, picture_width = picture.shape[:2]
    reach = 0.95 * width
    left, right = int(max(0, centre[0] - reach)), int(min(picture_width, centre[0] + reach + 1))
    top, bottom = int(max(0, centre[1] - reach)), int(min(height, centre[1] + 0.8 * width + 1))
    columns, rows = np.meshgrid(np.arange(left, right, dtype=np.float32), np.arange(top, bottom, dtype=np.float32))
    at = local(np.stack([columns, rows], axis=-1))
    x, y = at[..., 0], at[..., 1]

    def curve(names: tuple[int, ...]) -> Array:
        p = local(points[list(names)])
        order = np.argsort(p[:, 0])
        return np.interp(x, p[order, 0], p[order, 1]).astype(np.float32)

    upper, lower, brow = curve(upper_ids), curve(lower_ids), curve(brow_ids)
    upper = np.minimum(upper, lower)
    inside = smoothstep(0.56, 0.44, np.abs(x))
    aperture = (lower - upper) * inside
    iris = local(points[iris_id : iris_id + 1])[0]
    radius = float(np.linalg.norm(points[iris_id + 1 : iris_id + 5] - points[iris_id], axis=1).mean()) / width
    grey = cv2.cvtColor(picture[top:bottom, left:right], cv2.COLOR_BGR2GRAY)
    line = grey[(np.abs(y - upper) < 0.03) & (np.abs(x) < 0.4)]
    skin = grey[(np.abs(y - upper + 0.18) < 0.06) & (np.abs(x) < 0.4)]
    lash = 0.0
    if line.size and skin.size:
        lash = float(np.clip(1 - np.percentile(line, 30) / max(1.0, float(np.median(skin))), 0, 0.7))
    zone = np.clip(0.72 * (upper - brow), 0.14, 0.42).astype(np.float32)
    return Eye(
        left, top, x, y, upper, lower, zone, aperture, axis, width, iris, max(radius, 0.1), lash,
        float(np.percentile(aperture[np.abs(x) < 0.3], 90)) if aperture.size else 0.2,
    )  # fmt: skip
