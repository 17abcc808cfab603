"""The short silent film that shows an avatar in the gallery."""

import io
from fractions import Fraction
from typing import Final

import av
from av.video.stream import VideoStream

from avatars.engine.controls import FRAME_RATE_HZ
from avatars.engine.face import FaceRenderer, Rig
from avatars.engine.performer import Performer
from avatars.engine.portrait import Portrait

HALF_LOOP_S: Final = 2.5


def idle_film(portrait: Portrait, *, seed: int = 7) -> bytes:
    """Film a portrait at rest, forwards and back again so that the loop has no seam, as H.264 in MP4."""
    performer = Performer(FaceRenderer(Rig.from_portrait(portrait)), seed)
    pictures = [performer.next().picture.copy() for _ in range(round(HALF_LOOP_S * FRAME_RATE_HZ))]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE_HZ, options={"crf": "27", "preset": "veryfast"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = portrait.width, portrait.height, "yuv420p"
        stream.codec_context.thread_count = 1
        for index, picture in enumerate(pictures + pictures[-2:0:-1]):
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, FRAME_RATE_HZ)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()
