"""What browsers report of the picture, and what they ask for again."""

import asyncio
from typing import Any

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_RTPFB_NACK,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    pack_remb_fci,
)

from realtime.rtc.feedback import FIRST_ROUND_TRIP_S, MOST_REPEATS, Losses, Resending, follow_reports, round_trip_s


@pytest.mark.parametrize(
    ("round_trip", "asked_s", "sent_again"),
    [
        pytest.param(0.1, [1.0], [True], id="the first time"),
        pytest.param(0.1, [1.0, 1.05, 1.09], [True, False, False], id="it is on its way"),
        pytest.param(0.1, [1.0, 1.05, 1.11], [True, False, True], id="it should have come"),
        pytest.param(0.6, [1.0, 1.1, 1.2, 1.5, 1.61], [True, False, False, False, True], id="a long way"),
        pytest.param(
            0.02, [1 + n / 10 for n in range(8)], [True] * MOST_REPEATS + [False] * (8 - MOST_REPEATS), id="in vain"
        ),
    ],
)
def test_a_packet_is_sent_again_when_that_is_of_use(
    round_trip: float, asked_s: list[float], sent_again: list[bool]
) -> None:
    resending = Resending()
    resending.round_trip_s = round_trip
    assert [resending.wanted(7, now_s) for now_s in asked_s] == sent_again
    # Each for itself.
    assert resending.wanted(8, asked_s[-1])


def test_it_remembers_no_more_packets_than_are_kept() -> None:
    resending = Resending()
    for sequence in range(5000):
        resending.wanted(sequence, 1.0)
    assert len(resending._sent) <= 256


NOW = 0xE000_0000_8000_0000


@pytest.mark.parametrize(
    ("sent_before_s", "held_s", "expected"),
    [(0.1, 0.0, 0.1), (0.65, 0.05, 0.6), (90.0, 89.7, 0.3), (100.0, 1.0, None), (0.1, 0.2, None)],
)
def test_how_far_away_a_browser_is(sent_before_s: float, held_s: float, expected: float | None) -> None:
    last_report = ((NOW - int(sent_before_s * (1 << 32))) >> 16) & 0xFFFFFFFF
    assert round_trip_s(last_report, int(held_s * 65536), NOW) == (
        None if expected is None else pytest.approx(expected, abs=0.001)
    )


def test_who_was_sent_no_report_says_nothing_about_the_way() -> None:
    assert round_trip_s(0, 0, NOW) is None


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([(100, 2), (150, 5), (150, 5)], [(0, 0), (50, 3), (0, 0)]),
        ([(0xFFFFFFF0, 0), (0x10, 4)], [(0, 0), (32, 4)]),
        pytest.param([(100, 5), (200, 3)], [(0, 0), (100, -2)], id="late ones came"),
        pytest.param([(200, 5), (190, 5), (210, 6)], [(0, 0), (0, 0), (10, 1)], id="a report overtaken"),
    ],
)
def test_counts_become_what_happened_since(reports: list[tuple[int, int]], expected: list[tuple[int, int]]) -> None:
    losses = Losses()
    assert [losses.since(*report) for report in reports] == expected


class Told:
    """Stands for a ladder."""

    def __init__(self) -> None:
        self.reports: list[tuple[int, int]] = []
        self.kbit_s: list[float] = []

    def reported(self, due: int, lost: int, now_s: float) -> None:
        self.reports.append((due, lost))

    def estimated(self, kbit_s: float, now_s: float) -> None:
        self.kbit_s.append(kbit_s)


async def test_reports_reach_the_ladder_and_requests_the_library() -> None:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    sender: RTCRtpSender = connection.addTransceiver("video").sender
    again: list[int] = []

    async def note(sequence_number: int) -> None:
        again.append(sequence_number)

    sender._retransmit = note  # type: ignore[method-assign]
    told: Any = Told()
    follow_reports(sender, told)
    for ssrc, highest, lost in ((sender._ssrc, 500, 1), (sender._ssrc + 1, 900, 7), (sender._ssrc, 560, 6)):
        report = RtcpReceiverInfo(
            ssrc=ssrc, fraction_lost=0, packets_lost=lost, highest_sequence=highest, jitter=0, lsr=0, dlsr=0
        )
        await sender._handle_rtcp_packet(RtcpRrPacket(ssrc=1, reports=[report]))
    assert told.reports == [(0, 0), (60, 5)]
    for fci in (pack_remb_fci(640_000, [sender._ssrc]), b"nonsense"):
        await sender._handle_rtcp_packet(RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=1, media_ssrc=0, fci=fci))
    assert told.kbit_s == [pytest.approx(640, rel=0.01)]
    nack = RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=1, media_ssrc=sender._ssrc, lost=[5, 6])
    await sender._handle_rtcp_packet(nack)
    await sender._handle_rtcp_packet(nack)
    assert again == [5, 6]
    await asyncio.sleep(FIRST_ROUND_TRIP_S + 0.02)
    await sender._handle_rtcp_packet(nack)
    assert again == [5, 6, 5, 6]
    # The library's own statistics go on.
    assert any(entry.type == "remote-inbound-rtp" for entry in (await sender.getStats()).values())
    await connection.close()
