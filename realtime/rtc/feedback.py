"""What a browser reports of the picture on its way there: how much is lost, how far away it is, what it lacks.

What is relied on of the library's private parts stands here; tests/rtc/test_feedback.py fails where a version hides it.
"""

import time
from typing import Any, Final

from aiortc import RTCRtpSender
from aiortc.rtp import RTCP_PSFB_APP, RtcpPsfbPacket, RtcpRrPacket, RtcpSrPacket, unpack_remb_fci

from realtime.rtc.ladder import Ladder
from realtime.rtc.stream import ntp, steady_unix_s

# Nobody is farther away; what says so is a report of something else.
LONGEST_ROUND_TRIP_S: Final = 5.0
FIRST_ROUND_TRIP_S: Final = 0.1
LEAST_ROUND_TRIP_S: Final = 0.02
# So many packets do not pass between two reports.
LONGEST_STRIDE: Final = 1 << 24
# A packet comes too late after its picture was given up, and then only costs.
MOST_REPEATS: Final = 4


class Resending:
    """Decides which packets are sent again: browsers ask again and again for one that is on its way already."""

    def __init__(self) -> None:
        self.round_trip_s = FIRST_ROUND_TRIP_S
        self._sent: dict[int, tuple[int, float]] = {}

    def wanted(self, sequence: int, now_s: float) -> bool:
        """Whether to send the packet of this number again, now."""
        count, sent_s = self._sent.pop(sequence, (0, 0.0))
        due = count == 0 or now_s - sent_s >= self.round_trip_s
        repeated = due and count < MOST_REPEATS
        self._sent[sequence] = (count + 1, now_s) if repeated else (count, sent_s)
        # The numbers come round again; what is so long ago is not kept anyway.
        while len(self._sent) > 256:
            del self._sent[next(iter(self._sent))]
        return repeated


class Losses:
    """Follows a browser's counts, which go on from the beginning of a stream."""

    def __init__(self) -> None:
        self._highest: int | None = None
        self._lost = 0

    def since(self, highest: int, lost: int) -> tuple[int, int]:
        """How many packets were due since the last report, and how many more are missing; fewer where late ones came."""
        before, lost_before = self._highest, self._lost
        due = 0 if before is None else (highest - before) & 0xFFFFFFFF
        if due > LONGEST_STRIDE:
            # It was overtaken by a later one.
            return 0, 0
        self._highest, self._lost = highest, lost
        return (0, 0) if before is None else (due, lost - lost_before)


def round_trip_s(last_report: int, since: int, now_ntp: int) -> float | None:
    """How long to the browser and back, from what its report says of our last one (RFC 3550, 6.4.1); None where it cannot be.

    last_report: the middle 32 bits of our report's time. since: how long it was there, in 1/65536 s. now_ntp: 64 bits.
    """
    if not last_report:
        return None
    took_s = (((now_ntp >> 16) - last_report - since) & 0xFFFFFFFF) / 65536
    return took_s if took_s < LONGEST_ROUND_TRIP_S else None


def follow_reports(sender: RTCRtpSender, ladder: Ladder) -> None:
    """Let the ladder know what the browser reports of this sender's picture, and send again only what is of use."""
    resending, losses = Resending(), Losses()
    handle, retransmit = sender._handle_rtcp_packet, sender._retransmit

    async def handled(packet: Any) -> None:
        now_s = time.monotonic()
        if isinstance(packet, RtcpRrPacket | RtcpSrPacket):
            for report in packet.reports:
                if report.ssrc == sender._ssrc:
                    ladder.reported(*losses.since(report.highest_sequence, report.packets_lost), now_s)
                    took_s = round_trip_s(report.lsr, report.dlsr, ntp(steady_unix_s()))
                    if took_s is not None:
                        resending.round_trip_s = max(LEAST_ROUND_TRIP_S, took_s)
        elif isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
            try:
                bits_s, _ = unpack_remb_fci(packet.fci)
            except ValueError:
                return
            ladder.estimated(bits_s / 1000, now_s)
        await handle(packet)

    async def retransmitted(sequence_number: int) -> None:
        if resending.wanted(sequence_number, time.monotonic()):
            await retransmit(sequence_number)

    sender._handle_rtcp_packet = handled  # type: ignore[method-assign]
    sender._retransmit = retransmitted  # type: ignore[method-assign]
