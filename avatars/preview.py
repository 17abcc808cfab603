"""The short silent film that shows an avatar in the gallery."""

import io
from collections.abc import Callable
from fractions import Fraction
from typing import Final

import av

from avatars.engine.controls import FRAME_RATE_HZ
from avatars.engine.face import FaceRenderer, Rig
from avatars.engine.performer import Performer
from avatars.engine.portrait import Portrait

HALF_LOOP_S: Final = 2.5


def idle_film(portrait: Portrait, progress: Callable[[float], None], *, seed: int = 7) -> bytes:
    """Film a portrait at rest, as H.264 in MP4; `progress` hears the share done, 0..1.

    It plays forwards and back again, so that the loop has no seam.
    """
    performer = Performer(FaceRenderer(Rig.from_portrait(portrait)), seed)
    count = round(HALF_LOOP_S * FRAME_RATE_HZ)
    pictures = []
    for index in range(count):
        pictures.append(performer.next().picture.copy())
        progress(0.5 * (index + 1) / count)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE_HZ, options={"crf": "27", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = portrait.width, portrait.height, "yuv420p"
        stream.codec_context.thread_count = 1
        for index, picture in enumerate(pictures + pictures[-2:0:-1]):
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, FRAME_RATE_HZ)
            container.mux(stream.encode(frame))
            progress(0.5 + 0.25 * (index + 1) / count)
        container.mux(stream.encode())
    return buffer.getvalue()
