"""The compiled kernel as ctypes sees it: the structures of face.c, field by field, and its two functions."""

import ctypes
from ctypes import POINTER, Structure, c_float, c_int32, c_size_t, c_void_p
from functools import cache
from typing import Final

from avatars.engine.face.kernel.compile import library_path

HEAD_COUNT: Final = 9
SHAPE_COUNT: Final = 10
SHADE_COUNT: Final = 4
PHOTO: Final = 0
DRAWING: Final = 1
ANIMAL: Final = 2


class EyeStruct(Structure):
    """One eye."""

    _fields_ = (
        *((name, c_int32) for name in ("left", "top", "columns", "rows")),
        ("maps", c_void_p * 2),
        ("lid", c_void_p * 3),
        *((name, c_float) for name in ("centre_x", "centre_y", "axis_x", "axis_y", "width_px")),
        *((name, c_float) for name in ("iris_x", "iris_y", "iris_radius")),
        *((name, c_float) for name in ("lash", "strip", "fold_share", "largest_aperture")),
        ("is_painted", c_int32),
        ("paint", c_float * 3),
    )


class ColoursStruct(Structure):
    """The palette in linear YUV, and what shadows do to blue, green and red."""

    _fields_ = (
        *(
            (name, c_float * 3)
            for name in ("cavity", "tongue", "tooth", "bounced_tooth", "bounce", "lip_upper", "lip_lower", "line")
        ),
        ("contrast", c_float),
        ("shift", c_float * 3),
        *((name, c_float * 3) for name in ("gain_powers", "contact_powers", "roll_shade")),
    )


class AvatarStruct(Structure):
    """All that sessions of one avatar share."""

    _fields_ = (
        *((name, c_int32) for name in ("width", "height", "columns", "rows")),
        *((name, c_int32) for name in ("region_column", "region_row", "region_columns", "region_rows")),
        *((name, c_int32) for name in ("contour_count", "kind", "is_open", "plane_stride", "half_stride")),
        *((name, c_int32) for name in ("block_columns", "block_rows", "scalar")),
        *((name, c_float) for name in ("origin_x", "origin_y", "right_x", "right_y", "iod_px")),
        *((name, c_float) for name in ("upper_edge", "upper_height", "meets_y", "teeth_rise", "hidden_by_rounding")),
        *((name, c_void_p) for name in ("head", "upper", "lower", "shading", "contour", "upper_teeth", "lower_teeth")),
        ("source", c_void_p * 3),
        ("plate", c_void_p * 3),
        *((name, c_void_p) for name in ("matte", "matte_half", "matte_low", "matte_high", "own_teeth")),
        ("teeth_source", c_void_p * 3),
        ("healed", c_void_p * 5),
        ("healed_high", c_void_p),
        ("eyes", EyeStruct * 2),
        ("colours", ColoursStruct),
    )


class FrameStruct(Structure):
    """What one frame is to show."""

    _fields_ = (
        ("head", c_float * HEAD_COUNT),
        ("shapes", c_float * SHAPE_COUNT),
        ("shade", c_float * SHADE_COUNT),
        ("blink", c_float * 2),
        ("gaze_px", c_float * 2),
        *((name, c_float) for name in ("jaw_drop", "rounding", "tongue", "press", "tuck", "relax")),
        ("paint_eyes", c_int32),
        ("is_posed", c_int32),
        ("pose", c_float * 6),
        ("pose_back", c_float * 6),
        ("pose_scale", c_float),
        ("free", c_void_p),
    )


class SessionStruct(Structure):
    """The memory of one session."""

    _fields_ = (("source", c_void_p * 3), ("memory", c_void_p), ("before", c_void_p), ("blur_px", c_float))


@cache
def library() -> ctypes.CDLL:
    """The kernel. A call releases the interpreter's lock. Raises OSError where it has not been compiled."""
    path = library_path()
    if not path.exists():
        raise OSError("The face kernel has not been compiled.")
    loaded = ctypes.CDLL(str(path))
    loaded.face_memory.argtypes = (POINTER(AvatarStruct),)
    loaded.face_memory.restype = c_size_t
    loaded.face_render.argtypes = (POINTER(AvatarStruct), POINTER(SessionStruct), POINTER(FrameStruct), c_void_p)
    loaded.face_render.restype = None
    return loaded


@cache
def unavailable_because() -> str | None:
    """Why the kernel cannot draw here, in words; None where it can."""
    try:
        library()
    except OSError as error:
        return str(error)
    return None


def available() -> bool:
    """Whether the kernel can draw here."""
    return unavailable_because() is None
