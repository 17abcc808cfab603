"""Is it the user, or the avatar's own voice come back through the room?

The server knows exactly what it plays; only the delay and the strength of the echo are unknown. Band by band the guard
keeps an upper bound of that strength, and asks how much of the microphone's power the echo cannot explain.
"""

from collections import deque
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from avatars.engine.speech.spoken import SAMPLE_RATE_HZ
from realtime.agent.protocols import HEARING_RATE_HZ, Samples
from realtime.agent.vad import FRAME_MS, FRAME_SAMPLES

BANDS: Final = 16
LOWEST_HZ: Final = 150.0
HIGHEST_HZ: Final = 6500.0
REFERENCE_SAMPLES: Final = SAMPLE_RATE_HZ * FRAME_MS // 1000
# Any delay up to half a second: network, jitter buffer, loudspeaker, room.
ECHO_FRAMES: Final = 16
FRESH_FRAMES: Final = 6
FADE_DB: Final = -0.6
FIRST_COUPLING_DB: Final = -6.0
RISE_DB: Final = 0.2
FALL_DB: Final = -0.04
MARGIN: Final = 4.0
AUDIBLE: Final = 10 ** (-75 / 10)
NOISE_RISE: Final = 1.01
USER_SHARE: Final = 0.3

_AGES: Final = np.arange(ECHO_FRAMES)
_FADE: Final = 10 ** (FADE_DB * np.maximum(0, _AGES - FRESH_FRAMES) / 10)

Powers = NDArray[np.float64]


class BandMeter:
    """Power in `BANDS` logarithmic bands of a frame of sound, 1.0 being a full-scale square wave's."""

    def __init__(self, rate_hz: int, samples: int) -> None:
        self._window = np.hanning(samples)
        self._scale = 2.0 / (samples * float(np.square(self._window).sum()))
        edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, BANDS + 1)
        self._starts = np.round(edges * samples / rate_hz).astype(int)

    def powers(self, frame: Samples) -> Powers:
        """(BANDS,) of a frame of the length the meter was made for."""
        spectrum = np.square(np.abs(np.fft.rfft(frame * self._window))) * self._scale
        starts = self._starts
        return np.add.reduceat(spectrum[: starts[-1]], starts[:-1])


class _Played:
    """What the avatar said in one frame. Its bands are looked at only when something was heard."""

    def __init__(self, samples: Samples | None, meter: BandMeter) -> None:
        self._samples, self._meter = samples, meter

    @cached_property
    def powers(self) -> Powers:
        return np.zeros(BANDS) if self._samples is None else self._meter.powers(self._samples)


class EchoGuard:
    """Hears one microphone beside one avatar. 0.1 ms a frame."""

    def __init__(self) -> None:
        self._microphone = BandMeter(HEARING_RATE_HZ, FRAME_SAMPLES)
        self._reference = BandMeter(SAMPLE_RATE_HZ, REFERENCE_SAMPLES)
        self._played = deque([_Played(None, self._reference)] * ECHO_FRAMES, ECHO_FRAMES)
        self._coupling_db = np.full(BANDS, FIRST_COUPLING_DB)
        self._noise = np.full(BANDS, 1e-7)

    @property
    def listening(self) -> bool:
        """Whether anything was played lately that could come back."""
        return any(float(played.powers.sum()) > AUDIBLE for played in self._played)

    def pass_over(self, played: Samples | None) -> None:
        """A frame in which the microphone gave nothing at all; played: as of `user_share`."""
        self._played.appendleft(_Played(played, self._reference))

    def user_share(self, frame: Samples, played: Samples | None) -> float:
        """How much of a frame's power is not the avatar's, 0..1.

        frame: (512,) of the microphone. played: (768,) that the avatar said in the same time, None for silence.
        """
        self.pass_over(played)
        heard = self._microphone.powers(frame)
        self._noise = np.clip(np.minimum(self._noise * NOISE_RISE, heard), 1e-9, None)
        echo = (np.stack([played.powers for played in self._played]) * _FADE[:, None]).max(axis=0)
        active = echo > AUDIBLE
        if not active.any():
            return 1.0
        ratio_db = 10 * np.log10((heard + 1e-12) / (echo + 1e-12))
        # Rises five times as fast as it falls: it comes to rest near the 83rd percentile, an upper bound.
        step_db = np.where(ratio_db > self._coupling_db, RISE_DB, FALL_DB)
        explained = MARGIN * (10 ** (self._coupling_db / 10) * echo + self._noise)
        self._coupling_db = np.where(active, self._coupling_db + step_db, self._coupling_db)
        total = float(heard[active].sum())
        near = float(np.maximum(0.0, heard - explained)[active].sum())
        return near / total if total > 0 else 0.0


class PlayedSound:
    """What the avatar says, kept for every microphone that may hear it."""

    def __init__(self) -> None:
        self.turn: int | None = None
        self._sound: list[Samples] = []
        self.joined = np.zeros(0, np.float32)

    def add(self, turn: int, samples: Samples) -> None:
        """More of a turn's speech was queued."""
        if turn != self.turn:
            self.turn, self._sound = turn, []
        self._sound.append(samples)
        self.joined = np.concatenate(self._sound)


class Reference:
    """What the avatar says, looked up frame by frame in step with one microphone."""

    def __init__(self, played: PlayedSound) -> None:
        self._played = played
        self._turn: int | None = None
        self._at = 0

    def frame(self, turn: int | None, heard_ms: float) -> Samples | None:
        """The (768,) samples played in this frame of the microphone, None where nothing is."""
        if turn is None or turn != self._played.turn:
            return None
        if turn != self._turn:
            self._turn, self._at = turn, 0
        told = int(heard_ms * SAMPLE_RATE_HZ / 1000)
        # The position is told in whole frames of video; between them count on.
        if abs(told - self._at) > SAMPLE_RATE_HZ // 10:
            self._at = told
        piece = self._played.joined[self._at : self._at + REFERENCE_SAMPLES]
        self._at += REFERENCE_SAMPLES
        return np.pad(piece, (0, REFERENCE_SAMPLES - len(piece))) if len(piece) else None
