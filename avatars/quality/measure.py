"""The measures of a face: a recording judged by the formulas of `metrics`, each measure with its control."""

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

import numpy as np

from avatars.engine.controls import FRAME_RATE_HZ
from avatars.engine.speech import SAMPLE_RATE_HZ
from avatars.engine.speech.phones import BILABIALS, OPEN_VOWELS
from avatars.quality import metrics
from avatars.quality.recording import Recording

# Below this, or no better than its control, a correlation names no lag.
LAG_R_MIN: Final = 0.25
LAG_MARGIN_MIN: Final = 0.05
CONTROL_S_MIN: Final = 2.0
DIGITS: Final = 4

NO_FACE: Final = "No face is found in the drawn frames, so what the lips do cannot be seen again."
NO_LOOP: Final = "An avatar made from a picture has no recorded loop: its idle motion is live and never repeats."
NO_PHONES: Final = "Only the sound of this speech is known, not its phones, so nothing tells where this has to happen."
NONE_SPOKEN: Final = "This speech holds none of the sounds that are judged here."
NO_SILENCE: Final = "This speech holds no silence long enough to be judged."
NOT_MOVING: Final = "The lips or what they were told do not move in this speech, so there is nothing to compare."
NO_LAG: Final = "The speech is too short, or the mouth follows it too loosely, to tell by how much they are apart."
NO_CONTROL: Final = "The speech is too short to be compared with another part of itself."
NO_STILLNESS: Final = "The speech is too short to tell how still the face is."


@dataclass(slots=True)
class Measures:
    """How good a face is; None where it cannot be measured, with a sentence in `reasons`.

    opening_r, opening_r_shuffled, opening_rmse_iod: lips commanded against lips found again; the same with the commands
    of another part of the speech; their RMSE.
    opening_p95_iod: how far the lips are seen to open.
    sound_r, sound_r_shuffled: lips found again against the loudness of vowels, and of those of another part.
    closure_rate, false_closure_rate: share of p, b and m, and share of open vowels, with closed lips.
    offset_ms: how late the picture is against what is intended, which is `lead_ms` before the sound.
    silence_parted_share: share of silent frames in which the lips are further apart than in the source picture, where
    they are apart by `source_opening_iod`.
    identity_min, identity_mean: cosine to the face at rest.
    jitter_px: RMS wander of eyes and nose, at 512 pixels, while only the mouth moves.
    loop_seam_ratio: the step where the idle loop begins again, in steps of the loop.
    frames, frames_lost: pictures looked at, and those in which the face was not found.
    """

    opening_r: float | None = None
    opening_r_shuffled: float | None = None
    opening_rmse_iod: float | None = None
    opening_p95_iod: float | None = None
    sound_r: float | None = None
    sound_r_shuffled: float | None = None
    closure_rate: float | None = None
    false_closure_rate: float | None = None
    offset_ms: float | None = None
    lead_ms: float = metrics.LEAD_MS
    silence_parted_share: float | None = None
    source_opening_iod: float | None = None
    identity_min: float | None = None
    identity_mean: float | None = None
    jitter_px: float | None = None
    loop_seam_ratio: float | None = None
    frames: int = 0
    frames_lost: int = 0
    reasons: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The measures as JSON values."""
        return asdict(self)


def measure(recording: Recording) -> Measures:
    """Judge a recording."""
    seen = np.isfinite(recording.detected)
    measures = Measures(frames=len(seen), frames_lost=int((~seen).sum()))
    measures.reasons["loop_seam_ratio"] = NO_LOOP
    if not seen.any():
        unseen = {each.name for each in fields(Measures)} - {
            "loop_seam_ratio",
            "lead_ms",
            "frames",
            "frames_lost",
            "reasons",
        }
        measures.reasons |= dict.fromkeys(sorted(unseen), NO_FACE)
        return measures
    _judge_opening(recording, measures)
    _judge_timing(recording, measures)
    _judge_closures(recording, measures)
    _judge_likeness(recording, measures)
    return measures


def _set(measures: Measures, name: str, value: float, reason: str) -> None:
    """Note a value, or the reason why there is none."""
    if math.isfinite(value):
        setattr(measures, name, round(value, DIGITS))
    else:
        measures.reasons[name] = reason


def _judge_opening(recording: Recording, measures: Measures) -> None:
    commanded, detected = recording.commanded, recording.detected
    r, rmse = metrics.agreement(commanded, detected)
    shuffled = metrics.shuffled_agreement(commanded, detected, FRAME_RATE_HZ)
    _set(measures, "opening_r", r, NOT_MOVING)
    _set(measures, "opening_r_shuffled", shuffled, NOT_MOVING if math.isnan(r) else NO_CONTROL)
    _set(measures, "opening_rmse_iod", rmse, NOT_MOVING)
    _set(measures, "opening_p95_iod", float(np.nanpercentile(detected, 95)), NO_FACE)


def _judge_timing(recording: Recording, measures: Measures) -> None:
    sound = metrics.envelope_db(recording.samples, SAMPLE_RATE_HZ, FRAME_RATE_HZ)
    opening = _without_gaps(recording.detected)
    r, offset_ms = metrics.correlation_at_best_lag(opening, sound, FRAME_RATE_HZ)
    shuffled = metrics.shuffled_correlation(opening, sound, FRAME_RATE_HZ)
    moving = math.isfinite(offset_ms)
    _set(measures, "sound_r", r if moving else math.nan, NOT_MOVING)
    _set(measures, "sound_r_shuffled", shuffled if moving else math.nan, NOT_MOVING)
    told = r >= max(LAG_R_MIN, shuffled + LAG_MARGIN_MIN)
    _set(measures, "offset_ms", round(offset_ms, 1) if told else math.nan, NO_LAG)
    silence = metrics.settled_silence(sound, FRAME_RATE_HZ)
    parted = metrics.parted_share(recording.detected, silence, recording.source_iod)
    _set(measures, "silence_parted_share", parted, NO_SILENCE)
    _set(measures, "source_opening_iod", recording.source_iod, NO_FACE)


def _judge_closures(recording: Recording, measures: Measures) -> None:
    if recording.phones is None:
        measures.reasons |= dict.fromkeys(("closure_rate", "false_closure_rate"), NO_PHONES)
        return
    lips = [(phone.start_s, phone.end_s) for phone in recording.phones if phone.symbol in BILABIALS]
    # An open vowel is open in its middle; its ends belong to its neighbours.
    vowels = [
        ((3 * phone.start_s + phone.end_s) / 4, (phone.start_s + 3 * phone.end_s) / 4)
        for phone in recording.phones
        if phone.symbol in OPEN_VOWELS
    ]
    _set(measures, "closure_rate", metrics.closure_rate(recording.detected, lips, FRAME_RATE_HZ), NONE_SPOKEN)
    false = metrics.false_closure_rate(recording.detected, vowels, FRAME_RATE_HZ)
    _set(measures, "false_closure_rate", false, NONE_SPOKEN)


def _judge_likeness(recording: Recording, measures: Measures) -> None:
    likeness = recording.likeness if len(recording.likeness) else np.array([math.nan])
    _set(measures, "identity_min", float(likeness.min()), NO_FACE)
    _set(measures, "identity_mean", float(likeness.mean()), NO_FACE)
    _set(measures, "jitter_px", metrics.jitter_px(recording.still), NO_STILLNESS)


def _without_gaps(detected: metrics.Array) -> metrics.Array:
    """The track with what was not detected filled in from its neighbours."""
    at = np.arange(len(detected))
    known = np.isfinite(detected)
    return np.asarray(np.interp(at, at[known], detected[known]))
