"""The measures of a face: a recording judged by the formulas of `metrics`, `lips` and `pixels`, with their controls."""

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

import numpy as np

from avatars.engine.controls import FRAME_RATE_HZ
from avatars.engine.speech import SAMPLE_RATE_HZ
from avatars.engine.speech.phones import BILABIALS, LABIODENTALS, OPEN_VOWELS
from avatars.quality import lips, metrics
from avatars.quality.idle import NOT_GIVEN, Motion
from avatars.quality.recording import Recording

# Below this, or no better than its control, a correlation names no lag.
LAG_R_MIN: Final = 0.25
LAG_MARGIN_MIN: Final = 0.05
DIGITS: Final = 4
TALKING_DB: Final = 30.0

# What a talking man shows: his opening's 95th percentile and between which widths he speaks.
REAL_OPENING_P95_IOD: Final = 0.114
REAL_WIDTH_RANGE_IOD: Final = 0.125
# The same measures of a real person before a webcam, seen by this tracker.
REAL_TEXTURE: Final = 0.064

NO_FACE: Final = "No face is found in the drawn frames, so what the lips do cannot be seen again."
NO_LOOP: Final = "An avatar made from a picture has no recorded loop: its idle motion is live and never repeats."
NO_PHONES: Final = "Only the sound of this speech is known, not its phones, so nothing tells where this has to happen."
NONE_SPOKEN: Final = "This speech holds none of the sounds that are judged here."
NO_SILENCE: Final = "This speech holds no silence long enough to be judged."
NOT_MOVING: Final = "The lips or what they were told do not move in this speech, so there is nothing to compare."
NO_LAG: Final = "The speech is too short, or the mouth follows it too loosely, to tell by how much they are apart."
NO_CONTROL: Final = "The speech is too short to be compared with another part of itself."
NO_STILLNESS: Final = "The speech is too short to tell how still the face is."
NO_COMMANDS: Final = "Nobody told these lips what to do, so there is nothing to compare them with."
NO_SOUND: Final = "There is no sound to compare the lips with."
NO_FILM: Final = "This performance was not written to a film."
NO_REST: Final = "What these lips do at rest is not known."
TOO_SHORT: Final = "The speech is too short for this."
TWO_MINUTES: Final = "A drift takes two minutes of speech to be seen."
NOT_HELD: Final = "The head was not held still, so nothing can be compared with the face at rest."
NO_BACKGROUND: Final = (
    "There is no background that has to stay: the character fills the picture, or it is a film of its own."
)
NO_OPENING: Final = "The mouth is never seen open wide enough to show what is in it."


