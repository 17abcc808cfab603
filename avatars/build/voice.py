"""The sound of a clip as a sample of the person's voice, cut to clear speech: opened only where they asked for it."""

import io
import wave
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from avatars.build.clip import HEAD_BYTES, SECONDS_MAX, clip_format
from avatars.build.refusal import BuildRefused

RATE_HZ: Final = 24_000
SECONDS_KEPT: Final = 30.0
SPEECH_MIN_S: Final = 3.0
CODECS: Final = frozenset(
    {"aac", "opus", "vorbis", "mp3", "flac", "alac", "ac3", "pcm_s16le", "pcm_s16be", "pcm_s24le"}
)
FRAME: Final = RATE_HZ // 50
# Speech stands out from what is heard in its pauses by so much, and is not fainter than this.
ABOVE_PAUSES_DB: Final = 12.0
FAINTEST_DB: Final = -50.0
# Pauses inside sentences belong to them.
PAUSE_FRAMES: Final = 20
MARGIN_FRAMES: Final = 8

Array = NDArray[np.float32]


def voice_sample(path: Path) -> tuple[bytes, float]:
    """The clearest speech of a clip, 30 seconds at most: a WAV file (24 kHz, mono, 16 bits) and its seconds.

    Raises `BuildRefused`, in words.
    """
    samples = _decoded(path)
    first, last = clearest(samples)
    kept = samples[first * FRAME : last * FRAME]
    loudest = float(np.abs(kept).max()) or 1.0
    whole = np.clip(kept / max(loudest, 1.0) * 32767, -32768, 32767).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes(whole.tobytes())
    return file.getvalue(), len(whole) / RATE_HZ


def clearest(samples: Array) -> tuple[int, int]:
    """Where the clearest speech begins and ends, in frames of 20 ms. Raises `BuildRefused` where there is too little."""
    count = len(samples) // FRAME
    powers = np.square(samples[: count * FRAME].reshape(count, FRAME)).mean(axis=1) if count else np.zeros(0)
    levels_db = 10 * np.log10(powers + 1e-10)
    if not count or float(levels_db.max()) < FAINTEST_DB:
        raise BuildRefused("no_voice", "There is hardly any sound in this video.")
    pauses_db = float(np.percentile(levels_db, 10))
    loud = (levels_db > max(pauses_db + ABOVE_PAUSES_DB, FAINTEST_DB)).astype(np.uint8)
    breath = np.ones((PAUSE_FRAMES + 1, 1), np.uint8)
    speech = np.asarray(cv2.morphologyEx(loud[:, None], cv2.MORPH_CLOSE, breath)).reshape(-1) > 0
    if speech.sum() * FRAME < SPEECH_MIN_S * RATE_HZ:
        raise BuildRefused(
            "no_voice",
            f"There are less than {SPEECH_MIN_S:.0f} seconds of clear speech in this video: "
            "it is too short, too faint, or too much else is heard.",
        )
    longest = int(SECONDS_KEPT * RATE_HZ / FRAME)
    sums = np.concatenate([[0], np.cumsum(speech)])
    starts = np.arange(max(1, count - longest + 1))
    best = int((sums[np.minimum(starts + longest, count)] - sums[starts]).argmax())
    inside = np.flatnonzero(speech[best : best + longest]) + best
    return max(best, int(inside[0]) - MARGIN_FRAMES), min(count, best + longest, int(inside[-1]) + 1 + MARGIN_FRAMES)


def _decoded(path: Path) -> Array:
    with path.open("rb") as file:
        form = clip_format(file.read(HEAD_BYTES))
    if form is None:
        raise BuildRefused("not_a_video", "This file is not an MP4, MOV or WebM video. Choose another file.")
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
    parts: list[Array] = []
    length = 0
    try:
        with av.open(str(path), format=form, timeout=20) as container:
            if not container.streams.audio:
                raise BuildRefused("no_voice", "There is no sound in this video.")
            stream = container.streams.audio[0]
            name = stream.codec_context.name
            if name not in CODECS:
                raise BuildRefused("no_voice", f"Sound in {name} cannot be read. Save the video with AAC.")
            stream.codec_context.thread_count = 1
            for frame in container.decode(stream):
                for piece in resampler.resample(frame):
                    values = np.asarray(piece.to_ndarray(), np.float32).reshape(-1)
                    length += len(values)
                    parts.append(values)
                if length > (SECONDS_MAX + 1) * RATE_HZ:
                    raise BuildRefused("too_long", "The sound of this video is longer than its picture may be.")
    except (FFmpegError, ValueError, OverflowError, MemoryError) as error:
        raise BuildRefused("damaged", "The sound of this video is damaged.") from error
    if not parts:
        raise BuildRefused("no_voice", "There is no sound in this video.")
    return np.clip(np.nan_to_num(np.concatenate(parts)), -1, 1).astype(np.float32)
