"""A talking video: a performance written down as MP4."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from avatars.engine.controls import FRAME_RATE_HZ
from avatars.engine.face import Rig
from avatars.engine.face.projector import AHEAD, WAIT_FRAMES
from avatars.engine.gestures import Gesture, find_gesture
from avatars.engine.mouth_network import painting_renderer
from avatars.engine.performer import Activity, Line, Mood, Performer, Take
from avatars.engine.portrait import Portrait
from avatars.engine.recorded import RecordedGesture
from avatars.engine.speech import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, Speech
from avatars.provenance import COMMENT, mark_film

BEFORE_FRAMES: Final = 6
AFTER_FRAMES: Final = 15
QUALITY: Final = "20"
PRESET: Final = "veryfast"
# With these the preset takes a quarter less time, at the same size and likeness: a talking head moves little, so finer
# searches find nothing more.
ENCODER: Final = "subme=1:me=dia:weightp=0:b-adapt=0"
# Some players know no sound below 44 kHz in MP4.
SOUND_RATE_HZ: Final = 48_000
SOUND_BITS_PER_S: Final = 96_000
# At this rate a voice needs no search for what bits are spent on.
SOUND_CODER: Final = {"aac_coder": "fast"}
SEED: Final = 7


class FilmFailed(Exception):
    """The film could not be written; the text is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Cue:
    """A gesture, by its name or word, so many seconds after the first word."""

    gesture: str
    at_s: float = 0.0

    @property
    def at_frame(self) -> int:
        return BEFORE_FRAMES + round(self.at_s * FRAME_RATE_HZ)


@dataclass(frozen=True, slots=True)
class Filmed:
    """A film that was written. Times of drawing and encoding are milliseconds of CPU for each frame."""

    frames: int
    draw_ms_per_frame: float
    encode_ms_per_frame: float

    @property
    def duration_s(self) -> float:
        return self.frames / FRAME_RATE_HZ


def film(
    portrait: Portrait,
    speech: Speech | None,
    out: Path,
    progress: Callable[[float], None],
    *,
    mood: Mood = Mood.NEUTRAL,
    cues: Sequence[Cue] = (),
) -> Filmed:
    """Film a portrait saying `speech`, or silent, into the MP4 file `out`; `progress` hears the share done, 0..1.

    H.264 and AAC. The file appears when it is whole, or not at all. Raises `FilmFailed`, and `UnknownGesture`.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
    except OSError as error:
        raise FilmFailed(f"The film cannot be written to {out.parent}: {error.strerror}.") from error
    os.close(handle)
    temporary = Path(name)
    try:
        filmed = _filmed(portrait, speech, temporary, progress, mood, cues)
        temporary.chmod(0o644)
        temporary.replace(out)
    except (OSError, FFmpegError) as error:
        raise FilmFailed(f"The film {out.name} could not be written: {error.strerror}.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return filmed


def _filmed(
    portrait: Portrait,
    speech: Speech | None,
    out: Path,
    progress: Callable[[float], None],
    mood: Mood,
    cues: Sequence[Cue],
) -> Filmed:
    performer = Performer(painting_renderer(Rig.from_portrait(portrait)), SEED)
    performer.set_mood(mood)
    line = Line.prepare(speech, SEED) if speech is not None else None
    if line is not None:
        performer.set_activity(Activity.SPEAKING)
    ends = [cue.at_frame + _frames_of(find_gesture(cue.gesture, portrait.recorded)) for cue in cues]
    frames = max([BEFORE_FRAMES + (line.frames if line else 0), *ends]) + AFTER_FRAMES
    drawing_s = encoding_s = 0.0
    with open_reel(out, portrait.width, portrait.height) as reel:
        for index in range(frames):
            if index == BEFORE_FRAMES and line is not None:
                performer.say(1, line)
            for cue in cues:
                if cue.at_frame == index:
                    performer.play_gesture(cue.gesture)
            begun = time.process_time()
            take = performer.next()
            drawn = time.process_time()
            reel.add(take)
            drawing_s += drawn - begun
            encoding_s += time.process_time() - drawn
            progress((index + 1) / frames)
    return Filmed(frames, 1000 * drawing_s / frames, 1000 * encoding_s / frames)


def _frames_of(gesture: Gesture | RecordedGesture) -> int:
    """How long a gesture takes at most, from its cue on."""
    waits = AHEAD + 1 + WAIT_FRAMES if isinstance(gesture, RecordedGesture) else 0
    return waits + gesture.frames


@contextmanager
def open_reel(out: Path, width: int, height: int) -> Iterator["Reel"]:
    """A film to add takes to, whole and marked as synthetic when the context ends. Raises `OSError` or `FFmpegError`."""
    with av.open(str(out), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        container.metadata["comment"] = COMMENT
        reel = Reel(container, width, height)
        yield reel
        reel.end()
    mark_film(out)


class Reel:
    """The two streams of a film; both take their times from the count of takes."""

    def __init__(self, container: OutputContainer, width: int, height: int) -> None:
        self._container = container
        options = {"crf": QUALITY, "preset": PRESET, "x264-params": ENCODER}
        pictures = container.add_stream("libx264", rate=FRAME_RATE_HZ, options=options)
        assert isinstance(pictures, VideoStream)
        pictures.width, pictures.height, pictures.pix_fmt = width, height, "yuv420p"
        pictures.codec_context.thread_count = 1
        sound = container.add_stream("aac", rate=SOUND_RATE_HZ, layout="mono", options=SOUND_CODER)
        assert isinstance(sound, AudioStream)
        sound.bit_rate = SOUND_BITS_PER_S
        self._pictures, self._sound, self._takes = pictures, sound, 0

    def add(self, take: Take) -> None:
        """Append one take."""
        picture = av.VideoFrame.from_ndarray(take.picture, format="yuv420p")
        picture.pts, picture.time_base = self._takes, Fraction(1, FRAME_RATE_HZ)
        sound = av.AudioFrame.from_ndarray(take.samples[None], format="fltp", layout="mono")
        sound.sample_rate = SAMPLE_RATE_HZ
        sound.pts, sound.time_base = self._takes * SAMPLES_PER_FRAME, Fraction(1, SAMPLE_RATE_HZ)
        self._container.mux(self._pictures.encode(picture))
        self._container.mux(self._sound.encode(sound))
        self._takes += 1

    def end(self) -> None:
        """Write what the encoders still hold."""
        self._container.mux(self._pictures.encode())
        self._container.mux(self._sound.encode())
