"""A sound file of a stranger becomes speech."""

from pathlib import Path
from typing import Final

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from avatars.engine.speech import SAMPLE_RATE_HZ, Speech

MINUTES_MAX: Final = 10
_SAMPLES_MAX: Final = MINUTES_MAX * 60 * SAMPLE_RATE_HZ
_MAGIC: Final = (b"RIFF", b"RF64", b"BW64")


class SoundRefused(Exception):
    """The file is no sound that can be spoken with; the text is a sentence for people."""


def read_sound(path: Path) -> Speech:
    """The speech of a WAV file: any rate, depth and number of channels; only its sound is known, no phones.

    Raises `SoundRefused`.
    """
    _check(path)
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
    parts: list[NDArray[np.float32]] = []
    length = 0.0
    try:
        with av.open(str(path), format="wav") as container:
            if not container.streams.audio:
                raise SoundRefused(f"There is no sound in the file {path.name}.")
            for frame in container.decode(audio=0):
                parts += [_values(piece) for piece in resampler.resample(frame)]
                length += frame.samples * SAMPLE_RATE_HZ / max(1, frame.sample_rate)
                if length > _SAMPLES_MAX:
                    raise SoundRefused(f"The sound is longer than {MINUTES_MAX} minutes. Cut it into shorter pieces.")
            parts += [_values(piece) for piece in resampler.resample(None)]
    except (FFmpegError, ValueError) as error:
        raise SoundRefused(f"The WAV file {path.name} is damaged. Save it again.") from error
    if not sum(map(len, parts)):
        raise SoundRefused(f"The WAV file {path.name} is empty.")
    samples = np.nan_to_num(np.concatenate(parts), nan=0.0, posinf=1.0, neginf=-1.0)
    return Speech(np.clip(samples, -1, 1))


def _values(piece: av.AudioFrame) -> NDArray[np.float32]:
    return np.asarray(piece.to_ndarray(), np.float32).reshape(-1)


def _check(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except FileNotFoundError as error:
        raise SoundRefused(f"There is no file {path}. Check the path.") from error
    except OSError as error:
        raise SoundRefused(f"The file {path} cannot be read: {error.strerror}.") from error
    if head[:4] not in _MAGIC or head[8:12] != b"WAVE":
        raise SoundRefused(f"The file {path.name} is not a WAV file. Save the sound as WAV and try again.")
