"""The renderer that draws with the kernel: the same controls in, the same picture out as `FaceRenderer`."""

import ctypes
import threading
from ctypes import byref
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.engine.controls import CONTROL_COUNT, Control, Controls, clipped
from avatars.engine.face.eyes import Eye
from avatars.engine.face.fields import STEP_PX
from avatars.engine.face.head import head_weights
from avatars.engine.face.i420 import i420_of, linear_yuv, planes
from avatars.engine.face.interior import HIDDEN_BY_ROUNDING
from avatars.engine.face.kernel.library import (
    ANIMAL,
    DRAWING,
    PHOTO,
    AvatarStruct,
    ColoursStruct,
    EyeStruct,
    FrameStruct,
    SessionStruct,
    library,
)
from avatars.engine.face.projector import Projector
from avatars.engine.face.renderer import CONTACT_POWERS_BGR, DRAWN_LINE_SHADE, ROLL_SHADE_BGR
from avatars.engine.face.rig import Rig
from avatars.engine.face.shading import GAIN_POWERS_BGR, shading_weights
from avatars.engine.face.teeth import LOWER_ROW, UPPER_EDGE, UPPER_HEIGHT, UPPER_ROW
from avatars.engine.face.weights import RELAX, jaw_drop, shape_weights
from avatars.engine.portrait import Kind

ROTATION: Final = 3
KINDS: Final = {Kind.PHOTO: PHOTO, Kind.DRAWING: DRAWING, Kind.ANIMAL: ANIMAL}
# The sampler reads three rows of sixteen bytes wherever it looks.
SPARE_ROWS: Final = 3
SPARE_BYTES: Final = 64
# A block's matte is known this far beyond it: a warped cell reaches a little further than its corners.
BLOCK_REACH_PX: Final = 2

Array = NDArray[np.float32]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Plan:
    """A rig laid out for the kernel. `arrays` keeps alive what `struct` points to."""

    struct: AvatarStruct
    source: tuple[Bytes, Bytes, Bytes]
    memory_floats: int
    arrays: tuple[object, ...]


_plans: WeakKeyDictionary[Rig, dict[bool, _Plan]] = WeakKeyDictionary()
_planning = threading.Lock()


