"""The short silent film that shows an avatar before it is spoken to."""

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from math import pi, sin
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from avatars.engine.controls import CONTROL_COUNT, FRAME_RATE_HZ, Control, Controls
from avatars.engine.face import Rig, renderer_of
from avatars.engine.face.i420 import bgr_of, i420_of
from avatars.engine.face.projector import WAIT_FRAMES, Projector
from avatars.engine.footage import Footage, Reel
from avatars.engine.portrait import Portrait
from avatars.engine.recorded import RecordedGesture

SECONDS: Final = 4
WIDTH_PX: Final = 320
BYTES_MAX: Final = 250_000
QUALITIES: Final = (18, 22, 26, 30, 34, 38, 44)
"""x264 rate factors, tried until the film is small enough."""

_BLINK: Final = (0.35, 0.85, 1.0, 0.8, 0.5, 0.25, 0.08)
_BLINK_AT_S: Final = 1.3
_SMILE_S: Final = (1.9, 3.5)
_ASIDE_IOD: Final = 0.004
# Each idle movement: control, amplitude, whole periods per loop, phase in turns.
_SWAYS: Final = (
    (Control.YAW_DEG, 1.6, 1, 0.00),
    (Control.YAW_DEG, 0.5, 3, 0.30),
    (Control.PITCH_DEG, 0.8, 1, 0.35),
    (Control.PITCH_DEG, 0.3, 2, 0.10),
    (Control.ROLL_DEG, 0.6, 1, 0.70),
    (Control.SHIFT_X, 0.006, 1, 0.10),
    (Control.BREATH, 1.0, 1, 0.25),
)


def loop_track() -> Controls:
    """Return the loop (frames, CONTROL_COUNT): every movement has a whole number of periods, so it has no seam."""
    frames = SECONDS * FRAME_RATE_HZ
    track = np.zeros((frames, CONTROL_COUNT), np.float32)
    turn = np.arange(frames) / frames
    for control, amplitude, periods, phase in _SWAYS:
        # Measured from the phase, so that the loop begins at rest like the poster it follows.
        track[:, control] += amplitude * (np.sin(2 * pi * (periods * turn + phase)) - sin(2 * pi * phase))
    first = round(_BLINK_AT_S * FRAME_RATE_HZ)
    # Never quite at rest: the untouched source is sharper than what is drawn, and would flash once a loop.
    track[:, Control.SHIFT_X] += _ASIDE_IOD
    for lid in (Control.BLINK_LEFT, Control.BLINK_RIGHT):
        track[first : first + len(_BLINK), lid] = _BLINK
    begin, end = (round(second * FRAME_RATE_HZ) for second in _SMILE_S)
    track[begin:end, Control.SMILE] = 0.35 * np.sin(np.linspace(0, pi, end - begin)) ** 2
    return track


def small(portrait: Portrait, width_px: int = WIDTH_PX) -> Portrait:
    """Return the portrait drawn `width_px` wide."""
    scale = width_px / portrait.width
    size = (width_px, 2 * round(portrait.height * scale / 2))
    if scale >= 1:
        return portrait
    picture, matte, plate = (
        np.asarray(cv2.resize(layer, size, interpolation=cv2.INTER_AREA), np.uint8)
        for layer in (portrait.picture, portrait.matte, portrait.plate)
    )
    teeth = portrait.teeth
    if teeth is not None:
        teeth = np.asarray(cv2.resize(teeth, size, interpolation=cv2.INTER_AREA), np.uint8)
    landmarks = portrait.landmarks * np.float32(scale)
    return replace(portrait, picture=picture, matte=matte, plate=plate, landmarks=landmarks, teeth=teeth)


def film(portrait: Portrait) -> bytes:
    """Return the looping film of a portrait: H.264 in MP4, silent, at most `BYTES_MAX` where x264 can do it."""
    if portrait.footage is not None:
        pictures = _footage_pictures(portrait, portrait.footage)
    else:
        renderer = renderer_of(Rig.from_portrait(small(portrait)))
        pictures = [renderer.render(controls).copy() for controls in loop_track()]
    return _small_enough(pictures)


def _small_enough(pictures: list[NDArray[np.uint8]]) -> bytes:
    height, width = pictures[0].shape[0] * 2 // 3, pictures[0].shape[1]
    data = b""
    for quality in QUALITIES:
        data = _encoded(pictures, width, height, quality)
        if len(data) <= BYTES_MAX:
            break
    return data


def gesture_film(portrait: Portrait, gesture: RecordedGesture) -> bytes:
    """Return the film of a recorded gesture as it is performed: out of the loop of its portrait, and back into it."""
    projector = Projector(replace(portrait, recorded=(gesture,)))
    projector.play(gesture)
    shown = (projector.next() for _ in range(WAIT_FRAMES + gesture.frames + FRAME_RATE_HZ))
    return _small_enough(_smaller((one.picture for one in shown), portrait))


def _footage_pictures(portrait: Portrait, footage: Footage) -> list[NDArray[np.uint8]]:
    """The whole loop of footage, I420, as small as `small` would draw it."""
    reel = Reel(footage, portrait.width, portrait.height)
    return _smaller((reel.next()[1] for _ in range(len(footage))), portrait)


def _smaller(pictures: Iterable[NDArray[np.uint8]], portrait: Portrait) -> list[NDArray[np.uint8]]:
    scale = min(1.0, WIDTH_PX / portrait.width)
    size = (2 * round(portrait.width * scale / 2), 2 * round(portrait.height * scale / 2))
    return [
        i420_of(np.asarray(cv2.resize(bgr_of(one), size, interpolation=cv2.INTER_AREA), np.uint8)) for one in pictures
    ]


def _encoded(pictures: list[NDArray[np.uint8]], width: int, height: int, quality: int) -> bytes:
    with tempfile.TemporaryDirectory(prefix="parlo-preview-") as folder:
        path = Path(folder) / "preview.mp4"
        _write(path, pictures, width, height, quality)
        return path.read_bytes()


def _write(path: Path, pictures: list[NDArray[np.uint8]], width: int, height: int, quality: int) -> None:
    with av.open(path, "w", options={"movflags": "+faststart"}) as container:
        options = {"crf": str(quality), "preset": "veryfast"}
        stream = container.add_stream("libx264", rate=FRAME_RATE_HZ, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, FRAME_RATE_HZ)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
