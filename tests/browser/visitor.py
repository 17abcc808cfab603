"""A visitor: real Chromium with a microphone that plays a WAV file, and what it recorded of the avatar."""

import base64
import shlex
import shutil
import tempfile
import time
import wave
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page, sync_playwright

MICROPHONE_RATE_HZ = 48_000
ANALYSIS_RATE_HZ = 16_000

RECORDER = """
() => {
  // What is seen and heard, when it is: pictures at the time they are shown, sound at the time it leaves the loudspeaker.
  const video = document.getElementById('avatar-video');
  const pictures = [];
  let going = true;
  const look = (now, metadata) => {
    if (!going) return;
    const picture = {ms: metadata.expectedDisplayTime};
    pictures.push(picture);
    createImageBitmap(video).then((bitmap) => (picture.bitmap = bitmap));
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  // Taken where the element takes it out of the jitter buffer: a graph of Web Audio has a buffer before it, which grows.
  const chunks = [];
  const starts = [];
  let [late, heard, wayMs] = [Infinity, 0, 0];
  const listen = async (track) => {
    for await (const piece of new MediaStreamTrackProcessor({track, maxBufferSize: 500}).readable) {
      const wave = new Float32Array(piece.numberOfFrames);
      piece.copyTo(wave, {planeIndex: 0, format: 'f32-planar'});
      const takenMs = piece.timestamp / 1000;
      const every = piece.sampleRate / 16000;
      piece.close();
      if (!going) return;
      late = Math.min(late, performance.now() - takenMs);
      starts.push(takenMs - heard / 16);
      chunks.push(Float32Array.from({length: wave.length / every}, (_, i) => {
        let sum = 0;
        for (let j = 0; j < every; j++) sum += wave[i * every + j];
        return sum / every;
      }));
      heard += chunks.at(-1).length;
    }
  };
  listen(video.srcObject.getAudioTracks()[0].clone());
  setInterval(async () => {
    const way = [...(await window.connections.at(-1).getStats()).values()].find(({type}) => type === 'media-playout');
    if (way?.totalSamplesCount) wayMs = 1000 * way.totalPlayoutDelay / way.totalSamplesCount;
  }, 1000);
  const base64 = (bytes) => {
    let text = '';
    for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
    return btoa(text);
  };
  window.stopRecording = async () => {
    going = false;
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    const pen = canvas.getContext('2d');
    const shown = [];
    for (const {ms, bitmap} of pictures) {
      if (!bitmap) continue;
      pen.drawImage(bitmap, 0, 0);
      bitmap.close();
      const blob = await canvas.convertToBlob({type: 'image/jpeg', quality: 0.92});
      shown.push({ms, jpeg: base64(new Uint8Array(await blob.arrayBuffer()))});
    }
    const samples = new Float32Array(heard);
    let filled = 0;
    for (const chunk of chunks) {
      samples.set(chunk, filled);
      filled += chunk.length;
    }
    const startMs = starts.sort((a, b) => a - b)[starts.length >> 1] + late + wayMs;
    return {pictures: shown, soundStartMs: startMs, sound: base64(new Uint8Array(samples.buffer))};
  };
}
"""

# Lets a measuring visitor get at the microphone's track that the page sends.
CONNECTIONS = """
window.connections = [];
window.RTCPeerConnection = class extends window.RTCPeerConnection {
  constructor(...given) {
    super(...given);
    window.connections.push(this);
  }
};
"""

RECEIVED = """
async () => {
  const report = await window.connections.at(-1).getStats();
  const video = [...report.values()].find(({type, kind}) => type === 'inbound-rtp' && kind === 'video');
  return {ms: video.timestamp, frames: video.framesReceived};
}
"""

# Notes how loud the visitor and the avatar are.
LOUDNESS = Path(__file__).with_name("loudness.js").read_text(encoding="utf-8")
PIECE_MS = 10.0


def chromium_path() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    raise RuntimeError("These tests need Chromium. On Debian: apt-get install chromium")


