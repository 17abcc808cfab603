"""Frames of a face from a video: the next picture of its footage, the mouth drawn live where the face is in it.

The mouth's rig belongs to one picture, the portrait. In every other one a similarity says where the mouth is: a pixel is
taken back to the portrait, the fields tell what to fetch in its place, and that is brought forward again and fetched
from the footage itself, so that skin and light stay those of the moment.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.controls import CONTROL_COUNT, Controls, clipped
from avatars.engine.face.falloff import smoothstep
from avatars.engine.face.fields import STEP_PX, inverse, look_up
from avatars.engine.face.healing import heal
from avatars.engine.face.i420 import Picture, bgr_of, i420_of, planes
from avatars.engine.face.interior import Opening
from avatars.engine.face.painter import MouthPainter
from avatars.engine.face.palette import LUMA_BGR
from avatars.engine.face.projector import Projector, Shown
from avatars.engine.face.renderer import MOUTH_MARGIN_IOD, ROTATION, FaceRenderer
from avatars.engine.face.rig import Rig
from avatars.engine.face.sampling import sample
from avatars.engine.face.shading import GAIN_POWERS_BGR, INVISIBLE, shading_weights
from avatars.engine.face.weights import RELAX, shape_weights

STILL: Final = 1e-3
# The mouth's box reaches so far beyond its lips, to the sides and up and down, where corners are healed.
HEALED_MARGIN_IOD: Final = (0.20, 0.15)
MEASURED_GAP_IOD: Final = (0.02, 0.05)
# A pixel whose luma, of `LUMA_RANGE` of its full range, changed by so much is new altogether; so far beyond a new one
# softening goes on.
FRESH: Final = 8.0
LUMA_RANGE: Final = 219 / 255
NEAR_GAIN: Final = 2.5
_HOME: Final = np.array([[1, 0, 0], [0, 1, 0]], np.float32)

Array = NDArray[np.float32]


class FootageRenderer(FaceRenderer):
    """Draws one session's frames over the footage of a rig's portrait, one picture of it a call.

    Head, eyes and breath are the footage's own: of the controls those of the mouth are drawn.
    """

    projector: Projector

    def __init__(self, rig: Rig, painter: MouthPainter | None = None) -> None:
        # Not the still renderer's own: of all its memory only the frames to hand out are needed here.
        portrait, footage = rig.portrait, rig.portrait.footage
        if footage is None:
            raise ValueError("This portrait is a still picture.")
        self.rig = rig
        self._painter = painter
        self.width, self.height = portrait.width, portrait.height
        xs, ys = np.arange(self.width, dtype=np.float32), np.arange(self.height, dtype=np.float32)
        self._identity = np.stack(np.meshgrid(xs, ys), axis=-1)
        self._out = [np.empty((self.height * 3 // 2, self.width), np.uint8) for _ in range(ROTATION)]
        self._turn = 0
        self._blur_px = footage.blur_px
        self.projector = Projector(portrait)
        corners = np.array([(x, y) for x in (0, 1) for y in (0, 1)], np.float32)
        rows, columns = rig.fields.shape
        self._reach = (corners * [columns, rows] + [rig.fields.column, rig.fields.row]).astype(np.float32) * STEP_PX

    def render(self, controls: Controls) -> Picture:
        """One frame of controls (CONTROL_COUNT,) to I420 (height*3//2, width) uint8, BT.601 limited range.

        Values beyond their range are limited. Raises ValueError for another shape.
        """
        if controls.shape != (CONTROL_COUNT,):
            raise ValueError(f"A frame has {CONTROL_COUNT} controls; this one has the shape {controls.shape}.")
        shown = self.projector.next()
        out = self._out[self._turn]
        self._turn = (self._turn + 1) % len(self._out)
        np.copyto(out, shown.picture)
        self._speak(out, shown, clipped(controls) * np.float32(shown.lips))
        return out

    def _speak(self, out: Picture, shown: Shown, controls: Controls) -> None:
        weights = shape_weights(controls, self.rig.portrait.kind, self.rig.mouth)
        if self._painter is not None:
            weights = self._painter.opened(weights)
        if float(np.abs(weights).max()) > STILL:
            self._free = None if shown.free is None else shown.free.astype(np.float32) / np.float32(255)
            self._draw_over(out, _Pose(shown.pose), weights, controls)
            # Hands before the mouth are not painted over.
            if self._painter is not None and shown.free is None:
                self._painter.paint(out, shown.pose, weights)

    def draw_over(self, out: Picture, weights: Array, controls: Controls, number: int = 0) -> None:
        """Draw a mouth of these weights into an I420 picture in which the face is where picture `number` has it."""
        footage = self.rig.portrait.footage
        assert footage is not None
        self._free = None
        self._draw_over(out, _Pose(footage.poses[number]), weights, controls)

    def _draw_over(self, out: Picture, pose: "_Pose", weights: Array, controls: Controls) -> None:
        """Draw the mouth into an I420 picture; what lies outside the region of its fields is not touched."""
        across = pose.forward(self._reach)
        size = np.array([self.width, self.height])
        left, top = (np.clip(np.floor(across.min(axis=0)).astype(int), 0, size - 2) // STEP_PX * STEP_PX).tolist()
        right, bottom = (-(-np.clip(np.ceil(across.max(axis=0)).astype(int), 2, size) // 2) * 2).tolist()
        box = slice(top, bottom), slice(left, right)
        here = _cut(out, box)
        columns, rows = -(-(right - left) // STEP_PX), -(-(bottom - top) // STEP_PX)
        shade = self._move(here, (left, top), (columns, rows), pose, weights, controls)
        if shade is not None:
            self._shade_region(shade)
        self._draw_mouth_softly(weights, controls)
        _paste(out, box, self._warped)

    def _move(
        self,
        here: Picture,
        corner: tuple[int, int],
        grid: tuple[int, int],
        pose: "_Pose",
        weights: Array,
        controls: Controls,
    ) -> Array | None:
        """Warp the region `here`, whose first pixel is `corner`; returns the skin's log gain over its grid."""
        rig, fields = self.rig, self.rig.fields
        origin = np.array(corner, np.float32)
        xs, ys = (np.arange(count, dtype=np.float32) * STEP_PX + (STEP_PX - 1) / 2 for count in grid)
        nodes = np.stack(np.meshgrid(xs, ys), axis=-1) + origin
        still = pose.back(nodes)
        at_x = (still[..., 0] + 0.5) / STEP_PX - 0.5 - fields.column
        at_y = (still[..., 1] + 0.5) / STEP_PX - 0.5 - fields.row
        back = [look_up(inverse(forward), at_x, at_y) for forward in fields.blend(weights)]
        if self._free is not None:
            # What is in front of the face stays where it is.
            column, row = corner[0] // STEP_PX, corner[1] // STEP_PX
            free = self._free[row : row + grid[1], column : column + grid[0]]
            back = [field * free[..., None] for field in back]
        size = (grid[0] * STEP_PX, grid[1] * STEP_PX)
        height, width = here.shape[:2]
        mask, band = self._seam_mask(weights, pose, origin, (height, width))
        upper, lower = (
            cv2.resize(pose.turned(way), size, interpolation=cv2.INTER_LINEAR)[:height, :width] for way in back
        )
        upper[band.stop :] = lower[band.stop :]
        upper[band] = upper[band] + (lower[band] - upper[band]) * mask[..., None]
        upper += self._identity[:height, :width]
        places = upper.astype(np.float32, copy=False)
        self._warped = sample(here, places)
        if rig.healed is not None and weights[RELAX] > 0:
            self._heal_at(pose.back(places[self._mouth_box] + origin), float(weights[RELAX]))
        if rig.shading is None:
            return None
        mix = shading_weights(controls, float(weights[RELAX]), smiling=rig.smiling)
        gain = np.tensordot(mix, rig.shading, 1)
        if float(np.abs(gain).max()) < INVISIBLE:
            return None
        mean = (back[0] + back[1]) / (2 * STEP_PX)
        shade = look_up(gain, at_x + mean[..., 0], at_y + mean[..., 1])
        return shade if self._free is None else shade * free

    def _seam_mask(self, weights: Array, pose: "_Pose", origin: Array, shape: tuple[int, int]) -> tuple[Array, slice]:
        """How far each pixel is below the moved seam, 0..1, for the rows of the region where that is in question.

        Keeps what `_draw_mouth` needs, as `_below_seam` does.
        """
        rig = self.rig
        upper, lower = rig.fields.contours(weights)
        seen = pose.forward(rig.frame.to_pixels(np.concatenate([upper, lower]))) - origin
        beyond = MOUTH_MARGIN_IOD if rig.healed is None else HEALED_MARGIN_IOD
        margin = np.array(beyond, np.float32) * rig.frame.iod_px * pose.scale + 2
        low = np.clip((seen.min(axis=0) - margin).astype(int), 0, [shape[1] - 1, shape[0] - 1])
        high = np.clip((seen.max(axis=0) + margin).astype(int) + 1, low + 1, [shape[1], shape[0]])
        band, self._columns = slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
        places = pose.back(self._identity[band, : shape[1]] + origin)
        local = rig.frame.to_face(places)
        self._x, self._y = local[..., 0], local[..., 1]
        self._upper = np.interp(self._x, upper[:, 0], upper[:, 1]).astype(np.float32)
        self._lower = np.interp(self._x, lower[:, 0], lower[:, 1]).astype(np.float32)
        self._corners = float(upper[0, 0]), float(upper[-1, 0])
        self._mouth_box = band, self._columns
        self._before_mouth = places[:, self._columns]
        seam = (self._upper + self._lower) / 2
        return np.clip((self._y - seam) * rig.frame.iod_px * pose.scale + 0.5, 0, 1).astype(np.float32), band

    def _draw_mouth_softly(self, weights: Array, controls: Controls) -> None:
        """The mouth as sharp as the footage is: in an enlarged picture a crisp one would look pasted."""
        if not self._blur_px:
            self._draw_mouth(weights, controls)
            return
        target = self._warped[self._mouth_box]
        before = target.astype(np.float32)
        self._draw_mouth(weights, controls)
        sharp = target.astype(np.float32)
        new = np.minimum(1, np.abs((sharp - before) @ LUMA_BGR) * np.float32(LUMA_RANGE / FRESH))
        # As far as the blur of what is new reaches, and no farther: the skin has its own softness.
        near = np.minimum(1, NEAR_GAIN * _blurred(new, self._blur_px))
        soft = _blurred(sharp, self._blur_px)
        np.copyto(target, np.clip(sharp + (soft - sharp) * near[..., None] + 0.5, 0, 255).astype(np.uint8))

    def _inside(self, opening: Opening) -> Array:
        """The picture behind the lips in the person's own colours, where they are known."""
        drawn = super()._inside(opening)
        footage = self.rig.portrait.footage
        if footage is None or footage.inside is None:
            return drawn
        scale, offset = footage.inside[0], footage.inside[1:]
        # A slit is a shadow and no inside, so its colours were not measured; own teeth have their own.
        amount = smoothstep(*MEASURED_GAP_IOD, opening.height)
        if opening.own_alpha is not None:
            amount = amount * (1 - opening.own_alpha)
        return np.asarray(drawn + (drawn * (scale - 1) + offset) * amount[..., None], np.float32)

    def _heal_at(self, places: Array, relax: float) -> None:
        """Lips instead of what an open portrait shows between them, fetched from these places of it."""
        assert self.rig.healed is not None
        heal(self._warped[self._mouth_box], self.rig.healed, places, relax)

    def _shade_region(self, gain: Array) -> None:
        factors = np.exp(gain[..., None] * self.rig.palette.shadow(GAIN_POWERS_BGR))
        rows, columns = gain.shape
        large = cv2.resize(factors, (columns * STEP_PX, rows * STEP_PX), interpolation=cv2.INTER_LINEAR)
        height, width = self._warped.shape[:2]
        cv2.multiply(self._warped, large[:height, :width], dst=self._warped, dtype=cv2.CV_8U)


def _blurred(values: Array, sigma_px: float) -> Array:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE), np.float32)