class KernelRenderer:
    """Draws one session's frames in C. Not thread-safe: one thread renders, without the interpreter's lock.

    The array that `render` returns is used again by the third call after it. scalar: do without the processor's
    instructions for many pixels at once, as on a processor that has none.
    """

    projector: Projector | None = None

    def __init__(self, rig: Rig, *, scalar: bool = False) -> None:
        self.rig = rig
        self.width, self.height = rig.portrait.width, rig.portrait.height
        self._plan = _plan_of(rig, scalar=scalar)
        self._source = tuple(plane.copy() for plane in self._plan.source)
        self._memory = np.zeros(self._plan.memory_floats, np.float32)
        self._session = SessionStruct(_addresses(*self._source), self._memory.ctypes.data, None, 0.0)
        self._frame = FrameStruct()
        self._eyes_drawn = (0.0, 0.0, 0.0, 0.0)
        self._out = [np.empty((self.height * 3 // 2, self.width), np.uint8) for _ in range(ROTATION)]
        self._turn = 0
        self._draw = library().face_render

    def render(self, controls: Controls) -> Bytes:
        """One frame of controls (CONTROL_COUNT,) to I420 (height*3//2, width) uint8, BT.601 limited range.

        Values beyond their range are limited. Raises ValueError for another shape.
        """
        if controls.shape != (CONTROL_COUNT,):
            raise ValueError(f"A frame has {CONTROL_COUNT} controls; this one has the shape {controls.shape}.")
        self._describe(clipped(controls))
        return self._drawn()

    def _drawn(self) -> Bytes:
        """Draw the frame that has been described."""
        out = self._out[self._turn]
        self._turn = (self._turn + 1) % ROTATION
        self._draw(byref(self._plan.struct), byref(self._session), byref(self._frame), out.ctypes.data)
        return out

    def _describe(self, controls: Controls) -> None:
        """Write what the frame is to show into the structure that the kernel reads."""
        rig, frame = self.rig, self._frame
        weights = self._weights(controls)
        relax = float(weights[RELAX])
        frame.head[:] = head_weights(controls, rig.smiling).tolist()
        frame.shapes[:] = weights.tolist()
        frame.shade[:] = shading_weights(controls, relax, smiling=rig.smiling).tolist()
        frame.jaw_drop = jaw_drop(weights, rig.mouth)
        frame.rounding = controls[Control.ROUND]
        frame.tongue = controls[Control.TONGUE]
        frame.press = controls[Control.PRESS]
        frame.tuck = controls[Control.TUCK]
        frame.relax = relax
        self._look(controls)

    def _weights(self, controls: Controls) -> Array:
        """The weights (WEIGHT_COUNT,) of the shapes that these controls ask for."""
        return shape_weights(controls, self.rig.portrait.kind, self.rig.mouth)

    def _look(self, controls: Controls) -> None:
        """Have the eyes painted where they change."""
        rig, frame = self.rig, self._frame
        wanted = rig.eye_look(controls)
        frame.paint_eyes = wanted != self._eyes_drawn
        if frame.paint_eyes:
            self._eyes_drawn = wanted
            frame.blink[:] = wanted[:2]
            frame.gaze_px[:] = rig.frame.vectors(np.array(wanted[2:], np.float32)).tolist()


def _plan_of(rig: Rig, *, scalar: bool) -> _Plan:
    """The rig's plan, made once for all its sessions."""
    with _planning:
        plans = _plans.setdefault(rig, {})
        if scalar not in plans:
            plans[scalar] = _make_plan(rig, scalar=scalar)
        return plans[scalar]


def _make_plan(rig: Rig, *, scalar: bool) -> _Plan:
    portrait, fields = rig.portrait, rig.fields
    width, height = portrait.width, portrait.height
    rows, columns = rig.nodes.shape[:2]
    source = _source_planes(portrait.picture)
    teeth_source = source if rig.teeth_picture is portrait.picture else _source_planes(rig.teeth_picture)
    healed = () if rig.healed is None else _healed_planes(rig.healed)
    healed_high = None if rig.healed is None else _by_block(np.ascontiguousarray(rig.healed[..., 3]), rows, columns)[1]
    plate_luma, plate_chroma = planes(i420_of(portrait.plate), height, width)
    plate = (plate_luma, *plate_chroma)
    matte = _padded(portrait.matte)
    matte_half = _padded(
        np.asarray(cv2.resize(portrait.matte, (width // 2, height // 2), interpolation=cv2.INTER_AREA))
    )
    matte_low, matte_high = _by_block(portrait.matte, rows, columns)
    teeth = None if rig.own_teeth is None else _padded(np.round(rig.own_teeth * 255).astype(np.uint8))
    contour = np.concatenate(
        [
            part.astype(np.float32).ravel()
            for part in (
                *(fields.contour_x, fields.contour_upper_y, fields.contour_lower_y),
                *(fields.contour_upper, fields.contour_lower),
            )
        ]
    )
    shading = None if rig.shading is None else np.ascontiguousarray(rig.shading, np.float32)
    tooth_rows = [np.ascontiguousarray(np.stack([row.shade, row.rise], axis=-1)) for row in (UPPER_ROW, LOWER_ROW)]
    head, upper, lower = (np.ascontiguousarray(a, np.float32) for a in (rig.head.fields, fields.upper, fields.lower))
    eyes, eye_maps = zip(*(_eye(eye) for eye in rig.eyes), strict=True)
    palette = rig.palette
    footage = portrait.footage
    inside = None if footage is None else footage.inside
    colours = ColoursStruct(
        *(
            tuple(linear_yuv(colour))
            for colour in (
                *(palette.cavity, palette.tongue, palette.tooth, palette.tooth * palette.bounce, palette.bounce),
                *(palette.upper_inside, palette.lower_inside, palette.lip * DRAWN_LINE_SHADE),
            )
        ),
        0.0 if inside is None else float(inside[0]) - 1,
        tuple(linear_yuv(np.zeros(3) if inside is None else inside[1:])),
        *(tuple(palette.shadow(shade)) for shade in (GAIN_POWERS_BGR, CONTACT_POWERS_BGR, ROLL_SHADE_BGR)),
    )
    region_rows, region_columns = fields.shape
    frame = rig.frame
    struct = AvatarStruct(
        *(width, height, columns, rows),
        *(fields.column, fields.row, region_columns, region_rows),
        *(len(fields.contour_x), KINDS[portrait.kind], rig.mouth.is_open, width, width // 2),
        *(columns, rows, scalar),
        *(frame.origin[0], frame.origin[1], frame.right[0], frame.right[1], frame.iod_px),
        *(UPPER_EDGE, UPPER_HEIGHT, rig.meets_y, rig.teeth_rise, HIDDEN_BY_ROUNDING),
        *(_address(array) for array in (head, upper, lower, shading, contour, *tooth_rows)),
        _addresses(*source),
        _addresses(*plate),
        *(_address(array) for array in (matte, matte_half, matte_low, matte_high, teeth)),
        _addresses(*teeth_source),
        (ctypes.c_void_p * 5)(*(plane.ctypes.data for plane in healed)),
        _address(healed_high),
        (EyeStruct * 2)(*eyes),
        colours,
    )
    kept = (
        *(head, upper, lower, shading, contour, tooth_rows),
        *(plate, matte, matte_half, matte_low, matte_high),
        *(teeth, teeth_source, healed, healed_high),
    )
    return _Plan(struct, source, library().face_memory(byref(struct)), (*kept, eye_maps))


def _eye(eye: Eye) -> tuple[EyeStruct, tuple[object, ...]]:
    """An eye's structure, and the maps and the planes it points to."""
    rows, columns = eye.x.shape
    whole = np.stack([eye.upper, eye.lower, eye.zone, eye.aperture, eye.travel, eye.outside]).astype(np.float32)
    half = np.ascontiguousarray(whole.reshape(len(whole), rows // 2, 2, columns // 2, 2).mean(axis=(2, 4)))
    lid = _source_planes(eye.lid)
    struct = EyeStruct(
        *(eye.left, eye.top, columns, rows),
        (ctypes.c_void_p * 2)(whole.ctypes.data, half.ctypes.data),
        _addresses(*lid),
        *(eye.centre[0], eye.centre[1], eye.axis[0], eye.axis[1], eye.width_px),
        *(eye.iris[0], eye.iris[1], eye.iris_radius),
        *(eye.lash, eye.strip, eye.fold_share, eye.largest_aperture),
        eye.paint_bgr is not None,
        (ctypes.c_float * 3)(*(linear_yuv(eye.paint_bgr) if eye.paint_bgr is not None else (0, 0, 0))),
    )
    return struct, (whole, half, lid)


def _source_planes(picture: Bytes) -> tuple[Bytes, Bytes, Bytes]:
    """The planes of a BGR picture that pixels are fetched from."""
    luma, chroma = planes(i420_of(picture), *picture.shape[:2])
    return _padded(luma), _padded(chroma[0]), _padded(chroma[1])


def _healed_planes(healed: Bytes) -> tuple[Bytes, ...]:
    """The planes of lips over an open mouth, and how much they cover at full and at half size."""
    cover = np.ascontiguousarray(healed[..., 3])
    half = np.asarray(cv2.resize(cover, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    return (*_source_planes(np.ascontiguousarray(healed[..., :3])), _padded(cover), _padded(half))


def _padded(plane: Bytes) -> Bytes:
    """The plane with memory behind it that may be read, though nothing of it is ever seen."""
    height, width = plane.shape
    memory = np.zeros((height + SPARE_ROWS) * width + SPARE_BYTES, np.uint8)
    memory[: height * width] = plane.reshape(-1)
    return memory


def _by_block(matte: Bytes, rows: int, columns: int) -> tuple[Bytes, Bytes]:
    """The least and the most of the matte in each block of STEP_PX and BLOCK_REACH_PX around it: (rows, columns)."""
    reach = np.ones((2 * BLOCK_REACH_PX + 1,) * 2, np.uint8)
    beyond = ((0, rows * STEP_PX - matte.shape[0]), (0, columns * STEP_PX - matte.shape[1]))

    def blocks(grown: Bytes) -> Bytes:
        return np.pad(grown, beyond, mode="edge").reshape(rows, STEP_PX, columns, STEP_PX)

    least = blocks(np.asarray(cv2.erode(matte, reach), np.uint8)).min(axis=(1, 3))
    most = blocks(np.asarray(cv2.dilate(matte, reach), np.uint8)).max(axis=(1, 3))
    return np.ascontiguousarray(least), np.ascontiguousarray(most)


def _address(array: NDArray[np.generic] | None) -> int | None:
    return None if array is None else array.ctypes.data


def _addresses(*arrays: Bytes) -> "ctypes.Array[ctypes.c_void_p]":
    return (ctypes.c_void_p * 3)(*(array.ctypes.data for array in arrays))
