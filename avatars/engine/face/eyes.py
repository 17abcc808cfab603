"""Eyes: lids that travel over the eye, and an iris that looks about. Painted into a copy of the source picture.

An eye is three layers, each fetched from the source and laid over the one before with a soft edge: the eyeball, the
lower lid, the upper lid. Lengths are in eye widths, upright in the axis from corner to corner.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.face.falloff import bell, smoothstep

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class EyeIds:
    """Landmarks of one eye from the left of the picture to the right; brow is its lower edge."""

    upper: tuple[int, ...]
    lower: tuple[int, ...]
    brow: tuple[int, ...]
    iris: int


LEFT_EYE: Final = EyeIds(
    upper=(33, 246, 161, 160, 159, 158, 157, 173, 133),
    lower=(33, 7, 163, 144, 145, 153, 154, 155, 133),
    brow=(46, 53, 52, 65, 55),
    iris=468,
)
RIGHT_EYE: Final = EyeIds(
    upper=(362, 398, 384, 385, 386, 387, 388, 466, 263),
    lower=(362, 382, 381, 380, 374, 373, 390, 249, 263),
    brow=(285, 295, 282, 283, 276),
    iris=473,
)
# The lids meet below the middle; the lower one comes up a little.
LID_TRAVEL: Final = 0.86
LOWER_LID_RISE: Final = 0.16
GAZE_FOLLOW: Final = 0.62
# An eye that is less tall, in eye widths, is shut; one that is taller than the second value is open.
SHUT: Final = (0.06, 0.15)
# A lid that travels less, in eye widths, is not seen to move.
LEAST_TRAVEL: Final = 0.003
# The lashes of a closed eye hang down so far below its line.
LASHES_HANG: Final = 0.03
# A strip above the lashes travels with them, in eye widths: with none to be seen, and what more of them adds.
LASH_STRIP: Final = (0.04, 0.12)
# The skin over the fold gives way by so much, in eye widths, however far the lid travels.
FOLD_GIVES: Final = 0.04
# Where the lid comes out from under the fold, as a share of the zone above the eye, and how soft that edge is.
FOLD_SHARE: Final = (0.35, 0.5)
FOLD_EDGE: Final = (0.03, 0.25)
# So far closed, nothing of the lid is skin that has been stretched.
ROLLED_AT: Final = 0.3
# How far below the lower lid the skin still follows it.
LOWER_ZONE: Final = 0.45
ROUND_APERTURE: Final = 0.6
"""Taller eyes, in eye widths, than skin can be stretched over: a drawn one is given a painted lid."""
PAINTED_EDGE: Final = 0.026
TABLE_SIZE: Final = 129
SMALLEST_WIDTH_PX: Final = 4.0


@dataclass(frozen=True, slots=True)
class Eye:
    """One eye in a box of the picture. Maps are (rows, columns).

    upper, lower: the lids; zone: height above the lid that stretches with it; aperture: lower - upper, 0 outside;
    travel: the aperture, wider and softer, which is how far the lid goes; outside: 0 over the eye, 1 beside it.
    lid: (rows, columns, 3) uint8, the skin of the closed lid, at first what is there in the picture; see `lids`.
    paint_bgr: the colour of a lid that is painted instead of drawn down, (3,) float32, or None.
    """

    left: int
    top: int
    x: Array
    y: Array
    upper: Array
    lower: Array
    zone: Array
    aperture: Array
    travel: Array
    outside: Array
    lid: Picture
    centre: Array
    axis: Array
    width_px: float
    iris: Array
    iris_radius: float
    lash: float
    largest_aperture: float
    paint_bgr: Array | None

    @property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns of the picture that the eye is painted into."""
        rows, columns = self.x.shape
        return slice(self.top, self.top + rows), slice(self.left, self.left + columns)

    @property
    def opens(self) -> float:
        """How far the eye is open in its picture, 0 to 1: one that is shut has nothing to close."""
        return float(smoothstep(*SHUT, self.largest_aperture))

    @property
    def strip(self) -> float:
        """How much above the lashes travels with them."""
        return LASH_STRIP[0] + LASH_STRIP[1] * self.lash

    @property
    def fold_share(self) -> float:
        """Where in the zone above the eye the lid comes out from under the skin over it."""
        return FOLD_SHARE[0] + FOLD_SHARE[1] * self.lash

    def paint(self, source: Picture, out: Picture, blink: float, gaze_px: Array) -> None:
        """Draw the eye from `source` into `out`, its lid closed by `blink` (0..1), its iris moved by `gaze_px` (2,)."""
        gaze_x = float(gaze_px @ self.axis) / self.width_px
        gaze_y = float(gaze_px @ np.array([-self.axis[1], self.axis[0]], np.float32)) / self.width_px
        shape = np.sqrt(np.clip(self.aperture / max(self.largest_aperture, 1e-3), 0, 1))
        follow = float(np.clip(GAZE_FOLLOW * gaze_y, -0.10, 0.40 * self.largest_aperture)) * (1 - blink)
        if self.paint_bgr is not None:
            self._paint_lid(source, out, blink, (gaze_x, gaze_y), self.paint_bgr)
            return
        closing = LID_TRAVEL * self.travel * blink
        drop = np.maximum(closing + follow * shape, -0.2 * self.zone)
        rise = LOWER_LID_RISE * self.aperture * blink - 0.25 * max(0.0, gaze_y) * shape

        ball = self._eyeball(source, gaze_x, gaze_y)
        lid, lower_line = self.upper + drop, self.lower - rise
        pixel = np.float32(self.width_px)
        in_lower = np.clip((self.y - lower_line) * pixel + 0.5, 0, 1)
        below = self.y + rise * smoothstep(LOWER_ZONE, 0.0, self.y - lower_line)
        # Beside the eye there is no lid to end at: there the upper field fades out downwards.
        below = below - drop * self.outside * bell(np.maximum(0, self.y - lid), 0.09)
        ball *= self._ball_shade(lid, drop, blink)[..., None]
        patch = _over(ball, self._fetch(source, self.x, below), in_lower)
        in_upper = np.clip((lid - self.y) * pixel + 0.5, 0, 1)
        patch = _over(patch, self._upper_lid(source, drop, closing, blink, shape), in_upper)
        patch *= self._lash_line(lid, blink, shape)[..., None]
        out[self.box] = np.clip(patch + 0.5, 0, 255).astype(np.uint8)

    def _paint_lid(
        self, source: Picture, out: Picture, blink: float, gaze: tuple[float, float], paint_bgr: Array
    ) -> None:
        """Close the eye as an animator does: paint of the skin's colour, with a line where it ends."""
        lid = self.upper + self.aperture * blink
        pixel = np.float32(self.width_px)
        steepness = np.hypot(1, np.gradient(lid, axis=1) * pixel)
        line = 1 - 0.8 * bell((self.y - lid) / steepness, PAINTED_EDGE) * min(1.0, 4 * blink)
        over = np.clip((lid - self.y) * pixel + 0.5, 0, 1) * np.clip((self.y - self.upper) * pixel + 0.5, 0, 1)
        over *= self.aperture > 0
        patch = _over(self._eyeball(source, *gaze), np.broadcast_to(paint_bgr, (*over.shape, 3)), over)
        within = (self.y > self.upper - 0.02) & (self.y < self.lower + 0.02) & (self.aperture > 0)
        patch = np.where(within[..., None], patch * line[..., None], self._fetch(source, self.x, self.y))
        out[self.box] = np.clip(patch + 0.5, 0, 255).astype(np.uint8)

    def _eyeball(self, source: Picture, gaze_x: float, gaze_y: float) -> Array:
        """The iris and what is near it moved, the corners still."""
        dx, dy = self.x - self.iris[0] - gaze_x, self.y - self.iris[1] - gaze_y
        pull = np.exp(-np.square((dx * dx + dy * dy) / (1.9 * self.iris_radius) ** 2))
        return self._fetch(source, self.x - gaze_x * pull, self.y - gaze_y * pull)

    def _upper_lid(self, source: Picture, drop: Array, closing: Array, blink: float, shape: Array) -> Array:
        """The lid rolled out from under the fold; the skin over the fold gives way a little and stretches."""
        above = self.upper + drop - self.y
        gives = drop - closing + closing * FOLD_GIVES / (FOLD_GIVES + closing)
        zone_top = self.upper - self.zone
        stretch = (self.zone - self.strip) / np.maximum(self.zone - self.strip + gives, 0.02)
        stretched = np.minimum(zone_top + (self.y - zone_top) * stretch, self.upper - self.strip)
        from_y = np.where(above < self.strip, self.y - drop, stretched)
        skin = self._fetch(source, self.x, np.where(self.y > zone_top, from_y, self.y))
        if blink > 0:
            edge = FOLD_EDGE[0] + FOLD_EDGE[1] * self.zone
            rolled = smoothstep(-edge, edge, self.y - self.upper + self.fold_share * self.zone - gives)
            rolled = rolled * smoothstep(0.4 * self.strip, 1.3 * self.strip, above)
            rolled = rolled * smoothstep(0.05, 0.45, self.travel / max(self.largest_aperture, 1e-3))
            skin = _over(
                skin, self._fetch_lid(LID_TRAVEL * self.travel - drop), rolled * smoothstep(0, ROLLED_AT, blink)
            )
        crease = 0.10 * blink * (1 - 0.4 * blink) * shape * bell(above - 0.13 - 0.3 * drop, 0.035)
        dome = 0.09 * blink * shape * bell(above - 0.5 * drop, 0.10)
        return np.asarray(skin * (1 - crease + dome)[..., None], np.float32)

    def _ball_shade(self, lid: Array, drop: Array, blink: float) -> Array:
        """The shadow that the lid throws on the eye."""
        cover = np.clip(drop / np.maximum(self.aperture, 0.02), 0, 1) * (1 - self.outside)
        return np.asarray(1 - 0.22 * (1 - 0.5 * blink) * cover * bell(self.y - lid - 0.045, 0.055), np.float32)

    def _lash_line(self, lid: Array, blink: float, shape: Array) -> Array:
        """The lashes of a closing lid; never thinner than a pixel, or the line would break into stairs."""
        amount = (0.14 + 0.42 * self.lash) * blink * shape * smoothstep(0.5, 0.36, np.abs(self.x))
        from_line = self.y - lid - 0.004
        width = max(0.022, 1.1 / self.width_px) + np.where(from_line > 0, LASHES_HANG * self.lash, 0).astype(np.float32)
        return np.asarray(1 - amount * np.exp(-np.square(from_line / width)), np.float32)

    def _fetch_lid(self, below: Array) -> Array:
        """The skin of the lid `below` eye widths under each pixel: (rows, columns, 3) float32."""
        rows, columns = self.x.shape
        map_x = np.arange(columns, dtype=np.float32)[None] - below * self.width_px * self.axis[1]
        map_y = np.arange(rows, dtype=np.float32)[:, None] + below * self.width_px * self.axis[0]
        fetched = cv2.remap(
            self.lid,
            map_x.astype(np.float32),
            map_y.astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return fetched.astype(np.float32)

    def _fetch(self, source: Picture, x: Array, y: Array) -> Array:
        """The source at eye coordinates x, y: (rows, columns, 3) float32."""
        offset_x, offset_y = (x - self.x) * self.width_px, (y - self.y) * self.width_px
        rows, columns = self.x.shape
        at_x = np.arange(self.left, self.left + columns, dtype=np.float32)[None]
        at_y = np.arange(self.top, self.top + rows, dtype=np.float32)[:, None]
        map_x = (at_x + offset_x * self.axis[0] - offset_y * self.axis[1]).astype(np.float32)
        map_y = (at_y + offset_x * self.axis[1] + offset_y * self.axis[0]).astype(np.float32)
        return cv2.remap(source, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)


def _over(below: Array, above: Array, alpha: Array) -> Array:
    return np.asarray(below + (above - below) * alpha[..., None], np.float32)


def find_eye(
    picture: Picture, landmarks: Array, ids: EyeIds, skin_bgr: Array | None = None, *, taller: float = 1.0
) -> Eye:
    """Measure one eye of a picture.

    taller: how much taller than its landmarks the eye is, where those are a guess.
    skin_bgr: (3,) the paint of a drawing's skin, with which a round eye is closed; None for what is no drawing.
    """
    points = landmarks[:, :2]
    start, end = points[ids.upper[0]], points[ids.upper[-1]]
    width = max(float(np.linalg.norm(end - start)), SMALLEST_WIDTH_PX)
    axis = ((end - start) / width).astype(np.float32)
    down = np.array([-axis[1], axis[0]], np.float32)
    centre = (start + end) / 2

    def local(pixels: Array) -> Array:
        offset = pixels - centre
        return np.asarray(np.stack([offset @ axis, offset @ down], axis=-1) / width, np.float32)

    # Curves over x from -1 to 1, softened: straight pieces between landmarks would show as kinks in a closing lid.
    table = np.linspace(-1, 1, TABLE_SIZE, dtype=np.float32)

    def curve(names: tuple[int, ...]) -> Array:
        p = local(points[list(names)])
        order = np.argsort(p[:, 0])
        return _soft(np.interp(table, p[order, 0], p[order, 1]), 0.02)

    upper, lower, brow = curve(ids.upper), curve(ids.lower), curve(ids.brow)
    upper = np.minimum(upper, lower)
    beyond = np.float32((taller - 1) / 2) * (lower - upper)
    upper, lower = upper - beyond, lower + beyond
    aperture = (lower - upper) * smoothstep(0.56, 0.46, np.abs(table))
    widened = cv2.dilate(aperture[None], np.ones((1, 9), np.uint8))[0]
    travel = np.maximum(_soft(widened, 0.045), aperture)
    zone = np.clip(0.72 * (upper - brow), 0.14, 0.42)

    # The box holds all that moves: from above the lid's fold to below the lower lid, as wide as the lid travels.
    moving = table[travel > LEAST_TRAVEL]
    across = max(0.5, float(np.abs(moving).max(initial=0)))
    fold = float((upper - zone)[np.abs(table) <= across].min())
    below = float(lower[np.abs(table) <= across].max()) + LOWER_ZONE
    corners = np.array([[sx * across, sy] for sx in (-1, 1) for sy in (fold, below)], np.float32) * width
    at_corners = centre + corners[:, :1] * axis + corners[:, 1:] * down
    low, high = at_corners.min(axis=0), at_corners.max(axis=0) + 1
    # One with nothing of the picture in it would be none: an eye beyond the edge keeps its nearest pixels. The edges are
    # even, as those of chroma are.
    size = np.array(picture.shape[1::-1])
    left, top = (int(v) for v in np.clip(low, 0, size - 2) // 2 * 2)
    right, bottom = (int(v) for v in -(np.clip(-high, -size, [-left - 2, -top - 2]) // 2 * 2))
    columns, rows = np.meshgrid(np.arange(left, right, dtype=np.float32), np.arange(top, bottom, dtype=np.float32))
    at = local(np.stack([columns, rows], axis=-1))
    x, y = at[..., 0], at[..., 1]

    def spread(values: Array) -> Array:
        return np.interp(x, table, values).astype(np.float32)

    iris = local(points[ids.iris : ids.iris + 1])[0]
    ring = points[ids.iris + 1 : ids.iris + 5] - points[ids.iris]
    radius = float(np.linalg.norm(ring, axis=1).mean()) / width
    upper_line = spread(upper)
    return Eye(
        left=left,
        top=top,
        x=x,
        y=y,
        upper=upper_line,
        lower=spread(lower),
        zone=spread(zone.astype(np.float32)),
        aperture=spread(aperture),
        travel=spread(travel),
        outside=smoothstep(0.44, 0.54, np.abs(x)),
        lid=np.ascontiguousarray(picture[top:bottom, left:right]),
        centre=centre,
        axis=axis,
        width_px=width,
        iris=iris,
        iris_radius=max(radius, 0.1),
        lash=_lash(picture[top:bottom, left:right], x, y - upper_line),
        largest_aperture=float(aperture.max()),
        paint_bgr=skin_bgr if float(aperture.max()) > ROUND_APERTURE else None,
    )


def _soft(curve: NDArray[np.floating], sigma: float) -> Array:
    """A curve over the table, blurred by `sigma` eye widths."""
    step = 2 / (TABLE_SIZE - 1)
    blurred = cv2.GaussianBlur(
        curve.astype(np.float32)[None], (0, 0), sigma / step, sigmaY=0.1, borderType=cv2.BORDER_REPLICATE
    )
    return np.asarray(blurred[0], np.float32)


def _lash(patch: Picture, x: Array, from_lid: Array) -> float:
    """How dark the line of the lashes is against the skin above it, 0..0.7."""
    grey = cv2.cvtColor(patch, cv2.COLOR_BGR2GRAY)
    middle = np.abs(x) < 0.4
    line = grey[(np.abs(from_lid) < 0.03) & middle]
    skin = grey[(np.abs(from_lid + 0.18) < 0.06) & middle]
    if not line.size or not skin.size:
        return 0.0
    return float(np.clip(1 - np.percentile(line, 30) / max(1.0, float(np.median(skin))), 0, 0.7))
