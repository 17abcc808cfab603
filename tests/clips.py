"""Videos for tests: a painting that moves its head, and for a while its mouth; made when they are needed."""

import functools
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from avatars.engine.controls import Control, rest
from avatars.engine.face import renderer_of
from avatars.engine.face.i420 import bgr_of
from tests.portraits import MONA_LISA, rig_of

RATE_HZ = 25
SIDE_PX = 384
QUIET_FRAMES = 80
TALKING_FRAMES = 50


def write_clip(path: Path, pictures: Sequence[np.ndarray], rate_hz: int = RATE_HZ, codec: str = "libx264") -> Path:
    """Write BGR pictures as a video without sound; the suffix says which container."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz, options={"crf": "16", "preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = *pictures[0].shape[:2], "yuv420p"
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, rate_hz)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@functools.cache
def moving_pictures() -> tuple[np.ndarray, ...]:
    """A face that looks about in silence, then talks: `QUIET_FRAMES` and `TALKING_FRAMES` pictures, SIDE_PX square."""
    renderer = renderer_of(rig_of(MONA_LISA))
    pictures = []
    for index in range(QUIET_FRAMES + TALKING_FRAMES):
        controls = rest()
        controls[Control.YAW_DEG] = 3 * np.sin(2 * np.pi * index / 62)
        controls[Control.ROLL_DEG] = 1.5 * np.sin(2 * np.pi * index / 62 + 1)
        controls[Control.SHIFT_X] = 0.02 * np.sin(2 * np.pi * index / 58 + 2)
        controls[Control.BREATH] = np.sin(2 * np.pi * index / 70)
        if index >= QUIET_FRAMES:
            controls[Control.JAW] = 0.5 + 0.4 * np.sin(2 * np.pi * index / 9)
        picture = bgr_of(renderer.render(controls))
        pictures.append(cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA))
    return tuple(pictures)


@functools.cache
def painted_clip() -> Path:
    """The moving face as an MP4 file."""
    return write_clip(Path(tempfile.mkdtemp(prefix="parlo-clip-")) / "painting.mp4", moving_pictures())
