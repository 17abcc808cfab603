"""The controls of every measurement: recordings that are wrong on purpose. A measure that praises one proves nothing."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Final

import numpy as np

from avatars.engine.controls import FRAME_MS, FRAME_RATE_HZ
from avatars.engine.speech import SAMPLES_PER_FRAME, Phone
from avatars.quality.measure import ALWAYS, Measures, measure
from avatars.quality.recording import Recording

DELAY_FRAMES: Final = 5
DELAY_MS: Final = DELAY_FRAMES * FRAME_MS
# By how much of its length the sound is moved round, each time; none near the whole or the half of it, where a text of
# two similar sentences would meet itself.
SHIFTS: Final = (0.23, 0.37, 0.61, 0.79)


def shuffled(recording: Recording) -> Measures:
    """The measures of the same pictures with another part of the sound, on average over a few parts."""
    return _mean([measure(_with_sound_moved(recording, share)) for share in SHIFTS])


def delayed(recording: Recording) -> Measures:
    """The measures of the same recording with its pictures 200 ms late: the offset has to be found."""
    return measure(
        replace(
            recording,
            detected=np.roll(recording.detected, DELAY_FRAMES),
            mesh=np.roll(recording.mesh, DELAY_FRAMES, axis=0),
        )
    )


def still(recording: Recording) -> Measures:
    """The measures of one picture shown all the time: the floor of every measure."""
    frames = len(recording.detected)
    seen = np.flatnonzero(np.isfinite(recording.detected))
    first = int(seen[0]) if len(seen) else 0
    return measure(
        replace(
            recording,
            detected=np.repeat(recording.detected[first : first + 1], frames),
            mesh=np.repeat(recording.mesh[first : first + 1], len(recording.mesh), axis=0),
            texture=np.repeat(recording.texture[first : first + 1], len(recording.texture)),
            changes=np.zeros_like(recording.changes),
            likeness=np.ones_like(recording.likeness),
        )
    )


def _with_sound_moved(recording: Recording, share: float) -> Recording:
    frames = len(recording.detected)
    by = round(share * frames)
    by_s, whole_s = by / FRAME_RATE_HZ, frames / FRAME_RATE_HZ
    phones = None
    if recording.phones is not None:
        moved = ((phone, (phone.start_s + by_s) % whole_s) for phone in recording.phones)
        phones = tuple(
            Phone(phone.symbol, start_s, start_s + phone.end_s - phone.start_s, phone.stress)
            for phone, start_s in moved
        )
    commanded = np.roll(recording.commanded, by)
    samples = np.roll(recording.samples, by * SAMPLES_PER_FRAME)
    return replace(recording, samples=samples, phones=phones, commanded=commanded)


def _mean(each: Sequence[Measures]) -> Measures:
    """The mean of each measure; None where any has none, with its reason."""
    mean = replace(each[0])
    for name in (one.name for one in fields(Measures) if one.name not in ALWAYS):
        values = [getattr(one, name) for one in each]
        if any(value is None for value in values):
            reason = next(one.reasons[name] for one in each if name in one.reasons)
            setattr(mean, name, None)
            mean.reasons = {**mean.reasons, name: reason}
        else:
            setattr(mean, name, round(float(np.mean(values)), 4))
    mean.group_table = np.sum([one.group_table for one in each], axis=0).tolist() if each[0].group_table else []
    return mean
