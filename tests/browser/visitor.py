"""A visitor: real Chromium with a microphone that plays a WAV file, and what it recorded of the avatar."""

import shutil
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page, sync_playwright

MICROPHONE_RATE_HZ = 48_000
ANALYSIS_RATE_HZ = 16_000

RECORDER = """
() => {
  const video = document.getElementById('avatar-video');
  const chunks = [];
  const recorder = new MediaRecorder(video.srcObject, {mimeType: 'video/webm;codecs=vp8,opus', videoBitsPerSecond: 3000000});
  recorder.ondataavailable = (event) => chunks.push(event.data);
  recorder.start(500);
  window.stopRecording = () => new Promise((resolve) => {
    recorder.onstop = async () => {
      const bytes = new Uint8Array(await new Blob(chunks).arrayBuffer());
      let text = '';
      for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
      resolve(btoa(text));
    };
    recorder.stop();
  });
}
"""

LEVELS = """
() => {
  const video = document.getElementById('avatar-video');
  const context = new AudioContext();
  const taps = {};
  const tap = (name, stream) => {
    const analyser = context.createAnalyser();
    analyser.fftSize = 512;
    context.createMediaStreamSource(stream).connect(analyser);
    taps[name] = analyser;
  };
  tap('avatar', new MediaStream(video.srcObject.getAudioTracks()));
  window.levels = [];
  navigator.mediaDevices.getUserMedia({audio: {echoCancellation: false}}).then((stream) => tap('visitor', stream));
  const samples = new Float32Array(512);
  setInterval(() => {
    const row = {ms: performance.now()};
    for (const [name, analyser] of Object.entries(taps)) {
      analyser.getFloatTimeDomainData(samples);
      row[name] = Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
    }
    window.levels.push(row);
  }, 10);
}
"""


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
def visitor(microphone: Path | None, *, width: int = 1100, height: int = 900) -> Iterator[Page]:
    """A page of a fresh browser whose microphone plays the file once, then silence."""
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
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=arguments)
        try:
            context = browser.new_context(viewport={"width": width, "height": height}, permissions=["microphone"])
            yield context.new_page()
        finally:
            browser.close()


@dataclass(frozen=True)
class Recording:
    """What the visitor's browser received: pictures with their times, and the sound on the same clock."""

    pictures: list[NDArray[np.uint8]]
    picture_times_s: NDArray[np.float64]
    samples: NDArray[np.float32]

    def sound_at(self, start_s: float, end_s: float) -> NDArray[np.float32]:
        return self.samples[int(start_s * ANALYSIS_RATE_HZ) : int(end_s * ANALYSIS_RATE_HZ)]


def read_recording(path: Path) -> Recording:
    pictures: list[NDArray[np.uint8]] = []
    times: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            pictures.append(frame.to_ndarray(format="bgr24"))
            times.append(float(frame.pts * Fraction(frame.time_base or 1)))
    resampler = av.AudioResampler(format="flt", layout="mono", rate=ANALYSIS_RATE_HZ)
    samples = np.zeros(0, np.float32)
    with av.open(str(path)) as container:
        for sound in container.decode(audio=0):
            start = int(float(sound.pts * Fraction(sound.time_base or 1)) * ANALYSIS_RATE_HZ)
            for piece in resampler.resample(sound):
                values = piece.to_ndarray().reshape(-1)
                end = start + len(values)
                if end > len(samples):
                    samples = np.pad(samples, (0, end - len(samples)))
                samples[start:end] = values
                start = end
    return Recording(pictures, np.array(times), samples)
