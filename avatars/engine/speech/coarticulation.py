"""Phones with times to a mouth that moves as one: dominance blending, then the laws that blending may not break.

The blending is that of Cohen and Massaro (1993): every phone pulls at every control, the harder the nearer. After it
and after smoothing come the laws: p, b and m close the lips for at least one whole frame however short they are, f and
v tuck the lower lip, and in silence the mouth is still.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from avatars.engine.controls import FRAME_MS, MOUTH_COUNT, RANGES, Control
from avatars.engine.speech.phones import BILABIALS, LABIODENTALS, SILENCE, TARGETS, VOWELS
from avatars.engine.speech.spoken import Phone

Array = NDArray[np.float32]
Seconds = NDArray[np.float64]

# The mouth leads the sound: speakers do, and an early picture is noticed less than a late one.
LEAD_S: Final = 0.040
# Half a minute of speech opens the lips like a real speaker: by 0.11 to 0.13 IOD at the 95th percentile, pauses included.
GAIN: Final = 0.84
STRESS_GAIN: Final = 1.12
CORE: Final = 0.7
STEEPNESS: Final = 1.3
SMOOTHING: Final = (0.14, 0.72, 0.14)
SPEAKING_RELAX: Final = 0.85
TUCKED_JAW: Final = 0.10
PRESSED: Final = 0.6
STILL_SILENCE_S: Final = 0.20
SETTLE_S: Final = 0.10
# No phone is felt further away; a long speech is worked out in blocks.
FELT_S: Final = 1.0
BLOCK_FRAMES: Final = 100

# Control: seconds it is felt before a phone and after it.
REACH_S: Final[dict[Control, tuple[float, float]]] = {
    Control.JAW: (0.060, 0.066),
    Control.UPPER_LIP: (0.045, 0.052),
    Control.LOWER_LIP: (0.045, 0.052),
    Control.WIDE: (0.090, 0.075),
    Control.ROUND: (0.090, 0.075),
    Control.TONGUE: (0.036, 0.040),
}
SMOOTHED: Final = (Control.JAW, Control.UPPER_LIP, Control.LOWER_LIP, Control.WIDE, Control.ROUND)


def frame_count(duration_s: float) -> int:
    """Frames that a piece of sound fills; the last may be part silence."""
    return int(np.ceil(duration_s * 1000 / FRAME_MS - 1e-6))


def mouth_from_phones(phones: Sequence[Phone], duration_s: float) -> Array:
    """The mouth (frames, MOUTH_COUNT) at 25 Hz for phones in time order over `duration_s` of sound."""
    frames = frame_count(duration_s)
    track = np.zeros((frames, MOUTH_COUNT), np.float32)
    if frames == 0:
        return track
    track[:, Control.RELAX] = SPEAKING_RELAX
    if not phones:
        return track
    times = (np.arange(frames) + 0.5) * FRAME_MS / 1000 + LEAD_S
    for first in range(0, frames, BLOCK_FRAMES):
        block = slice(first, first + BLOCK_FRAMES)
        from_s, until_s = times[block][0] - FELT_S, times[block][-1] + FELT_S
        near = [phone for phone in phones if phone.end_s > from_s and phone.start_s < until_s]
        if near:
            _blend(track[block], near, times[block])
    for control in SMOOTHED:
        padded = np.pad(track[:, control], 1, mode="edge")
        track[:, control] = np.convolve(padded, SMOOTHING, "valid")
    _still_in_silence(track, phones, times)
    _close_lips(track, phones, times)
    _tuck_lip(track, phones, times)
    low = np.array([RANGES[Control(index)].low for index in range(MOUTH_COUNT)])
    high = np.array([RANGES[Control(index)].high for index in range(MOUTH_COUNT)])
    return np.clip(track, low, high).astype(np.float32)


def _blend(track: Array, phones: Sequence[Phone], times: Seconds) -> None:
    """Blend the targets of all phones into each frame of the track."""
    starts = np.array([phone.start_s for phone in phones])
    ends = np.array([phone.end_s for phone in phones])
    durations = ends - starts
    targets = [TARGETS[phone.symbol] for phone in phones]
    size = np.array(
        [
            (min(1.0, 0.75 + duration / 0.160) if phone.symbol in VOWELS else 1.0)
            * (STRESS_GAIN if phone.stress == 2 and phone.symbol in VOWELS else 1.0)
            for phone, duration in zip(phones, durations, strict=True)
        ]
    )
    centres, cores = (starts + ends) / 2, CORE * durations / 2
    before = np.maximum(0, (centres - cores)[:, None] - times[None])
    after = np.maximum(0, times[None] - (centres + cores)[:, None])
    amount = {
        Control.JAW: (np.array([t.jaw for t in targets]) * size * GAIN, np.array([t.jaw_weight for t in targets])),
        Control.UPPER_LIP: (np.array([t.upper_lip for t in targets]) * GAIN, np.array([t.lip_weight for t in targets])),
        Control.LOWER_LIP: (np.array([t.lower_lip for t in targets]) * GAIN, np.array([t.lip_weight for t in targets])),
        Control.WIDE: (np.array([t.wide for t in targets]), np.array([t.round_weight for t in targets])),
        Control.ROUND: (np.array([t.round for t in targets]), np.array([t.round_weight for t in targets])),
        Control.TONGUE: (np.array([t.tongue for t in targets]), np.ones(len(targets))),
    }
    for control, (attack_s, release_s) in REACH_S.items():
        target, weight = amount[control]
        pull = weight[:, None] * np.exp(-((before / attack_s) ** STEEPNESS) - (after / release_s) ** STEEPNESS)
        total = pull.sum(axis=0)
        track[:, control] = np.where(total > 1e-9, (pull * target[:, None]).sum(axis=0) / np.maximum(total, 1e-9), 0)


def _still_in_silence(track: Array, phones: Sequence[Phone], times: Seconds) -> None:
    """In a silence, and before the first phone and after the last, the mouth settles and then does not move at all."""
    sounded = [phone for phone in phones if phone.symbol != SILENCE]
    if not sounded:
        track[:, : Control.RELAX] = 0
        return
    silences = [(phone.start_s, phone.end_s) for phone in phones if phone.symbol == SILENCE]
    silences += [(-np.inf, sounded[0].start_s), (sounded[-1].end_s, np.inf)]
    for start_s, end_s in silences:
        if end_s - start_s < STILL_SILENCE_S:
            continue
        inside = np.minimum(times - start_s, end_s - times)
        gate = np.clip(1 - inside / SETTLE_S, 0, 1)
        within = inside > 0
        track[within, : Control.RELAX] *= gate[within, None].astype(np.float32)


def _ramps_s(phones: Sequence[Phone], index: int) -> tuple[float, float]:
    """How long lips take to a phone's place and from it: the shorter its neighbours, the faster, so that they are seen."""
    neighbours = [
        phones[at].end_s - phones[at].start_s if 0 <= at < len(phones) else 0.1 for at in (index - 1, index + 1)
    ]
    before, after = np.clip(0.42 * np.array(neighbours), 0.034, 0.055)
    return float(before), float(after)


