"""The guard against the avatar's own voice, in a made-up room."""

import numpy as np
import pytest

from avatars.engine.speech.spoken import SAMPLE_RATE_HZ
from realtime.agent.echo_guard import REFERENCE_SAMPLES, USER_SHARE, EchoGuard, PlayedSound, Reference
from realtime.agent.protocols import HEARING_RATE_HZ, Samples
from realtime.agent.vad import FRAME_MS, FRAME_SAMPLES

SECONDS = 20


def babble(seconds: float, rate_hz: int, seed: int) -> Samples:
    """Something like speech: harmonics of a wandering pitch under a wandering envelope, with pauses."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    knots = np.arange(0, seconds + 1, 0.12)
    pitch_hz = np.interp(time_s, knots, rng.uniform(90, 260, len(knots)))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / rate_hz
    sound = np.zeros_like(time_s)
    for harmonic in range(1, 25):
        strength = np.interp(time_s, knots, rng.exponential(1.0, len(knots))) / harmonic
        sound += np.where(harmonic * pitch_hz < rate_hz / 2, strength * np.sin(harmonic * phase), 0)
    envelope = np.interp(time_s, knots, rng.choice([0.0, 0.5, 1.0, 1.0], len(knots)))
    sound *= envelope
    return (sound * 0.1 / np.sqrt(np.mean(np.square(sound)))).astype(np.float32)


def echo(played: Samples, leak_db: float, delay_ms: int) -> Samples:
    """What a microphone hears of it through a room."""
    at = np.arange(0, len(played), SAMPLE_RATE_HZ / HEARING_RATE_HZ)
    slow = np.interp(at, np.arange(len(played)), played)
    rng = np.random.default_rng(9)
    length = HEARING_RATE_HZ // 5
    room = rng.normal(0, 1, length) * np.exp(-np.arange(length) / (0.036 * HEARING_RATE_HZ))
    room[0] = 8
    wet = np.convolve(slow, room / np.sqrt(np.square(room).sum()))
    delayed = np.concatenate([np.zeros(delay_ms * HEARING_RATE_HZ // 1000), wet])[: len(slow)]
    noise = rng.normal(0, 8e-4, len(slow))
    return (delayed * 10 ** (leak_db / 20) + noise).astype(np.float32)


def shares(microphone: Samples, played: Samples | None) -> list[float]:
    guard = EchoGuard()
    return [
        guard.user_share(
            microphone[n * FRAME_SAMPLES : (n + 1) * FRAME_SAMPLES],
            None if played is None else played[n * REFERENCE_SAMPLES : (n + 1) * REFERENCE_SAMPLES],
        )
        for n in range(len(microphone) // FRAME_SAMPLES)
    ]


def barged_in(counting: list[bool]) -> bool:
    return any(sum(counting[n : n + 7]) >= 4 for n in range(len(counting)))


@pytest.mark.parametrize("delay_ms", [60, 180, 300])
@pytest.mark.parametrize("leak_db", [-20, -30, -40])
def test_the_avatar_alone_is_not_the_user(leak_db: float, delay_ms: int) -> None:
    played = babble(SECONDS, SAMPLE_RATE_HZ, 1)
    found = shares(echo(played, leak_db, delay_ms), played)
    assert not barged_in([share >= USER_SHARE for share in found])


@pytest.mark.parametrize("below_db", [0, -10])
def test_the_user_is_heard_over_the_avatar(below_db: float) -> None:
    played = babble(SECONDS, SAMPLE_RATE_HZ, 1)
    heard = echo(played, -25, 180)
    user = babble(3, HEARING_RATE_HZ, 2) * np.float32(10 ** (below_db / 20))
    start = 12 * HEARING_RATE_HZ
    heard[start : start + len(user)] += user
    first = start // FRAME_SAMPLES
    found = shares(heard, played)
    assert barged_in([share >= USER_SHARE for share in found[first : first + 700 // FRAME_MS]])


def test_without_a_reference_everything_is_the_user() -> None:
    assert set(shares(babble(1, HEARING_RATE_HZ, 3), None)) == {1.0}


def test_the_played_sound_is_found_where_the_playback_is() -> None:
    played = PlayedSound()
    reference = Reference(played)
    played.add(4, np.arange(24_000, dtype=np.float32))
    played.add(4, np.arange(24_000, 48_000, dtype=np.float32))
    assert reference.frame(None, 0) is None
    assert reference.frame(3, 0) is None
    first, second = reference.frame(4, 1500), reference.frame(4, 1520)
    assert first is not None
    assert second is not None
    assert first[0] == 36_000
    assert second[0] == 36_000 + REFERENCE_SAMPLES
    assert reference.frame(4, 2500) is None
    played.add(5, np.ones(100, np.float32))
    assert reference.frame(4, 0) is None
    padded = reference.frame(5, 0)
    assert padded is not None
    assert padded.sum() == 100
