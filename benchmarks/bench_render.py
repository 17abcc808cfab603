"""Milliseconds of CPU a frame: Essence, all live (mouth, eyes, head, matte), I420 out, one thread; then its H.264 encode."""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avatars.build import build_avatar
from avatars.engine.face import Rig, renderer_of
from avatars.engine.performer import Activity, Line, Performer
from avatars.engine.speech import LocalVoice
from avatars.engine.speech.spoken import SAMPLES_PER_FRAME
from avatars.imx import open_imx
from benchmarks.measure import Spread, print_result
from realtime.rtc.encoder import SAMPLES_PER_PACKET, FaceEncoder, VoiceEncoder

PICTURE = Path(__file__).resolve().parents[1] / "avatars/demo/monalisa.jpg"
SENTENCE = "Maybe you would like to hear how five brave musicians opened a very small shop by the sea."
SIZES = ((512, 512), (720, 1280))
WARM_UP_FRAMES = 10
FRAMES_PER_S = 25


def render(size: tuple[int, int], folder: Path) -> dict[str, Any]:
    """Build one avatar, then render one spoken sentence and as many idle frames."""
    imx = folder / f"{size[0]}x{size[1]}.imx"
    build_avatar(PICTURE, imx, size=size, licence="public domain", consent="painting")
    performer = Performer(renderer_of(Rig.from_portrait(open_imx(imx).portrait())), seed=7)
    speech = LocalVoice.shared().say(SENTENCE)
    line = Line.prepare(speech)
    frames = len(line.samples) // SAMPLES_PER_FRAME
    figures: dict[str, Any] = {"size": f"{size[0]}x{size[1]}", "frames": frames}
    perform(performer, WARM_UP_FRAMES)
    for name in ("idle", "talking"):
        if name == "talking":
            performer.set_activity(Activity.SPEAKING)
            performer.say(1, line)
        pictures, render_ms = perform(performer, frames)
        encode_ms, kbit_s = encode(pictures, size)
        together = [one + other for one, other in zip(render_ms, encode_ms, strict=True)]
        figures[name] = {
            "render_ms": Spread.of(render_ms).as_dict(),
            "encode_ms": Spread.of(encode_ms).as_dict(),
            "render_and_encode_ms": Spread.of(together).as_dict(),
            "kbit_s": kbit_s,
        }
    figures["opus_ms"] = Spread.of(encode_voice(line.samples)).as_dict()
    return figures


def perform(performer: Performer, frames: int) -> tuple[list[NDArray[np.uint8]], list[float]]:
    """The next frames, and the CPU milliseconds of each."""
    pictures, spent_ms = [], []
    for _ in range(frames):
        start_s = time.thread_time()
        picture = performer.next().picture
        spent_ms.append((time.thread_time() - start_s) * 1000)
        # The renderer draws into the same memory every time.
        pictures.append(picture.copy())
    return pictures, spent_ms


def encode(pictures: list[NDArray[np.uint8]], size: tuple[int, int]) -> tuple[list[float], int]:
    """The live encoder on these frames: CPU milliseconds of each, and the kbit/s after the first second."""
    encoder = FaceEncoder(*size)
    spent_ms, sizes = [], []
    for index, picture in enumerate(pictures):
        start_s = time.thread_time()
        packet = encoder.encode(picture, index)
        spent_ms.append((time.thread_time() - start_s) * 1000)
        sizes.append(packet.size)
    steady = sizes[FRAMES_PER_S:]
    return spent_ms, round(sum(steady) / len(steady) * 8 * FRAMES_PER_S / 1000)


def encode_voice(samples: NDArray[np.float32]) -> list[float]:
    """The voice's encoder: CPU milliseconds of the two packets of each frame."""
    encoder = VoiceEncoder()
    spent_ms = []
    for position in range(0, len(samples), SAMPLES_PER_FRAME):
        start_s = time.thread_time()
        whole = (samples[position : position + SAMPLES_PER_FRAME] * 32767).astype(np.int16)
        for at in range(0, SAMPLES_PER_FRAME, SAMPLES_PER_PACKET):
            encoder.encode(whole[at : at + SAMPLES_PER_PACKET], position + at)
        spent_ms.append((time.thread_time() - start_s) * 1000)
    return spent_ms


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", action="append", help="WxH; may be given again")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    sizes = [(int(width), int(height)) for width, height in (size.split("x") for size in arguments.size or ())]
    with tempfile.TemporaryDirectory() as folder:
        print_result("render", sizes=[render(size, Path(folder)) for size in sizes or SIZES])


if __name__ == "__main__":
    main()