def _close_lips(track: Array, phones: Sequence[Phone], times: Seconds) -> None:
    seal = np.zeros(len(times))
    for index, phone in enumerate(phones):
        if phone.symbol not in BILABIALS:
            continue
        centre = (phone.start_s + phone.end_s) / 2
        half = max(0.32 * (phone.end_s - phone.start_s), 0.020)
        ramps = _ramps_s(phones, index)
        offset = times - centre
        ramp = np.where(offset < 0, ramps[0], ramps[1])
        seal = np.maximum(seal, np.clip(1 - (np.abs(offset) - half) / ramp, 0, 1))
        seal[int(np.argmin(np.abs(offset)))] = 1.0
    track[:, Control.SEAL] = seal
    track[:, Control.PRESS] = np.maximum(track[:, Control.PRESS], PRESSED * np.clip((seal - 0.5) * 2, 0, 1))


def _tuck_lip(track: Array, phones: Sequence[Phone], times: Seconds) -> None:
    tuck = np.zeros(len(times))
    for index, phone in enumerate(phones):
        if phone.symbol not in LABIODENTALS:
            continue
        height = 1.0 if phone.symbol == "F" else 0.9
        before_s, after_s = _ramps_s(phones, index)
        outside = np.maximum(np.maximum((phone.start_s - times) / before_s, (times - phone.end_s) / after_s), 0)
        tuck = np.maximum(tuck, height * np.clip(1 - outside, 0, 1))
        nearest = int(np.argmin(np.abs(times - (phone.start_s + phone.end_s) / 2)))
        tuck[nearest] = max(tuck[nearest], height)
    tuck *= 1 - track[:, Control.SEAL]
    track[:, Control.TUCK] = tuck
    jaw = track[:, Control.JAW]
    track[:, Control.JAW] = jaw + tuck * (np.minimum(jaw, TUCKED_JAW) - jaw)
    for control in (Control.UPPER_LIP, Control.LOWER_LIP):
        track[:, control] *= (1 - tuck).astype(np.float32)