@dataclass(slots=True)
class Measures:
    """How good a face is; None where it cannot be measured, with a sentence in `reasons`.

    opening_r, opening_r_shuffled, opening_rmse_iod: lips commanded against lips found again; the same with the commands
    of another part of the speech; their RMSE. opening_lag_ms: how much later the lips are than commanded.
    opening_p95_iod: how far the lips are seen to open. opening_ratio, width_ratio: that, and the range of widths,
    against a real speaker's.
    sound_r, sound_r_shuffled: lips found again against the loudness of vowels, and of those of another part.
    voiced_r: the same within what is voiced. intensity_r: do louder stretches move the lips more.
    closure_rate, false_closure_rate: share of p, b and m, and share of open vowels, with closed lips.
    contact_rate: share of f and v in which the lower lip reaches the teeth.
    group_f1: how well four groups of sounds are told by the shape of the mouth. group_table: sounds (rows) by shapes.
    offset_ms: how late the picture is against what is intended, which is `lead_ms` before the sound.
    film_offset_ms: the same, of the pictures and the sound decoded from a film of this performance.
    release_offset_ms: the same, by when the lips part after p and b. drift_ms_per_hour: how it changes.
    silence_parted_share: share of silent frames in which the lips are further apart than in the source picture, where
    they are apart by `source_opening_iod`. silence_speed_iod_s: how fast they move in silence.
    lip_speed_p99_iod_s, fast_share, jerk: how abruptly the lips move, see `lips`.
    identity_min, identity_mean: cosine to the face at rest. upper_ssim: likeness of brows and forehead, head held still.
    jitter_px: RMS wander of eyes and nose, at 512 pixels, while only the mouth moves.
    outside_changed_share, background_changed_share: pixels that ought to be untouched and are not, head held still and
    in motion. flicker_levels, seam_levels, seam_de: of skin and border of the moving region, head held still.
    texture_ratio: detail of the open mouth against a real one's.
    motion_levels, silence_motion_levels: step from picture to picture in the most moved of 8 x 8 cells.
    sound_db: level of the sound. loop_seam_ratio: the step where the idle loop begins again, in steps of the loop.
    idle_motion_ratio, idle_abruptness_ratio: how far the loop moves from picture to picture, and how abruptly, against
    the same seconds of the clip it was made from.
    frames, frames_lost: pictures looked at, and those in which the face was not found.
    """

    opening_r: float | None = None
    opening_r_shuffled: float | None = None
    opening_rmse_iod: float | None = None
    opening_lag_ms: float | None = None
    opening_p95_iod: float | None = None
    opening_ratio: float | None = None
    width_ratio: float | None = None
    sound_r: float | None = None
    sound_r_shuffled: float | None = None
    voiced_r: float | None = None
    intensity_r: float | None = None
    closure_rate: float | None = None
    false_closure_rate: float | None = None
    contact_rate: float | None = None
    group_f1: float | None = None
    offset_ms: float | None = None
    film_offset_ms: float | None = None
    release_offset_ms: float | None = None
    drift_ms_per_hour: float | None = None
    lead_ms: float = metrics.LEAD_MS
    silence_parted_share: float | None = None
    silence_speed_iod_s: float | None = None
    source_opening_iod: float | None = None
    lip_speed_p99_iod_s: float | None = None
    fast_share: float | None = None
    jerk: float | None = None
    identity_min: float | None = None
    identity_mean: float | None = None
    upper_ssim: float | None = None
    jitter_px: float | None = None
    outside_changed_share: float | None = None
    background_changed_share: float | None = None
    flicker_levels: float | None = None
    seam_levels: float | None = None
    seam_de: float | None = None
    texture_ratio: float | None = None
    motion_levels: float | None = None
    silence_motion_levels: float | None = None
    sound_db: float | None = None
    loop_seam_ratio: float | None = None
    idle_motion_ratio: float | None = None
    idle_abruptness_ratio: float | None = None
    frames: int = 0
    frames_lost: int = 0
    group_table: list[list[int]] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The measures as JSON values."""
        return asdict(self)


ALWAYS: Final = frozenset({"lead_ms", "frames", "frames_lost", "group_table", "reasons"})
"""What is no measure, and always there."""
# What can be measured on pictures in which no face is found.
_FACELESS: Final = frozenset(
    {
        *(
            "outside_changed_share",
            "background_changed_share",
            "upper_ssim",
            "flicker_levels",
            "seam_levels",
            "seam_de",
        ),
        *("motion_levels", "silence_motion_levels", "sound_db", "loop_seam_ratio", "film_offset_ms"),
        *("idle_motion_ratio", "idle_abruptness_ratio"),
    }
)


def measure(recording: Recording, film: Recording | None = None, clip: Motion | str = NOT_GIVEN) -> Measures:
    """Judge a recording; `film` is the same performance, watched as it was written to a file.

    clip: the motion of the seconds of a clip that a loop was made from, or a sentence why it is not known.
    """
    seen = np.isfinite(recording.detected)
    measures = Measures(frames=len(seen), frames_lost=int((~seen).sum()))
    _judge_pictures(recording, measures)
    _judge_film(film, measures)
    _judge_idle(recording.idle, clip, measures)
    if not seen.any():
        unseen = {each.name for each in fields(Measures)} - ALWAYS - _FACELESS
        measures.reasons |= dict.fromkeys(sorted(unseen), NO_FACE)
        return measures
    _judge_opening(recording, measures)
    _judge_timing(recording, measures)
    _judge_articulation(recording, measures)
    _judge_movement(recording, measures)
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
    p95 = float(np.nanpercentile(detected, 95))
    _set(measures, "opening_p95_iod", p95, NO_FACE)
    _set(measures, "opening_ratio", p95 / REAL_OPENING_P95_IOD, NO_FACE)
    if not len(commanded):
        told = ("opening_r", "opening_r_shuffled", "opening_rmse_iod", "opening_lag_ms")
        measures.reasons |= dict.fromkeys(told, NO_COMMANDS)
        return
    r, rmse = metrics.agreement(commanded, detected)
    shuffled = metrics.shuffled_agreement(commanded, detected, FRAME_RATE_HZ)
    _set(measures, "opening_r", r, NOT_MOVING)
    _set(measures, "opening_r_shuffled", shuffled, NOT_MOVING if math.isnan(r) else NO_CONTROL)
    _set(measures, "opening_rmse_iod", rmse, NOT_MOVING)
    _, lag_ms = metrics.correlation_at_best_lag(_without_gaps(detected), commanded, FRAME_RATE_HZ, lead_ms=0)
    _set(measures, "opening_lag_ms", round(lag_ms, 1) if r >= LAG_R_MIN else math.nan, NO_LAG)


def _judge_timing(recording: Recording, measures: Measures) -> None:
    if not len(recording.samples):
        told = ("sound_r", "sound_r_shuffled", "voiced_r", "intensity_r", "offset_ms", "drift_ms_per_hour")
        measures.reasons |= dict.fromkeys((*told, "silence_parted_share", "silence_speed_iod_s"), NO_SOUND)
        _set(measures, "source_opening_iod", recording.source_iod, NO_REST)
        return
    sound = metrics.envelope_db(recording.samples, SAMPLE_RATE_HZ, FRAME_RATE_HZ)
    opening = _without_gaps(recording.detected)
    r, offset_ms = metrics.correlation_at_best_lag(opening, sound, FRAME_RATE_HZ)
    shuffled = metrics.shuffled_correlation(opening, sound, FRAME_RATE_HZ)
    moving = math.isfinite(offset_ms)
    _set(measures, "sound_r", r if moving else math.nan, NOT_MOVING)
    _set(measures, "sound_r_shuffled", shuffled if moving else math.nan, NOT_MOVING)
    clear = r >= max(LAG_R_MIN, shuffled + LAG_MARGIN_MIN)
    _set(measures, "offset_ms", round(offset_ms, 1) if clear else math.nan, NO_LAG)
    lag_ms = offset_ms - metrics.LEAD_MS if clear else -metrics.LEAD_MS
    voiced = metrics.voiced_correlation(opening, sound, FRAME_RATE_HZ, lag_ms=lag_ms)
    _set(measures, "voiced_r", voiced, NOT_MOVING)
    _set(measures, "intensity_r", metrics.intensity_match(opening, sound, FRAME_RATE_HZ), TOO_SHORT)
    drift = metrics.drift_ms_per_hour(opening, sound, FRAME_RATE_HZ)
    _set(measures, "drift_ms_per_hour", drift, TWO_MINUTES)
    silence = metrics.settled_silence(sound, FRAME_RATE_HZ)
    known = math.isfinite(recording.source_iod)
    parted = metrics.parted_share(recording.detected, silence, recording.source_iod) if known else math.nan
    _set(measures, "silence_parted_share", parted, NO_SILENCE if known else NO_REST)
    speed = metrics.silence_speed(recording.detected, silence, FRAME_RATE_HZ)
    _set(measures, "silence_speed_iod_s", speed, NO_SILENCE)
    _set(measures, "source_opening_iod", recording.source_iod, NO_REST)


def _judge_articulation(recording: Recording, measures: Measures) -> None:
    if recording.phones is None:
        told = ("closure_rate", "false_closure_rate", "contact_rate", "group_f1", "release_offset_ms")
        measures.reasons |= dict.fromkeys(told, NO_PHONES)
        return
    detected, rate_hz = recording.detected, FRAME_RATE_HZ
    lips_closed, teeth, bursts = (
        [(phone.start_s, phone.end_s) for phone in recording.phones if phone.symbol in symbols]
        for symbols in (BILABIALS, LABIODENTALS, BILABIALS - {"M"})
    )
    # An open vowel is open in its middle; its ends belong to its neighbours.
    vowels = [
        ((3 * phone.start_s + phone.end_s) / 4, (phone.start_s + 3 * phone.end_s) / 4)
        for phone in recording.phones
        if phone.symbol in OPEN_VOWELS
    ]
    _set(measures, "closure_rate", metrics.closure_rate(detected, lips_closed, rate_hz), NONE_SPOKEN)
    _set(measures, "false_closure_rate", metrics.false_closure_rate(detected, vowels, rate_hz), NONE_SPOKEN)
    _set(measures, "contact_rate", metrics.contact_rate(detected, teeth, rate_hz), NONE_SPOKEN)
    _set(measures, "release_offset_ms", metrics.release_offset_ms(detected, bursts, rate_hz), NONE_SPOKEN)
    if not len(recording.mesh):
        measures.reasons["group_f1"] = NO_FACE
        return
    groups = lips.shape_groups(recording.mesh)
    table = lips.group_table(groups, recording.phones, rate_hz, metrics.LEAD_MS / 1000)
    measures.group_table = table.tolist()
    _set(measures, "group_f1", lips.macro_f1(table), NONE_SPOKEN)


def _judge_movement(recording: Recording, measures: Measures) -> None:
    if not len(recording.mesh):
        told = ("lip_speed_p99_iod_s", "fast_share", "jerk", "width_ratio", "texture_ratio")
        measures.reasons |= dict.fromkeys(told, NO_FACE)
        return
    moved = lips.aligned(recording.mesh)
    _set(measures, "lip_speed_p99_iod_s", lips.step_speed(moved, FRAME_RATE_HZ), TOO_SHORT)
    _set(measures, "fast_share", lips.fast_share(moved, FRAME_RATE_HZ), TOO_SHORT)
    _set(measures, "jerk", lips.jerk(moved, FRAME_RATE_HZ), NOT_MOVING)
    _set(measures, "width_ratio", lips.width_range(lips.widths(recording.mesh)) / REAL_WIDTH_RANGE_IOD, NO_FACE)
    shown = recording.texture[np.isfinite(recording.texture)]
    _set(measures, "texture_ratio", float(shown.mean()) / REAL_TEXTURE if len(shown) else math.nan, NO_OPENING)


def _judge_likeness(recording: Recording, measures: Measures) -> None:
    likeness = recording.likeness if len(recording.likeness) else np.array([math.nan])
    _set(measures, "identity_min", float(likeness.min()), NO_FACE)
    _set(measures, "identity_mean", float(likeness.mean()), NO_FACE)
    _set(measures, "jitter_px", metrics.jitter_px(recording.still), NO_STILLNESS)


def _judge_pictures(recording: Recording, measures: Measures) -> None:
    held = recording.held
    for name, values in (
        ("outside_changed_share", held.outside_changed),
        ("flicker_levels", held.flicker),
        ("seam_levels", held.seam),
        ("seam_de", held.seam_de),
    ):
        _set(measures, name, float(values.max()) if len(values) else math.nan, NOT_HELD)
    _set(measures, "upper_ssim", float(held.upper_ssim.min()) if len(held.upper_ssim) else math.nan, NOT_HELD)
    background = recording.background_changed
    _set(measures, "background_changed_share", float(background.max()) if len(background) else math.nan, NO_BACKGROUND)
    _set(measures, "loop_seam_ratio", metrics.seam_ratio(recording.loop_steps), NO_LOOP)
    _set(measures, "sound_db", metrics.sound_level_db(recording.samples), NO_SOUND)
    loud = np.zeros(len(recording.changes), np.bool_)
    if len(recording.samples):
        sound = metrics.envelope_db(recording.samples, SAMPLE_RATE_HZ, FRAME_RATE_HZ)[1 : len(loud) + 1]
        loud[: len(sound)] = sound > sound.max(initial=-np.inf) - TALKING_DB
    else:
        loud[:] = True
    for name, judged, reason in (
        ("motion_levels", loud, TOO_SHORT),
        ("silence_motion_levels", ~loud, NO_SILENCE),
    ):
        grids = recording.changes[judged]
        _set(measures, name, float(grids.mean(axis=0).max()) if len(grids) else math.nan, reason)


def _judge_film(film: Recording | None, measures: Measures) -> None:
    if film is None:
        measures.reasons["film_offset_ms"] = NO_FILM
        return
    written = measure(film)
    _set(measures, "film_offset_ms", math.nan if written.offset_ms is None else written.offset_ms, NO_LAG)


def _judge_idle(idle: Motion | None, clip: Motion | str, measures: Measures) -> None:
    if idle is None or isinstance(clip, str):
        reason = clip if idle is not None and isinstance(clip, str) else NO_LOOP
        measures.reasons |= dict.fromkeys(("idle_motion_ratio", "idle_abruptness_ratio"), reason)
        return
    measures.idle_motion_ratio = round(idle.step_levels / max(clip.step_levels, 1e-6), DIGITS)
    measures.idle_abruptness_ratio = round(idle.abruptness / max(clip.abruptness, 1e-6), DIGITS)


def _without_gaps(detected: metrics.Array) -> metrics.Array:
    """The track with what was not detected filled in from its neighbours."""
    at = np.arange(len(detected))
    known = np.isfinite(detected)
    return np.asarray(np.interp(at, at[known], detected[known]))
