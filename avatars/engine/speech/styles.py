"""Further voices made of the one that comes with Parlo, by changing the sound inside the vocoder.

The network describes sound as a source and filters, frame by frame. Pitch and the size of the throat can be changed
there without artefacts, if one respects that the harmonic filter means something only at the harmonics of the pitch it
was made for. It stays one speaker's accent and rhythm: these are styles of a voice, not other people.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

BIN_HZ: Final = 20.0
HOP_OVER_FFT: Final = 300 / 1200
VOICED_HZ: Final = 40.0
LOWEST_HZ: Final = 55.0
FREE_PHASE_LOSS: Final = 30 / 20 * np.log(10)


@dataclass(frozen=True, slots=True)
class Style:
    """pitch: factor on the fundamental; formants: factor on the resonances; pace: of speaking; melody: of the pitch's
    movement; tilt_db: per octave above 1 kHz."""

    label: str
    pitch: float = 1.0
    formants: float = 1.0
    pace: float = 1.0
    melody: float = 1.0
    tilt_db: float = 0.0

    @property
    def is_plain(self) -> bool:
        return self.pitch == self.formants == self.melody == 1.0 and self.tilt_db == 0.0


STYLES: Final[dict[str, Style]] = {
    "heart": Style("Woman, warm"),
    "alto": Style("Woman, low", pitch=0.80, formants=0.93),
    "young": Style("Woman, young", pitch=1.12, formants=1.05, pace=1.05),
    "man": Style("Man", pitch=0.58, formants=0.86, pace=0.97, melody=0.95, tilt_db=0.5),
    "deep_man": Style("Man, deep", pitch=0.47, formants=0.80, pace=0.93, melody=0.9, tilt_db=1.0),
    "child": Style("Child", pitch=1.38, formants=1.16, pace=1.02, melody=1.1),
}


@dataclass(frozen=True, slots=True)
class Spectrum:
    """What the network says of a sentence: (601, frames) each, but f0 (frames,) in Hz.

    Log magnitude and phase of the harmonic filter, log magnitude of the noise, log magnitude and phase of the rest.
    """

    harmonic: Array
    turn: Array
    noise: Array
    free: Array
    phase: Array
    f0: Array


def restyled(spectrum: Spectrum, style: Style) -> Spectrum:
    """The spectrum spoken in another style."""
    if style.is_plain:
        return spectrum
    bins, frames = spectrum.harmonic.shape
    voiced = spectrum.f0 > VOICED_HZ
    f0 = spectrum.f0.copy()
    if voiced.any():
        logs = np.log(f0[voiced])
        middle = float(logs.mean())
        f0[voiced] = np.maximum(np.exp(middle + (logs - middle) * style.melody) * style.pitch, LOWEST_HZ)
    positions = np.arange(bins, dtype=np.float32) / style.formants
    harmonic, turn = np.empty_like(spectrum.harmonic), np.empty_like(spectrum.turn)
    all_bins = np.arange(bins)
    for frame in range(frames):
        column, phase = spectrum.harmonic[:, frame], spectrum.turn[:, frame]
        if voiced[frame]:
            spacing = float(spectrum.f0[frame]) / BIN_HZ
            at = np.arange(spacing, bins - 1, spacing)
            known = np.interp(at, all_bins, column), np.interp(at, all_bins, phase)
            harmonic[:, frame] = np.interp(positions, at, known[0])
            turn[:, frame] = np.interp(positions, at, known[1])
        else:
            harmonic[:, frame] = np.interp(positions, all_bins, column)
            turn[:, frame] = np.interp(positions, all_bins, phase)
    nearest = np.clip(np.rint(positions).astype(int), 0, bins - 1)
    low = np.clip(np.floor(positions).astype(int), 0, bins - 2)
    share = np.clip(positions - low, 0, 1)[:, None]
    noise = spectrum.noise[low] * (1 - share) + spectrum.noise[low + 1] * share
    free = spectrum.free[low] * (1 - share) + spectrum.free[low + 1] * share
    drift = 2 * np.pi * HOP_OVER_FFT * (np.arange(bins) - nearest)[:, None] * np.arange(frames)[None]
    phase = spectrum.phase[nearest] + drift
    # In voiced frames the free part holds a copy of the old pitch below some 3 kHz.
    hertz = np.arange(bins) * BIN_HZ
    loss = FREE_PHASE_LOSS * np.clip((4000 - hertz) / 2000, 0, 1)[:, None]
    free = free - loss * voiced[None]
    change = style.tilt_db * np.log2(np.maximum(hertz, 200) / 1000) * np.log(10) / 20
    beyond = 4.0 * np.clip((all_bins / bins - style.formants) / 0.06, 0, 1) if style.formants < 1 else np.zeros(bins)
    change = (change - beyond)[:, None]
    louder = 0.6 / 20 * np.log(10) + 0.5 * np.log(style.pitch)
    return Spectrum(
        *(
            part.astype(np.float32)
            for part in (harmonic + change + louder * voiced[None], turn, noise + change, free + change, phase, f0)
        )
    )