class _Pose:
    """Where the portrait is in one picture of its footage: a similarity (2, 3), and its inverse."""

    def __init__(self, matrix: Array) -> None:
        self.matrix = matrix
        self._turn, self._shift = matrix[:, :2], matrix[:, 2]
        self._turn_back = np.linalg.inv(self._turn).astype(np.float32)
        self.scale = float(np.sqrt(np.linalg.det(self._turn)))

    def forward(self, points: Array) -> Array:
        """Pixels (..., 2) of the portrait in the picture."""
        return np.asarray(points @ self._turn.T + self._shift, np.float32)

    def back(self, points: Array) -> Array:
        """Pixels (..., 2) of the picture in the portrait."""
        return np.asarray((points - self._shift) @ self._turn_back.T, np.float32)

    def turned(self, displacements: Array) -> Array:
        """Displacements (..., 2) in the portrait as they are in the picture."""
        return np.asarray(displacements @ self._turn.T, np.float32)


def _planes(i420: Picture) -> tuple[Picture, tuple[Picture, Picture]]:
    return planes(i420, i420.shape[0] * 2 // 3, i420.shape[1])


def _halved(box: tuple[slice, slice]) -> tuple[slice, slice]:
    rows, columns = (slice(one.start // 2, one.stop // 2) for one in box)
    return rows, columns


def _cut(i420: Picture, box: tuple[slice, slice]) -> Picture:
    """The part of an I420 picture in a box with even edges, as BGR."""
    luma, chroma = _planes(i420)
    parts = [luma[box], *(plane[_halved(box)] for plane in chroma)]
    joined = np.concatenate([np.ascontiguousarray(part).reshape(-1) for part in parts])
    rows, columns = parts[0].shape
    return bgr_of(joined.reshape(rows * 3 // 2, columns))


def _paste(i420: Picture, box: tuple[slice, slice], part: Picture) -> None:
    """Put a BGR part in its place."""
    luma, chroma = _planes(i420)
    new_luma, new_chroma = _planes(i420_of(part))
    luma[box] = new_luma
    for plane, new in zip(chroma, new_chroma, strict=True):
        plane[_halved(box)] = new
