"""Formulas: does the mouth move with the sound, does it close when it has to, is the rest of the face still?

A track of openings has one value a frame; value i belongs to the time (i + 0.5) / rate_hz, as does the sound's. Openings
are in IOD, the distance between the eye centres. Where a formula has no answer it returns NaN.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avatars.engine.perception import lip_opening_iod
from avatars.engine.speech.coarticulation import LEAD_S

Array: TypeAlias = NDArray[np.float64]

LEAD_MS: Final = LEAD_S * 1000
"""How much earlier than the sound the mouth is meant to be."""

# The sound of open mouths: above the hum of m, n and the voiced stops, below the hiss of s.
VOWELS_HZ: Final = (500.0, 3500.0)
WINDOW_S: Final = 0.080
QUIETEST_DB: Final = -120.0
SPAN_DB: Final = 40.0

LAG_MAX_MS: Final = 400.0
LAG_STEP_MS: Final = 10.0
# What is slower than this is the rhythm of phrases, not of the mouth.
TREND_S: Final = 1.0
SHORTEST_S: Final = 1.6
STILL: Final = 1e-6
SHUFFLES: Final = 12
SEED: Final = 5

SILENT_BELOW_DB: Final = 45.0
SILENCE_S: Final = 0.40
# The mouth takes a moment to come to rest, and opens before the sound.
SETTLE_S: Final = 0.20

CLOSED_IOD: Final = 0.02
CLOSED_SHARE: Final = 0.12
# The upper teeth show below a resting lip by 0.03 to 0.05: a lower lip that comes this near touches them.
CONTACT_IOD: Final = 0.03

DRIFT_WINDOW_S: Final = 60.0
VOICED_WITHIN_DB: Final = 30.0
VOICED_S: Final = 0.30
REOPENED_WITHIN_S: Final = 0.15
PHRASE_S: Final = 1.0
PHRASES_MIN: Final = 4


def opening_iod(landmarks: NDArray[np.float32]) -> float:
    """The gap between the inner lips in the middle of the mouth of a (478, 3) mesh, in IOD."""
    return lip_opening_iod(landmarks)


def envelope_db(samples: ArrayLike, rate_hz: float, frame_rate_hz: float) -> Array:
    """The loudness of vowels, one value a frame: (frames,) in dB; a sine at full scale is about 0.

    samples: (n,) mono, -1..1. Each value is taken over a window of 80 ms around the middle of its frame.
    """
    sound = np.asarray(samples, np.float64)
    frames = int(np.ceil(len(sound) * frame_rate_hz / rate_hz - 1e-6))
    if frames == 0:
        return np.zeros(0)
    size = round(WINDOW_S * rate_hz)
    window = np.hanning(size + 2)[1:-1]
    starts = ((np.arange(frames) + 0.5) * rate_hz / frame_rate_hz).round().astype(int)
    padded = np.pad(sound, (size // 2, size))
    pieces = np.stack([padded[start : start + size] for start in starts]) * window
    hertz = np.fft.rfftfreq(size, 1 / rate_hz)
    heard = (hertz >= VOWELS_HZ[0]) & (hertz < VOWELS_HZ[1])
    power = np.square(np.abs(np.fft.rfft(pieces, axis=1)))[:, heard].sum(axis=1)
    full_scale = window.sum() ** 2 / 4
    return np.asarray(np.maximum(10 * np.log10(power / full_scale + 1e-30), QUIETEST_DB))


def correlation_at_best_lag(
    opening: ArrayLike, sound_db: ArrayLike, rate_hz: float, *, lead_ms: float = LEAD_MS
) -> tuple[float, float]:
    """How closely the mouth follows the loudness of vowels, and by how much it misses its time: (r, offset_ms).

    opening, sound_db: (frames,) at `rate_hz`. r is the greatest correlation at any lag within 400 ms of none, both
    freed of what is slower than a second. offset_ms is that lag against the one intended: the mouth is meant to be
    `lead_ms` before the sound, so 0 is as intended, positive is a late picture, and what an observer sees is
    `offset_ms - lead_ms`. Against phones with known times this estimate of the lag is right to about 10 ms on ten
    seconds of speech. A mouth or a sound that never moves gives (0, NaN), as does less than 1.6 s of either.
    """
    correlations, lags_ms = _correlations(np.asarray(opening, np.float64), np.asarray(sound_db, np.float64), rate_hz)
    if correlations is None:
        return 0.0, float("nan")
    best = int(np.argmax(correlations))
    peak_ms = float(lags_ms[best])
    if 0 < best < len(lags_ms) - 1:
        before, here, after = correlations[best - 1 : best + 2]
        bend = before - 2 * here + after
        peak_ms += LAG_STEP_MS * 0.5 * float(before - after) / float(bend) if bend < 0 else 0.0
    return float(correlations[best]), peak_ms + lead_ms


def shuffled_correlation(opening: ArrayLike, sound_db: ArrayLike, rate_hz: float) -> float:
    """The control: the mean of what `correlation_at_best_lag` finds where the sound is another part of the speech.

    The sound is moved round by different lengths, each longer than any lag that is searched.
    """
    mouth, sound = np.asarray(opening, np.float64), np.asarray(sound_db, np.float64)
    length = min(len(mouth), len(sound))
    moved = [_correlations(mouth[:length], np.roll(sound[:length], by), rate_hz)[0] for by in _moves(length, rate_hz)]
    found = [float(each.max()) for each in moved if each is not None]
    return float(np.mean(found)) if found else 0.0


def drift_ms_per_hour(opening: ArrayLike, sound_db: ArrayLike, rate_hz: float) -> float:
    """How fast picture and sound come apart: the slope of the offset in windows of a minute, in ms an hour.

    NaN for less than two minutes, and where a window has no offset.
    """
    mouth, sound = np.asarray(opening, np.float64), np.asarray(sound_db, np.float64)
    size = round(DRIFT_WINDOW_S * rate_hz)
    starts = range(0, min(len(mouth), len(sound)) - size + 1, size)
    if len(starts) < 2:
        return float("nan")
    offsets = [correlation_at_best_lag(mouth[at : at + size], sound[at : at + size], rate_hz)[1] for at in starts]
    hours = np.array(starts) / rate_hz / 3600
    return float(np.polyfit(hours, offsets, 1)[0]) if np.isfinite(offsets).all() else float("nan")


def voiced_correlation(opening: ArrayLike, sound_db: ArrayLike, rate_hz: float, *, lag_ms: float = 0.0) -> float:
    """Correlation of opening and loudness while somebody speaks: in runs of 300 ms or more within 30 dB of the loudest.

    lag_ms: how much later than the sound the picture is; it is taken off first.
    """
    mouth, sound = np.asarray(opening, np.float64), np.asarray(sound_db, np.float64)
    length = min(len(mouth), len(sound))
    if not length:
        return float("nan")
    times = (np.arange(length) + 0.5) / rate_hz
    mouth = np.interp(times + lag_ms / 1000, times, mouth[:length])
    voiced = sound[:length] > np.percentile(sound, 98) - VOICED_WITHIN_DB
    judged = np.zeros(length, np.bool_)
    for start, end in _runs(voiced):
        judged[start:end] = end - start >= VOICED_S * rate_hz
    return _correlation(mouth[judged], sound[:length][judged])


def intensity_match(opening: ArrayLike, sound_db: ArrayLike, rate_hz: float) -> float:
    """Do louder stretches move the lips more? Correlation over seconds of loudness and of mean speed of the opening.

    After Speech-Lip Intensity Correlation (SLCC): a real face has about 0.3; the aim is to be near it, not above.
    """
    mouth, sound = np.asarray(opening, np.float64), np.asarray(sound_db, np.float64)
    length, size = min(len(mouth), len(sound)), round(PHRASE_S * rate_hz)
    if length < PHRASES_MIN * size:
        return float("nan")
    loudest = np.percentile(sound, 98)
    spoken = sound > loudest - VOICED_WITHIN_DB
    # A second that is mostly silence says nothing about how loudly somebody speaks.
    starts = [at for at in range(0, length - size, size // 2) if spoken[at : at + size].mean() > 0.5]
    speed = np.abs(np.diff(mouth[:length])) * rate_hz
    floor = np.maximum(sound, loudest - SPAN_DB)
    moved, loud = (np.array([values[at : at + size].mean() for at in starts]) for values in (speed, floor))
    return _correlation(moved, loud)


def _correlations(opening: Array, sound_db: Array, rate_hz: float) -> tuple[Array | None, Array]:
    """Correlation at each lag of the picture, and the lags in ms; None where there is nothing to correlate."""
    lags_ms = np.arange(-LAG_MAX_MS, LAG_MAX_MS + LAG_STEP_MS / 2, LAG_STEP_MS)
    length = min(len(opening), len(sound_db))
    if length < SHORTEST_S * rate_hz:
        return None, lags_ms
    opening, sound_db = opening[:length], sound_db[:length]
    # Under a floor the sound is silence, however deep.
    sound_db = np.maximum(sound_db, np.percentile(sound_db, 98) - SPAN_DB)
    mouth, sound = (_fine(values, rate_hz) for values in (opening, sound_db))
    found = []
    for shift in (lags_ms / LAG_STEP_MS).round().astype(int):
        late, early = mouth[max(0, shift) :], sound[max(0, -shift) :]
        overlap = min(len(late), len(early))
        found.append(_correlation(late[:overlap], early[:overlap]))
    correlations = np.array(found)
    return (None if np.isnan(correlations).any() else correlations), lags_ms


def _fine(values: Array, rate_hz: float) -> Array:
    """The track every 10 ms, freed of its slow movements."""
    step_s = LAG_STEP_MS / 1000
    times = np.arange(0.5 / rate_hz, (len(values) - 0.5) / rate_hz, step_s)
    fine = np.interp(times, (np.arange(len(values)) + 0.5) / rate_hz, values)
    size = round(TREND_S / step_s) | 1
    kernel = np.hanning(size + 2)[1:-1]
    trend = np.convolve(np.pad(fine, size // 2, mode="reflect"), kernel / kernel.sum(), "valid")
    return np.asarray(fine - trend)


def _correlation(first: Array, second: Array) -> float:
    if len(first) < 2 or first.std() < STILL or second.std() < STILL:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def _moves(length: int, rate_hz: float) -> Iterator[int]:
    """Lengths to move a track round by, seeded, none of them short."""
    shortest = round(2 * LAG_MAX_MS / 1000 * rate_hz)
    if length > 2 * shortest:
        yield from np.random.default_rng(SEED).integers(shortest, length - shortest, SHUFFLES).tolist()


def agreement(commanded: ArrayLike, detected: ArrayLike) -> tuple[float, float]:
    """Commanded against detected openings (frames,), NaN where nothing was detected: (r, RMSE in IOD)."""
    wanted, seen = np.asarray(commanded, np.float64), np.asarray(detected, np.float64)
    known = np.isfinite(seen)
    if known.sum() < 2:
        return float("nan"), float("nan")
    wanted, seen = wanted[known], seen[known]
    return _correlation(wanted, seen), float(np.sqrt(np.square(wanted - seen).mean()))


def shuffled_agreement(commanded: ArrayLike, detected: ArrayLike, rate_hz: float) -> float:
    """The control: mean r of `agreement` where the commands are those of another part of the speech."""
    wanted = np.asarray(commanded, np.float64)
    found = [agreement(np.roll(wanted, by), detected)[0] for by in _moves(len(wanted), rate_hz)]
    return float(np.mean(found)) if found else float("nan")


def closed_below_iod(opening: ArrayLike) -> float:
    """The opening under which these lips count as closed: 12 % of their 95th percentile, at least 0.02."""
    seen = np.asarray(opening, np.float64)
    seen = seen[np.isfinite(seen)]
    return max(CLOSED_IOD, CLOSED_SHARE * float(np.percentile(seen, 95))) if len(seen) else CLOSED_IOD


def closure_rate(opening: ArrayLike, spans_s: Sequence[tuple[float, float]], rate_hz: float) -> float:
    """The share of sounds that need closed lips in which the lips are seen closed.

    spans_s: from when to when each p, b or m is heard. The lips count from 40 ms before until 20 ms after it.
    """
    threshold = closed_below_iod(opening)
    lowest = [_within(opening, start - 0.040, end + 0.020, rate_hz) for start, end in spans_s]
    judged = [bool((values <= threshold).any()) for values in lowest if len(values)]
    return float(np.mean(judged)) if judged else float("nan")


def false_closure_rate(opening: ArrayLike, spans_s: Sequence[tuple[float, float]], rate_hz: float) -> float:
    """The share of open vowels in which the lips are never seen apart. spans_s: from when to when each is heard."""
    threshold = closed_below_iod(opening)
    seen = [_within(opening, start - 0.040, end, rate_hz) for start, end in spans_s]
    judged = [bool((values <= threshold).all()) for values in seen if len(values)]
    return float(np.mean(judged)) if judged else float("nan")


def contact_rate(opening: ArrayLike, spans_s: Sequence[tuple[float, float]], rate_hz: float) -> float:
    """The share of f and v in which the lower lip comes near enough to touch the upper teeth.

    spans_s: from when to when each is heard; the lips count from 40 ms before until 20 ms after it.
    """
    nearest = [_within(opening, start - 0.040, end + 0.020, rate_hz) for start, end in spans_s]
    judged = [bool((values <= CONTACT_IOD).any()) for values in nearest if len(values)]
    return float(np.mean(judged)) if judged else float("nan")


def release_offset_ms(
    opening: ArrayLike, spans_s: Sequence[tuple[float, float]], rate_hz: float, *, lead_ms: float = LEAD_MS
) -> float:
    """By how much the lips part too late after p and b: the median over all of them, in ms.

    A second estimate of the offset that needs no loudness. spans_s: each p and b; it bursts where it ends.
    """
    seen = np.asarray(opening, np.float64)
    threshold = closed_below_iod(seen)
    times = (np.arange(len(seen)) + 0.5) / rate_hz
    late = []
    for start, end in spans_s:
        here = np.flatnonzero((times >= start - 0.080) & (times <= end + REOPENED_WITHIN_S) & np.isfinite(seen))
        closed = here[seen[here] <= threshold] if len(here) else here
        if not len(closed) or closed[-1] == here[-1]:
            continue
        last = int(closed[-1])
        below, above = seen[last], seen[last + 1]
        if not above > threshold:
            continue
        parted_s = times[last] + (threshold - below) / max(above - below, STILL) / rate_hz
        late.append(1000 * (parted_s - end) + lead_ms)
    return float(np.median(late)) if late else float("nan")


def _within(opening: ArrayLike, start_s: float, end_s: float, rate_hz: float) -> Array:
    """The detected openings whose time lies in a span."""
    seen = np.asarray(opening, np.float64)
    times = (np.arange(len(seen)) + 0.5) / rate_hz
    return seen[(times >= start_s) & (times <= end_s) & np.isfinite(seen)]


def settled_silence(sound_db: ArrayLike, rate_hz: float) -> NDArray[np.bool_]:
    """Which frames (frames,) lie in a silence of at least 400 ms, 200 ms or more from where it begins or ends.

    Silent is what is 45 dB below the loudest. The edges of the recording are not edges of a silence.
    """
    sound = np.asarray(sound_db, np.float64)
    if not len(sound):
        return np.zeros(0, np.bool_)
    silent = sound < sound.max() - SILENT_BELOW_DB
    settled = np.zeros(len(sound), np.bool_)
    margin = round(SETTLE_S * rate_hz)
    for start, end in _runs(silent):
        if end - start >= SILENCE_S * rate_hz:
            settled[start + (margin if start else 0) : end - (margin if end < len(sound) else 0)] = True
    return settled


def parted_share(opening: ArrayLike, silence: NDArray[np.bool_], source_iod: float) -> float:
    """The share of silent frames in which the lips are seen apart.

    source_iod: the opening in the picture that the face was made from. Who smiles with open lips there may do so in
    silence, and no further.
    """
    seen = np.asarray(opening, np.float64)
    judged = seen[silence & np.isfinite(seen)]
    return float((judged > max(closed_below_iod(seen), source_iod)).mean()) if len(judged) else float("nan")


def silence_speed(opening: ArrayLike, silence: NDArray[np.bool_], rate_hz: float) -> float:
    """How fast lips move in silence: the 95th percentile of the speed of the opening, in IOD a second."""
    speed = np.abs(np.diff(np.asarray(opening, np.float64))) * rate_hz
    judged = speed[silence[1:] & silence[:-1] & np.isfinite(speed)]
    return float(np.percentile(judged, 95)) if len(judged) else float("nan")


def sound_level_db(samples: ArrayLike) -> float:
    """Root mean square of a sound in dB of full scale; a recording of silence proves nothing."""
    sound = np.asarray(samples, np.float64)
    return float(10 * np.log10(np.square(sound).mean() + 1e-12)) if len(sound) else float("nan")


def _runs(flags: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Begin and end (n, 2) of each unbroken run of true values."""
    return np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int))).reshape(-1, 2)


def seam_ratio(steps: ArrayLike) -> float:
    """How much larger the step is where a loop begins again, the last of `steps`, than the median of the others."""
    values = np.asarray(steps, np.float64)
    if len(values) < 3:
        return float("nan")
    return float(values[-1] / max(float(np.median(values[:-1])), STILL))


def jitter_px(points: NDArray[np.float32]) -> float:
    """How far points of a still head wander: (frames, n, 2) pixels to the RMS of their distance from their mean place.

    The movement that all of them share, a turn, a scaling and a shift, is taken off first.
    """
    if len(points) < 2:
        return float("nan")
    flat = points[..., 0].astype(np.float64) + 1j * points[..., 1]
    centred = flat - flat.mean(axis=1, keepdims=True)
    mean = centred.mean(axis=0)
    for _ in range(2):
        turn = (np.conj(centred) * mean).sum(axis=1) / np.square(np.abs(centred)).sum(axis=1)
        aligned = centred * turn[:, None]
        mean = aligned.mean(axis=0)
    return float(np.sqrt(np.square(np.abs(aligned - mean)).mean()))
