"""Milliseconds of CPU a frame: Essence, all live (mouth, eyes, head, matte), I420 out, one thread; then its H.264 encode."""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import av
import cv2
import numpy as np

from avatars.build import build_avatar
from avatars.engine.face import FaceRenderer, Rig
from avatars.engine.performer import Activity, Line, Performer
from avatars.engine.speech import LocalVoice
from avatars.imx import open_imx
from benchmarks.measure import Spread, thread_cpu_ms
from realtime.rtc.encoder import h264_context

PICTURE = Path(__file__).resolve().parents[1] / "avatars/demo/monalisa.jpg"
SENTENCE = "Maybe you would like to hear how five brave musicians opened a very small shop by the sea."
WARM_UP_FRAMES = 10


def render(size: tuple[int, int], folder: Path) -> dict[str, object]:
    """Build one avatar, then render one spoken sentence and as many idle frames."""
    imx = folder / f"{size[0]}x{size[1]}.imx"
    report = build_avatar(PICTURE, imx, size=size, licence="public domain", consent="painting")
    start = time.process_time()
    rig = Rig.from_portrait(open_imx(imx).portrait())
    load_ms = (time.process_time() - start) * 1000
    performer = Performer(FaceRenderer(rig), seed=7)
    line = Line.prepare(LocalVoice.shared().say(SENTENCE))
    for _ in range(WARM_UP_FRAMES):
        performer.next()
    frames = len(line.samples) // 960
    figures: dict[str, object] = {
        "size": f"{size[0]}x{size[1]}",
        "build_cpu_s": round(report.cpu_s, 2),
        "imx_bytes": report.imx_bytes,
        "load_and_rig_cpu_ms": round(load_ms, 1),
    }
    for name in ("idle", "talking"):
        if name == "talking":
            performer.set_activity(Activity.SPEAKING)
            performer.say(1, line)
        pictures: list[np.ndarray] = []
        figures[name] = Spread.of(
            [thread_cpu_ms(lambda: pictures.append(performer.next().picture.copy())) for _ in range(frames)]
        ).as_dict()
        figures[f"{name}_encode"] = encode(pictures, size)
    return figures


def encode(pictures: list[np.ndarray], size: tuple[int, int]) -> dict[str, float]:
    """The live encoder on these frames: CPU milliseconds a frame, and the bits it makes of them."""
    context = h264_context(*size)
    figures, total = [], 0
    for index, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = index
        start = time.thread_time()
        total += sum(packet.size for packet in context.encode(frame))
        figures.append((time.thread_time() - start) * 1000)
    return {**Spread.of(figures).as_dict(), "kbit_s": round(total * 8 * 25 / len(pictures) / 1000)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", action="append", help="WxH; may be given again")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    sizes = [tuple(int(n) for n in size.split("x")) for size in arguments.size or ("512x512", "720x1280")]
    with tempfile.TemporaryDirectory() as folder:
        results = [render((size[0], size[1]), Path(folder)) for size in sizes]
    print(json.dumps({"render": results}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
