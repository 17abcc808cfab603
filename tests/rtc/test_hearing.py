"""What is heard of a microphone whose packets come late, twice, or not at all."""

import numpy as np
import pytest

from realtime.rtc.encoder import SAMPLES_PER_PACKET, VoiceEncoder
from realtime.rtc.hearing import (
    HELD_PACKETS,
    LATER_PACKETS,
    LONGEST_GAP_MS,
    QUIET_AFTER_PACKETS,
    QUIET_DB,
    Hearing,
    Order,
)
from realtime.rtc.opus import OpusDecoder

RATE_HZ = 16_000
PACKET = 320
TICKS = 960


def came(order: Order, *numbers: int, first_time: int = 0) -> list[tuple[int, int]]:
    """Push packets of 20 ms by their numbers; which came out, each with how many packets are missing before it."""
    return [
        (int(packet.payload), packet.missing // TICKS)
        for number in numbers
        for packet in order.push(number % 65_536, (first_time + number * TICKS) % (1 << 32), b"%d" % number, TICKS)
    ]


@pytest.mark.parametrize(
    ("pushed", "expected"),
    [
        pytest.param([0, 1, 2], [(0, 0), (1, 0), (2, 0)], id="in order, nothing waits"),
        pytest.param([0, 2, 1, 3], [(0, 0), (1, 0), (2, 0), (3, 0)], id="two swapped"),
        pytest.param([0, 2], [(0, 0)], id="one missing: the next waits"),
        pytest.param([0, 2, 3], [(0, 0), (2, 1), (3, 0)], id="given up when two later ones are there"),
        pytest.param([0, 2, 3, 1, 4], [(0, 0), (2, 1), (3, 0), (4, 0)], id="too late is never"),
        pytest.param([0, 0, 1, 1], [(0, 0), (1, 0)], id="twice"),
        pytest.param([0, 4, 5], [(0, 0), (4, 3), (5, 0)], id="three missing"),
        pytest.param([0, 2, 4, 5], [(0, 0), (2, 1), (4, 1), (5, 0)], id="every other"),
        pytest.param(
            [65_534, 65_535, 65_536, 65_538, 65_539],
            [(65_534, 0), (65_535, 0), (65_536, 0), (65_538, 1), (65_539, 0)],
            id="over the end of the numbers",
        ),
        pytest.param([5, 6, 20_000, 20_001], [(5, 0), (6, 0), (20_000, 0), (20_001, 0)], id="begun anew"),
    ],
)
def test_packets_come_in_order_and_what_is_missing_is_known(pushed: list[int], expected: list[tuple[int, int]]) -> None:
    assert came(Order(), *pushed) == expected


def test_times_may_run_over_their_end() -> None:
    assert came(Order(), 0, 1, 3, 4, first_time=(1 << 32) - 2 * TICKS) == [(0, 0), (1, 0), (3, 1), (4, 0)]


def test_nobody_waits_for_more_than_a_few_packets() -> None:
    order = Order()
    came(order, 0)
    waiting = 0
    for number in range(2, 200, 2):
        waiting = waiting + 1 - len(came(order, number))
        assert waiting <= LATER_PACKETS


def test_a_long_absence_counts_as_a_second() -> None:
    order = Order()
    came(order, 0)
    (back,) = order.push(1, 60 * 48_000, b"1", TICKS)
    assert back.missing == LONGEST_GAP_MS * 48


def tone(count: int) -> list[bytes]:
    """Packets of a tone that grows and shrinks."""
    times_s = np.arange(count * SAMPLES_PER_PACKET) / 24_000
    sound = (9000 * np.sin(2 * np.pi * 300 * times_s) * (1.2 + np.sin(2 * np.pi * 3 * times_s)) / 2.2).astype(np.int16)
    encoder = VoiceEncoder()
    return [
        bytes(encoder.encode(sound[at * SAMPLES_PER_PACKET : (at + 1) * SAMPLES_PER_PACKET], at * SAMPLES_PER_PACKET))
        for at in range(count)
    ]


def heard(packets: list[bytes], lost: set[int]) -> np.ndarray:
    hearing = Hearing(RATE_HZ)
    pieces = [
        piece
        for number, payload in enumerate(packets)
        if number not in lost
        for piece in hearing.push(number, number * TICKS, payload)
    ]
    return np.concatenate(pieces)


@pytest.mark.parametrize("lost", [set(), {7}, {7, 8}, {5, 15, 25}, set(range(10, 40)), {49}, {0}])
def test_time_goes_on_whatever_is_lost(lost: set[int]) -> None:
    packets = tone(60)
    first = min(set(range(60)) - lost)
    assert len(heard(packets, lost)) == (60 - first) * PACKET


def test_a_packet_lost_alone_sounds_nearly_as_it_was() -> None:
    packets = tone(60)
    whole = heard(packets, set())
    lost = set(range(5, 55, 6))
    mended = heard(packets, lost)
    holes = whole.copy()
    for number in lost:
        holes[number * PACKET : (number + 1) * PACKET] = 0
    error = np.square(mended - whole)[: 55 * PACKET].sum()
    assert error < 0.1 * np.square(holes - whole)[: 55 * PACKET].sum()


def test_a_long_gap_fades_to_silence_and_what_follows_is_heard() -> None:
    sound = heard(tone(60), set(range(20, 40)))
    assert np.abs(sound[30 * PACKET : 39 * PACKET]).max() < 0.01
    assert np.abs(sound[42 * PACKET :]).max() > 0.1


def test_nonsense_is_skipped() -> None:
    hearing = Hearing(RATE_HZ)
    packets = tone(10)
    pieces = [
        piece
        for number, payload in enumerate([*packets[:4], b"\xff" * 3, b"", *packets[6:]])
        for piece in hearing.push(number, number * TICKS, payload)
    ]
    assert sum(map(len, pieces)) == 10 * PACKET


def test_opus_has_five_rates() -> None:
    with pytest.raises(ValueError, match="44100"):
        OpusDecoder(44_100)


def levelled(levels_db: list[int | None]) -> list[float]:
    """How loud each 20 ms of a tone come out, where its packets say that they are so far below full scale."""
    hearing = Hearing(RATE_HZ)
    pieces = [
        piece
        for number, (payload, below_db) in enumerate(zip(tone(len(levels_db)), levels_db, strict=True))
        for piece in hearing.push(number, number * TICKS, payload, below_db)
    ]
    return [float(loudest) for loudest in np.abs(np.concatenate(pieces)).reshape(-1, PACKET).max(axis=1)]


def test_lasting_quiet_is_silence_and_a_voice_is_heard_from_its_beginning() -> None:
    # The tone stands for the noise of a room; what is held back at the end is not heard yet.
    quiet: list[int | None] = [QUIET_DB] * (QUIET_AFTER_PACKETS + 102)
    found = levelled(quiet)
    assert len(quiet) - 2 * HELD_PACKETS < len(found) <= len(quiet) - HELD_PACKETS
    assert min(found[5:QUIET_AFTER_PACKETS]) > 0.01
    assert set(found[QUIET_AFTER_PACKETS:]) == {0.0}
    found = levelled([*quiet, QUIET_DB - 1])
    assert len(found) == len(quiet) + 1
    assert set(found[QUIET_AFTER_PACKETS : len(quiet) - HELD_PACKETS]) == {0.0}
    assert min(found[len(quiet) - HELD_PACKETS + 1 :]) > 0.01


@pytest.mark.parametrize("below_db", [None, QUIET_DB - 1])
def test_what_is_loud_or_says_nothing_is_always_heard(below_db: int | None) -> None:
    assert min(levelled([below_db] * 200)[5:]) > 0.01


def test_one_loud_packet_is_enough_to_go_on_listening() -> None:
    levels: list[int | None] = [QUIET_DB] * 200
    levels[180] = 20
    assert min(levelled(levels)[181:]) > 0.01
