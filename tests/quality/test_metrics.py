"""The formulas find what was put in, and find nothing where nothing is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatars.quality import metrics
from avatars.quality.metrics import LEAD_MS

RATE_HZ = 25.0
SOUND_RATE_HZ = 16_000


def syllables(seconds: float = 12.0, seed: int = 3) -> np.ndarray:
    """A made-up loudness at 25 Hz: bursts of uneven length and strength, as syllables are."""
    random = np.random.default_rng(seed)
    frames = int(seconds * RATE_HZ)
    track = np.zeros(frames)
    at = 2
    while at < frames - 8:
        length = int(random.integers(3, 8))
        track[at : at + length] += random.uniform(0.4, 1.0) * np.hanning(length + 2)[1:-1]
        at += length + int(random.integers(0, 4))
    return track


def moved(track: np.ndarray, by_ms: float) -> np.ndarray:
    """The same track, later by `by_ms`."""
    times = (np.arange(len(track)) + 0.5) / RATE_HZ
    return np.interp(times - by_ms / 1000, times, track)


def mesh(gap: float, scale: float = 100.0) -> np.ndarray:
    """Landmarks with the eyes one IOD of `scale` pixels apart and the lips `gap` IOD."""
    points = np.zeros((478, 3), np.float32)
    points[[33, 133]] = (-0.5, 0, 0)
    points[[263, 362]] = (0.5, 0, 0)
    for upper, lower in ((82, 87), (13, 14), (312, 317)):
        points[upper], points[lower] = (0, 1, 0), (0, 1 + gap, 0)
    return points * np.float32(scale)


@pytest.mark.parametrize("scale", [10.0, 300.0])
def test_the_opening_does_not_depend_on_size(scale: float) -> None:
    assert metrics.opening_iod(mesh(0.12, scale)) == pytest.approx(0.12, abs=1e-5)
    assert metrics.opening_iod(mesh(0.0, scale)) == 0


@pytest.mark.parametrize(
    ("rate_hz", "samples"), [(16_000, 16_000), (24_000, 24_000), (44_100, 44_100), (16_000, 15_999)]
)
def test_the_envelope_has_a_value_for_each_frame(rate_hz: int, samples: int) -> None:
    assert len(metrics.envelope_db(np.zeros(samples), rate_hz, RATE_HZ)) == 25


def test_the_envelope_is_in_decibels_of_full_scale() -> None:
    times = np.arange(SOUND_RATE_HZ) / SOUND_RATE_HZ
    loud = metrics.envelope_db(np.sin(2 * np.pi * 1000 * times), SOUND_RATE_HZ, RATE_HZ)[3:-3]
    soft = metrics.envelope_db(0.1 * np.sin(2 * np.pi * 1000 * times), SOUND_RATE_HZ, RATE_HZ)[3:-3]
    assert np.allclose(loud, loud.mean(), atol=0.1)
    assert -3 < loud.mean() < 3
    assert np.allclose(loud - soft, 20, atol=0.1)


def test_the_envelope_hears_vowels_not_hum_and_hiss() -> None:
    times = np.arange(SOUND_RATE_HZ) / SOUND_RATE_HZ
    vowel, hum, hiss = (
        metrics.envelope_db(np.sin(2 * np.pi * hertz * times), SOUND_RATE_HZ, RATE_HZ)[12] for hertz in (900, 150, 6000)
    )
    assert vowel > max(hum, hiss) + 30


def test_the_envelope_of_nothing() -> None:
    assert metrics.envelope_db(np.zeros(0), SOUND_RATE_HZ, RATE_HZ).shape == (0,)
    assert np.isfinite(metrics.envelope_db(np.zeros(800), SOUND_RATE_HZ, RATE_HZ)).all()


def test_the_envelope_rises_where_the_sound_does() -> None:
    """A click in the middle of frame 10 is loudest in frame 10."""
    sound = np.zeros(SOUND_RATE_HZ)
    sound[int(10.5 / RATE_HZ * SOUND_RATE_HZ)] = 1
    assert int(np.argmax(metrics.envelope_db(sound, SOUND_RATE_HZ, RATE_HZ))) == 10


@pytest.mark.parametrize("late_ms", [-300, -120, -40, 0, 15, 60, 200, 350])
def test_a_delayed_picture_has_that_offset(late_ms: float) -> None:
    """A mouth that is where it is meant to be, before the sound, has the offset 0."""
    sound = syllables()
    r, offset_ms = metrics.correlation_at_best_lag(moved(sound, late_ms - LEAD_MS), 30 * sound, RATE_HZ)
    assert r > 0.9
    assert offset_ms == pytest.approx(late_ms, abs=8)


def test_the_intended_lead_can_be_left_out() -> None:
    sound = syllables()
    assert metrics.correlation_at_best_lag(sound, 30 * sound, RATE_HZ, lead_ms=0)[1] == pytest.approx(0, abs=3)


def test_size_and_level_play_no_part() -> None:
    sound = syllables()
    mouth = moved(sound, 80)
    first = metrics.correlation_at_best_lag(mouth, 30 * sound - 60, RATE_HZ)
    second = metrics.correlation_at_best_lag(0.1 * mouth + 3, 30 * sound, RATE_HZ)
    assert first == pytest.approx(second)


@pytest.mark.parametrize(
    ("mouth", "sound"),
    [
        (np.full(200, 0.05), syllables(8)),
        (syllables(8), np.full(200, -50.0)),
        (syllables(1), syllables(1)),
        (np.zeros(0), np.zeros(0)),
    ],
)
def test_what_does_not_move_has_no_correlation_and_no_offset(mouth: np.ndarray, sound: np.ndarray) -> None:
    r, offset_ms = metrics.correlation_at_best_lag(mouth, sound, RATE_HZ)
    assert r == 0
    assert np.isnan(offset_ms)
    assert metrics.shuffled_correlation(mouth, sound, RATE_HZ) == 0


def test_the_control_is_lower_for_a_mouth_that_follows() -> None:
    sound = 30 * syllables()
    mouth = moved(sound, -LEAD_MS) + np.random.default_rng(1).normal(0, 5, len(sound))
    r, _ = metrics.correlation_at_best_lag(mouth, sound, RATE_HZ)
    assert r > metrics.shuffled_correlation(mouth, sound, RATE_HZ) + 0.3


def test_a_mouth_of_another_speech_is_no_better_than_the_control() -> None:
    mouth, sound = syllables(20, seed=1), 30 * syllables(20, seed=2)
    r, _ = metrics.correlation_at_best_lag(mouth, sound, RATE_HZ)
    assert r < metrics.shuffled_correlation(mouth, sound, RATE_HZ) + 0.15


def test_the_control_is_the_same_every_time() -> None:
    mouth, sound = syllables(), 30 * syllables(seed=4)
    assert metrics.shuffled_correlation(mouth, sound, RATE_HZ) == metrics.shuffled_correlation(mouth, sound, RATE_HZ)


def test_slow_loudness_is_no_lip_sync() -> None:
    """A mouth that hangs open through every phrase follows its loudness, but not its syllables."""
    sound = syllables(20)
    phrase = (np.arange(len(sound)) // 75 % 2).astype(float)
    r, _ = metrics.correlation_at_best_lag(phrase, 30 * (sound + 0.3) * phrase, RATE_HZ)
    followed, _ = metrics.correlation_at_best_lag(moved(sound * phrase, -LEAD_MS), 30 * sound * phrase, RATE_HZ)
    assert r < followed - 0.3


def test_agreement_and_its_control() -> None:
    wanted = 0.1 * syllables()
    r, rmse = metrics.agreement(wanted, wanted + 0.01)
    assert (r, rmse) == (pytest.approx(1), pytest.approx(0.01))
    assert abs(metrics.shuffled_agreement(wanted, wanted, RATE_HZ)) < 0.3


def test_agreement_looks_only_where_a_face_was_found() -> None:
    wanted = 0.1 * syllables()
    seen = wanted.copy()
    seen[::3] = np.nan
    assert metrics.agreement(wanted, seen) == (pytest.approx(1), pytest.approx(0))


@pytest.mark.parametrize("seen", [np.full(100, np.nan), np.full(100, 0.05)])
def test_agreement_with_nothing_is_none(seen: np.ndarray) -> None:
    assert np.isnan(metrics.agreement(0.1 * syllables(4), seen)[0])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 0.4) | st.just(float("nan")), min_size=1, max_size=60))
def test_lips_count_as_closed_from_two_hundredths(opening: list[float]) -> None:
    assert 0.02 <= metrics.closed_below_iod(opening) <= 0.12 * 0.4 + 1e-9


def opening_with(closed: list[int], frames: int = 50) -> np.ndarray:
    opening = np.full(frames, 0.12)
    opening[closed] = 0.005
    return opening


def test_each_sound_of_closed_lips_is_judged() -> None:
    spans = [(0.40, 0.48), (1.00, 1.06), (1.50, 1.55)]
    assert metrics.closure_rate(opening_with([10, 25, 38]), spans, RATE_HZ) == 1
    assert metrics.closure_rate(opening_with([10, 25]), spans, RATE_HZ) == pytest.approx(2 / 3)
    assert metrics.closure_rate(opening_with([]), spans, RATE_HZ) == 0
    assert metrics.closure_rate(opening_with([12 + 3, 30, 45]), spans, RATE_HZ) == 0
    assert np.isnan(metrics.closure_rate(opening_with([10]), [], RATE_HZ))


def test_open_vowels_must_not_be_closed() -> None:
    spans = [(0.40, 0.48), (1.00, 1.06)]
    assert metrics.false_closure_rate(opening_with([]), spans, RATE_HZ) == 0
    assert metrics.false_closure_rate(opening_with(list(range(8, 14))), spans, RATE_HZ) == 0.5
    assert metrics.false_closure_rate(opening_with([10]), spans, RATE_HZ) == 0
    assert np.isnan(metrics.false_closure_rate(opening_with([]), [], RATE_HZ))


def test_silence_is_settled_a_moment_after_it_begins() -> None:
    sound = np.full(100, -20.0)
    sound[:20], sound[40:60], sound[80:85], sound[90:] = -90, -90, -90, -90
    settled = np.flatnonzero(metrics.settled_silence(sound, RATE_HZ))
    assert settled.tolist() == [*range(15), *range(45, 55), *range(95, 100)]
    assert metrics.settled_silence(np.zeros(0), RATE_HZ).shape == (0,)


def test_parted_lips_in_silence() -> None:
    silence = np.zeros(50, np.bool_)
    silence[:20] = True
    opening = np.full(50, 0.12)
    opening[:15] = 0.0
    assert metrics.parted_share(opening, silence, source_iod=0.0) == 0.25
    assert metrics.parted_share(opening, silence, source_iod=0.15) == 0
    assert np.isnan(metrics.parted_share(opening, np.zeros(50, np.bool_), source_iod=0.0))


def test_jitter_is_what_is_left_when_the_head_is_taken_off() -> None:
    random = np.random.default_rng(2)
    points = random.uniform(0, 300, (10, 2))
    turns = random.uniform(-0.1, 0.1, 60)
    frames = np.stack(
        [points @ np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) * (1 + a) + 100 * a for a in turns]
    )
    assert metrics.jitter_px(frames.astype(np.float32)) < 0.01
    noisy = frames + random.normal(0, 0.5, frames.shape)
    # Two coordinates of half a pixel each, less what looks like a movement of the head.
    assert metrics.jitter_px(noisy.astype(np.float32)) == pytest.approx(0.5 * np.sqrt(2) * np.sqrt(16 / 20), rel=0.1)
    assert np.isnan(metrics.jitter_px(frames[:1].astype(np.float32)))


def test_a_drift_is_the_slope_of_the_offset() -> None:
    """A picture that falls behind by 100 ms in five minutes drifts by 1200 ms an hour."""
    sound = syllables(301)
    times = (np.arange(len(sound)) + 0.5) / RATE_HZ
    late = np.interp(times - times / 300 * 0.1, times, sound)
    assert metrics.drift_ms_per_hour(late, 30 * sound, RATE_HZ) == pytest.approx(1200, rel=0.1)
    assert metrics.drift_ms_per_hour(sound, 30 * sound, RATE_HZ) == pytest.approx(0, abs=20)
    assert np.isnan(metrics.drift_ms_per_hour(sound[:2000], sound[:2000], RATE_HZ))


def test_what_is_voiced_is_compared_at_its_lag() -> None:
    sound = np.repeat([-80.0, -20.0, -80.0], 50) + 5 * np.sin(np.arange(150))
    mouth = moved(sound, 80)
    assert metrics.voiced_correlation(mouth, sound, RATE_HZ, lag_ms=80) > 0.95
    assert metrics.voiced_correlation(mouth, sound, RATE_HZ) < 0.8
    assert np.isnan(metrics.voiced_correlation(np.zeros(0), np.zeros(0), RATE_HZ))
    assert np.isnan(metrics.voiced_correlation(np.full(150, 0.1), sound, RATE_HZ))


def test_louder_seconds_move_the_lips_more() -> None:
    strength = np.repeat([1.0, 3.0, 1.5, 2.5, 2.0, 1.2], 25)
    mouth = 0.02 * strength * np.sin(np.arange(150) * 1.3)
    assert metrics.intensity_match(mouth, 5 * strength, RATE_HZ) > 0.95
    assert metrics.intensity_match(mouth, -5 * strength, RATE_HZ) < -0.9
    assert np.isnan(metrics.intensity_match(mouth[:50], strength[:50], RATE_HZ))


@pytest.mark.parametrize(("gap", "rate"), [(0.005, 1.0), (0.025, 1.0), (0.06, 0.0)])
def test_the_lower_lip_reaches_the_teeth(gap: float, rate: float) -> None:
    opening = np.full(50, 0.12)
    opening[20:23] = gap
    assert metrics.contact_rate(opening, [(0.8, 0.9)], RATE_HZ) == rate
    assert np.isnan(metrics.contact_rate(opening, [], RATE_HZ))


@pytest.mark.parametrize("late_ms", [-40, 0, 60])
def test_lips_part_when_p_bursts(late_ms: float) -> None:
    """Lips that part 40 ms before the burst are as early as they are meant to be."""
    times = (np.arange(100) + 0.5) / RATE_HZ
    parted_s = 2.0 - LEAD_MS / 1000 + late_ms / 1000
    opening = np.where(times < 1.7, 0.12, np.clip((times - parted_s) * 2, 0, 0.12))
    found = metrics.release_offset_ms(opening, [(1.92, 2.0)], RATE_HZ)
    assert found == pytest.approx(late_ms + 10, abs=12)
    assert np.isnan(metrics.release_offset_ms(np.full(100, 0.1), [(1.92, 2.0)], RATE_HZ))


def test_lips_that_tremble_in_silence() -> None:
    silence = np.ones(100, np.bool_)
    assert metrics.silence_speed(np.zeros(100), silence, RATE_HZ) == 0
    assert metrics.silence_speed(np.arange(100) % 2 * 0.01, silence, RATE_HZ) == pytest.approx(0.25)
    assert np.isnan(metrics.silence_speed(np.zeros(100), ~silence, RATE_HZ))


def test_the_level_of_a_sound() -> None:
    assert metrics.sound_level_db(np.ones(100)) == pytest.approx(0, abs=1e-6)
    assert metrics.sound_level_db(np.full(100, 0.01)) == pytest.approx(-40)
    assert metrics.sound_level_db(np.zeros(100)) < -100


def test_a_seam_is_a_step_among_others() -> None:
    assert metrics.seam_ratio([1.0, 1.2, 0.8, 1.0, 3.0]) == pytest.approx(3)
    assert metrics.seam_ratio([0.0, 0.0, 0.0, 0.0]) == 0
    assert np.isnan(metrics.seam_ratio([]))
