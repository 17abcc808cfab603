"""Frames: face controls in, I420 out, drawn with numpy and OpenCV. One renderer a session; the rig behind it is shared.

This is the readable form of the drawing: the truth that the kernel is held to, and what draws where there is no kernel.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.controls import CONTROL_COUNT, Control, Controls, clipped
from avatars.engine.face.falloff import sigmoid, smoothstep
from avatars.engine.face.fields import STEP_PX, inverse, look_up
from avatars.engine.face.healing import heal
from avatars.engine.face.i420 import i420_of
from avatars.engine.face.interior import Opening, draw_interior
from avatars.engine.face.projector import Projector
from avatars.engine.face.rig import Rig
from avatars.engine.face.sampling import sample
from avatars.engine.face.shading import GAIN_POWERS_BGR, INVISIBLE, shading_weights
from avatars.engine.face.weights import RELAX, jaw_drop, shape_weights
from avatars.engine.portrait import Kind

ROTATION: Final = 3
MOUTH_MARGIN_IOD: Final = 0.08
CONTACT_SIGMA_IOD: Final = 0.0045
DRAWN_LINE_IOD: Final = 0.011
DRAWN_LINE_SHADE: Final = np.float32(0.4)
# Fitted to a polygon blurred by a Gaussian: how soft the edge of the opening is, in pixels.
EDGE_SOFTNESS: Final = 2.75
EDGE_BIAS: Final = 0.7
# A narrower opening has a softer edge within its lips, not beyond them: else its ends were as thick as its middle.
NARROW_IOD: Final = 0.03
# Over so much of the mouth's width, from each corner, what is behind the lips comes into sight.
OPENING_FADE: Final = 0.10
# The shade where the lips roll in, as wide as a Gaussian of so many IOD.
ROLL_SIGMA_IOD: Final = 0.020
# Shadows on lips are red: blue and green lose light sooner than red.
ROLL_SHADE_BGR: Final = np.array([1, 1, 0.85], np.float32)
CONTACT_POWERS_BGR: Final = np.array([1.10, 1.06, 0.88], np.float32)
# Steepness of the logistic curve that follows a Gaussian's integral.
GAUSSIAN_STEEPNESS: Final = 1.702

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]


class FaceRenderer:
    """Draws one session's frames. Not thread-safe: one thread renders.

    The array that `render` returns is used again by the third call after it.
    """

    projector: Projector | None = None

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        portrait = rig.portrait
        self.width, self.height = portrait.width, portrait.height
        rows, columns = rig.nodes.shape[:2]
        self._padded = (columns * STEP_PX, rows * STEP_PX)
        xs, ys = np.meshgrid(np.arange(self._padded[0], dtype=np.float32), np.arange(self._padded[1], dtype=np.float32))
        self._identity = np.stack([xs, ys], axis=-1)
        self._map = self._identity.copy()
        self._source = portrait.picture.copy()
        self._eyes_drawn: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
        self._warped = np.empty_like(portrait.picture)
        self._matte = np.empty((self.height, self.width), np.float32)
        self._around = np.empty_like(self._matte)
        self._out = [np.empty((self.height * 3 // 2, self.width), np.uint8) for _ in range(ROTATION)]
        self._turn = 0

    def render(self, controls: Controls) -> Picture:
        """One frame of controls (CONTROL_COUNT,) to I420 (height*3//2, width) uint8, BT.601 limited range.

        Values beyond their range are limited. Raises ValueError for another shape.
        """
        if controls.shape != (CONTROL_COUNT,):
            raise ValueError(f"A frame has {CONTROL_COUNT} controls; this one has the shape {controls.shape}.")
        picture = self.draw(clipped(controls))
        out = self._out[self._turn]
        self._turn = (self._turn + 1) % ROTATION
        return i420_of(picture, out)

    def draw(self, controls: Controls) -> Picture:
        """One frame of controls within their ranges to BGR; valid until the next call."""
        rig = self.rig
        self._draw_eyes(controls)
        weights = shape_weights(controls, rig.portrait.kind, rig.mouth)
        head = rig.head.displacement(controls, rig.smiling)
        moved = bool(np.abs(head).max() > 0.01)
        size = self._padded
        if moved:
            cv2.resize(-head, size, dst=self._map, interpolation=cv2.INTER_LINEAR)
            cv2.add(self._map, self._identity, dst=self._map)
        else:
            np.copyto(self._map, self._identity)
        speaking = bool(np.abs(weights).max() > 1e-3)
        shade = self._move_mouth(weights, head, controls) if speaking else None
        full = self._map[: self.height, : self.width]
        sample(self._source, full, self._warped)
        if speaking:
            self._heal(float(weights[RELAX]))
            if shade is not None:
                self._shade(shade)
            self._draw_mouth(weights, controls)
        if not moved:
            return self._warped
        sample(rig.matte, full, self._matte)
        np.subtract(1, self._matte, out=self._around)
        return np.asarray(cv2.blendLinear(self._warped, rig.portrait.plate, self._matte, self._around), np.uint8)

    def _draw_eyes(self, controls: Controls) -> None:
        """Paint the eyes into this session's copy of the source, when they have changed enough to be seen."""
        wanted = self.rig.eye_look(controls)
        if wanted == self._eyes_drawn:
            return
        self._eyes_drawn = wanted
        picture = self.rig.portrait.picture
        gaze_px = self.rig.frame.vectors(np.array(wanted[2:], np.float32))
        for eye, blink in zip(self.rig.eyes, wanted[:2], strict=True):
            if blink == 0 and wanted[2:] == (0, 0):
                self._source[eye.box] = picture[eye.box]
            else:
                eye.paint(picture, self._source, blink, gaze_px)

    def _move_mouth(self, weights: Array, head: Array, controls: Controls) -> Array | None:
        """Put the mouth's displacement into the map of its region; returns the log gain of the skin over the grid."""
        rig, fields = self.rig, self.rig.fields
        rows, columns = fields.shape
        region = slice(fields.row, fields.row + rows), slice(fields.column, fields.column + columns)
        back = [inverse(forward) for forward in fields.blend(weights)]
        # Where a grid node looks before the mouth moves: its own place with the head's pose taken off.
        posed = -head[region]
        at_x = np.arange(columns, dtype=np.float32)[None] + posed[..., 0] / STEP_PX
        at_y = np.arange(rows, dtype=np.float32)[:, None] + posed[..., 1] / STEP_PX
        upper, lower = (np.add(posed, look_up(field, at_x, at_y)) for field in back)
        left, top = fields.column * STEP_PX, fields.row * STEP_PX
        size = (columns * STEP_PX, rows * STEP_PX)
        pixels = slice(top, top + size[1]), slice(left, left + size[0])
        target = self._map[pixels]
        mask, band = self._below_seam(weights, target)
        upper_map = cv2.resize(upper, size, interpolation=cv2.INTER_LINEAR)
        lower_map = cv2.resize(lower, size, interpolation=cv2.INTER_LINEAR)
        upper_map[band.stop :] = lower_map[band.stop :]
        upper_map[band] = upper_map[band] + (lower_map[band] - upper_map[band]) * mask[..., None]
        cv2.add(upper_map, self._identity[pixels], dst=target)
        self._keep_to_own_lip(target, mask)
        if rig.shading is None:
            return None
        mix = shading_weights(controls, float(weights[RELAX]), smiling=rig.smiling)
        gain = np.tensordot(mix, rig.shading, 1)
        if float(np.abs(gain).max()) < INVISIBLE:
            return None
        mean = (upper + lower) / 2
        return look_up(
            gain,
            np.arange(columns, dtype=np.float32)[None] + mean[..., 0] / STEP_PX,
            np.arange(rows, dtype=np.float32)[:, None] + mean[..., 1] / STEP_PX,
        )

    def _below_seam(self, weights: Array, head_map: Array) -> tuple[Array, slice]:
        """How far each pixel is below the moved seam, 0..1, for the rows of the region where that is in question.

        head_map: the region's map with only the head's pose in it. Keeps what `_draw_mouth` needs: the box of the
        mouth, its face coordinates and the moved inner lips over it.
        """
        rig = self.rig
        upper, lower = rig.fields.contours(weights)
        origin = self._identity[rig.fields.row * STEP_PX, rig.fields.column * STEP_PX]
        pixels = self._posed(np.concatenate([upper, lower]), head_map)
        margin = MOUTH_MARGIN_IOD * rig.frame.iod_px + 2
        low = np.maximum((pixels.min(axis=0) - origin - margin).astype(int), 0)
        high = np.minimum((pixels.max(axis=0) - origin + margin).astype(int) + 1, np.array(head_map.shape[1::-1]))
        band = slice(int(low[1]), int(high[1]))
        local = rig.frame.to_face(head_map[band])
        self._x, y = local[..., 0], local[..., 1]
        self._upper = np.interp(self._x, upper[:, 0], upper[:, 1]).astype(np.float32)
        self._lower = np.interp(self._x, lower[:, 0], lower[:, 1]).astype(np.float32)
        self._y = y
        self._corners = float(upper[0, 0]), float(upper[-1, 0])
        self._columns = slice(int(low[0]), int(high[0]))
        self._mouth_box = (
            slice(int(origin[1]) + band.start, int(origin[1]) + band.stop),
            slice(int(origin[0]) + int(low[0]), int(origin[0]) + int(high[0])),
        )
        self._before_mouth = head_map[band, self._columns].copy()
        seam = (self._upper + self._lower) / 2
        return np.clip((y - seam) * rig.frame.iod_px + 0.5, 0, 1).astype(np.float32), band

    def _keep_to_own_lip(self, region_map: Array, below: Array) -> None:
        """Let no pixel of the mouth's box fetch from the other lip.

        Towards the corners the shapes are steeper than the grid can tell, and the skin of the other lip was seen there.
        below: how far each pixel of the box's rows is below the moved seam, 0..1.
        """
        fields, frame = self.rig.fields, self.rig.frame
        band = slice(self._mouth_box[0].start - fields.row * STEP_PX, None)
        places = region_map[band][: len(below), self._columns]
        local = frame.to_face(places)
        x, y = local[..., 0], local[..., 1]
        upper, lower = (
            np.interp(x, fields.contour_x, line) for line in (fields.contour_upper_y, fields.contour_lower_y)
        )
        kept = np.where(below[:, self._columns] < 0.5, np.minimum(y, upper), np.maximum(y, lower)) - y
        kept *= smoothstep(1.05, 0.95, np.abs(x) / self.rig.mouth.half_width)
        places += kept[..., None].astype(np.float32) * frame.iod_px * frame.down

    def _posed(self, points: Array, head_map: Array) -> Array:
        """Pixels (n, 2) where points of the face (n, 2) are seen once the head has moved.

        The inverse map at a point's own place tells how far the head takes it.
        """
        pixels = self.rig.frame.to_pixels(points)
        origin = self._identity[self.rig.fields.row * STEP_PX, self.rig.fields.column * STEP_PX]
        at = np.clip((pixels - origin).round().astype(int), 0, np.array(head_map.shape[1::-1]) - 1)
        return np.asarray(pixels - (head_map[at[:, 1], at[:, 0]] - (at + origin)), np.float32)

    def _heal(self, relax: float) -> None:
        """Lips instead of what an open source shows between them, and softened folds; the inside is drawn over that."""
        if self.rig.healed is None or relax <= 0:
            return
        fields = self.rig.fields
        (rows, columns), top, left = fields.shape, fields.row * STEP_PX, fields.column * STEP_PX
        region = slice(top, top + rows * STEP_PX), slice(left, left + columns * STEP_PX)
        target = self._warped[region]
        places = np.ascontiguousarray(self._map[region][: target.shape[0], : target.shape[1]])
        heal(target, self.rig.healed, places, relax)

    def _shade(self, gain: Array) -> None:
        """Light and shade of the moving skin, over the region of the mouth."""
        fields = self.rig.fields
        rows, columns = fields.shape
        factors = np.exp(gain[..., None] * self.rig.palette.shadow(GAIN_POWERS_BGR))
        large = cv2.resize(factors, (columns * STEP_PX, rows * STEP_PX), interpolation=cv2.INTER_LINEAR)
        top, left = fields.row * STEP_PX, fields.column * STEP_PX
        target = self._warped[top : top + large.shape[0], left : left + large.shape[1]]
        cv2.multiply(target, large[: target.shape[0], : target.shape[1]], dst=target, dtype=cv2.CV_8U)

    def _draw_mouth(self, weights: Array, controls: Controls) -> None:
        """Roll-in shade, interior and contact line, in the box around the lips."""
        rig = self.rig
        iod = rig.frame.iod_px
        columns = self._columns
        x, y = self._x[:, columns], self._y[:, columns]
        upper, lower = self._upper[:, columns], self._lower[:, columns]
        gap = lower - upper
        widest = float(gap.max())
        target = self._warped[self._mouth_box]
        rows_seen, columns_seen = target.shape[:2]
        x, y, upper, lower, gap = (m[:rows_seen, :columns_seen] for m in (x, y, upper, lower, gap))
        picture = target.astype(np.float32)
        sharpness = iod / (1 + EDGE_SOFTNESS * max(0.6, 0.007 * iod))
        bias = EDGE_BIAS * smoothstep(0.0, NARROW_IOD, gap)
        within = np.clip((y - upper) * sharpness + bias, 0, 1) * np.clip((lower - y) * sharpness + bias, 0, 1)
        low, high = self._corners
        along = (x - low) / (high - low)
        within *= (
            smoothstep(0.0, 0.012, gap) * smoothstep(0, OPENING_FADE, along) * smoothstep(1, 1 - OPENING_FADE, along)
        )
        if widest > 0.005:
            if rig.portrait.kind is not Kind.DRAWING:
                steepness = GAUSSIAN_STEEPNESS / ROLL_SIGMA_IOD
                roll = np.maximum(0, sigmoid((y - upper) * steepness) - sigmoid((y - lower) * steepness))
                roll *= smoothstep(0.0, 0.012, gap)
                amount = 0.42 * float(smoothstep(0.004, 0.03, widest))
                picture *= 1 - amount * roll[..., None] * rig.palette.shadow(ROLL_SHADE_BGR)
            own = alpha = None
            if rig.own_teeth is not None:
                rise = rig.teeth_rise * float(weights[RELAX]) * iod
                place = self._before_mouth[:rows_seen, :columns_seen] + rise * rig.frame.down
                own = sample(rig.teeth_picture, place).astype(np.float32)
                alpha = sample(rig.own_teeth, place)
            opening = Opening(
                x, y, upper, lower, rig.meets_y, jaw_drop(weights, rig.mouth),
                float(controls[Control.ROUND]), float(controls[Control.TONGUE]), float(controls[Control.PRESS]),
                float(controls[Control.TUCK]), own, alpha,
            )  # fmt: skip
            inside = self._inside(opening)
            within *= float(smoothstep(0.006, 0.03, widest))
            picture += (np.clip(inside, 0, 255) - picture) * within[..., None]
        if rig.mouth.is_open and weights[RELAX] > 0.5:
            seam = np.float32(0.5) * (upper + lower)
            if rig.portrait.kind is Kind.PHOTO:
                self._contact_line(picture, x, y, seam, gap, float(weights[RELAX]))
            else:
                self._drawn_line(picture, x, y, seam, gap)
        np.copyto(target, np.clip(picture + 0.5, 0, 255).astype(np.uint8))

    def _inside(self, opening: Opening) -> Array:
        """The picture behind the lips."""
        return draw_interior(opening, self.rig.palette, self.rig.portrait.kind, self.rig.frame.iod_px)

    def _drawn_line(self, picture: Array, x: Array, y: Array, seam: Array, gap: Array) -> None:
        """Where the lips of an open drawn mouth meet: one stroke from corner to corner."""
        low, high = self._corners
        iod = self.rig.frame.iod_px
        along = np.clip((x - low) / (high - low), 0, 1)
        taper = smoothstep(0, 0.10, along) * smoothstep(1, 0.90, along)
        steepness = np.hypot(1, np.gradient(seam, axis=1) * iod)
        half = DRAWN_LINE_IOD * (0.5 + 0.5 * taper)
        stroke = np.clip((half - np.abs(y - seam) / steepness) * iod + 0.5, 0, 1) * (along > 0) * (along < 1)
        stroke *= 1 - smoothstep(0.008, 0.03, gap)
        picture += (DRAWN_LINE_SHADE * self.rig.palette.lip - picture) * stroke[..., None].astype(np.float32)

    def _contact_line(self, picture: Array, x: Array, y: Array, seam: Array, gap: Array, relax: float) -> None:
        """Where the lips of an open source meet its pixels have no line: shade one."""
        rig = self.rig
        iod = rig.frame.iod_px
        low, high = self._corners
        along = np.clip((x - low) / (high - low), 0, 1)
        taper = smoothstep(0, 0.22, along) * smoothstep(1, 0.78, along)
        heals = float(smoothstep(0.5, 0.85, relax)) * (1 - smoothstep(0.01, 0.03, gap)) * (taper > 0)
        amount = heals * (0.15 + 0.85 * taper) * smoothstep(0, 0.05, along) * smoothstep(1, 0.95, along)
        distance = np.abs(y - seam)
        core = (CONTACT_SIGMA_IOD + 0.35 / iod) * (0.6 + 0.4 * taper)
        sigma = np.where(y > seam, 0.026, 0.030)
        loss = amount * (
            0.30 * np.exp(-np.square(distance / core) / 2) + 0.12 * np.exp(-np.square(distance / sigma) / 2)
        )
        picture *= np.power(np.clip(1 - loss, 0.05, 1)[..., None], rig.palette.shadow(CONTACT_POWERS_BGR))