def write_microphone(path: Path, *parts: NDArray[np.float32] | float, rate_hz: int) -> None:
    """A WAV file of `parts` in a row: float32 samples at `rate_hz`, or a number of seconds of silence."""
    import soxr

    pieces = [
        np.zeros(int(part * MICROPHONE_RATE_HZ), np.float32)
        if isinstance(part, float | int)
        else soxr.resample(part, rate_hz, MICROPHONE_RATE_HZ)
        for part in parts
    ]
    samples = (np.clip(np.concatenate(pieces), -1, 1) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(MICROPHONE_RATE_HZ)
        file.writeframes(samples.tobytes())


def wait_until(page: Page, expression: str, within_ms: int = 20_000) -> None:
    """Wait until JavaScript says so; asked from outside, because the pages' policy forbids code made of strings."""
    deadline = time.monotonic() + within_ms / 1000
    while not page.evaluate(expression):
        if time.monotonic() > deadline:
            raise AssertionError(f"within {within_ms} ms it did not become true: {expression}")
        page.wait_for_timeout(30)


@contextmanager
def started_inside(inside: Sequence[str]) -> Iterator[str]:
    """A program that starts Chromium by way of another command, such as `ip netns exec`."""
    with tempfile.TemporaryDirectory(prefix="parlo-visitor-") as folder:
        script = Path(folder) / "chromium"
        script.write_text(f'#!/bin/sh\nexec {shlex.join([*inside, chromium_path()])} "$@"\n')
        script.chmod(0o755)
        yield str(script)


@contextmanager
def visitor(
    microphone: Path | None,
    *,
    width: int = 1100,
    height: int = 900,
    measuring: bool = False,
    inside: Sequence[str] = (),
    secure: str = "",
) -> Iterator[Page]:
    """A page of a fresh browser whose microphone plays the file once, then silence.

    measuring: lets `RECORDER` and `LOUDNESS` look into the page with code of their own, which its policy forbids.
    inside: a command by which the browser is started. secure: an origin of plain http that may use the microphone all the same.
    """
    arguments = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        "--allow-loopback-in-peer-connection",
        "--disable-features=WebRtcHideLocalIpsWithMdns",
        "--autoplay-policy=no-user-gesture-required",
    ]
    if microphone is not None:
        arguments.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
    if secure:
        arguments.append(f"--unsafely-treat-insecure-origin-as-secure={secure}")
    with started_inside(inside) as path, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            context = browser.new_context(
                viewport={"width": width, "height": height}, permissions=["microphone"], bypass_csp=measuring
            )
            if measuring:
                context.add_init_script(CONNECTIONS)
            yield context.new_page()
        finally:
            browser.close()


def at_the_loudspeaker(loudness: dict[str, Any]) -> NDArray[np.float64]:
    """(n, 2): when each 10 ms of the avatar's sound have come out, in milliseconds, and how loud; what `LOUDNESS` noted."""
    avatar, volumes = np.array(loudness["avatar"]), np.array(loudness["volumes"])
    played = volumes[np.searchsorted(volumes[:, 0], avatar[:, 0], "right") - 1, 1]
    return np.column_stack([avatar[:, 0] + PIECE_MS + loudness["wayMs"], avatar[:, 1] * played])


@dataclass(frozen=True)
class Recording:
    """What the visitor's browser showed and played: pictures with their times, and the sound on the same clock.

    start_ms: the page's `performance.now()` at the beginning of that clock.
    """

    pictures: list[NDArray[np.uint8]]
    picture_times_s: NDArray[np.float64]
    samples: NDArray[np.float32]
    start_ms: float

    def sound_at(self, start_s: float, end_s: float) -> NDArray[np.float32]:
        return self.samples[int(start_s * ANALYSIS_RATE_HZ) : int(end_s * ANALYSIS_RATE_HZ)]


def read_recording(told: dict[str, Any]) -> Recording:
    """What `stopRecording` in the page answered, on a clock that starts with the later of sound and picture."""
    times = np.array([shown["ms"] for shown in told["pictures"]]) / 1000
    samples = np.frombuffer(base64.b64decode(told["sound"]), "<f4")
    start_s = max(times[0], told["soundStartMs"] / 1000)
    seen = times >= start_s
    encoded = [shown["jpeg"] for shown, kept in zip(told["pictures"], seen, strict=True) if kept]
    pictures = [cv2.imdecode(np.frombuffer(base64.b64decode(jpeg), np.uint8), cv2.IMREAD_COLOR) for jpeg in encoded]
    first_sample = round((start_s - told["soundStartMs"] / 1000) * ANALYSIS_RATE_HZ)
    return Recording(pictures, times[seen] - start_s, samples[first_sample:], start_s * 1000)
