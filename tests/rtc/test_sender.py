"""Our own way of sending: what it relies on, and what the other end gets and can ask for."""

import asyncio
import time

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, rtp
from aiortc.clock import current_ntp_time
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpSendParameters
from aiortc.rtcrtpsender import RTCRtpSender

from realtime.rtc.sender import Headers, PacketSender
from tests.rtc.test_peer import Call, calling

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
SENT = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"


def sender_of(call: Call, kind: str) -> PacketSender:
    sender = next(t.sender for t in call.peer._connection.getTransceivers() if t.kind == kind)
    assert isinstance(sender, PacketSender)
    return sender


async def test_the_library_keeps_what_is_relied_on() -> None:
    # Where a new version calls these something else, reports would tell nothing unnoticed.
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = connection.addTransceiver("audio")
    for name in ("sender", "receiver"):
        assert hasattr(transceiver, f"_RTCRtpTransceiver__{name}")
    for name in ("ntp_timestamp", "rtp_timestamp", "packet_count", "octet_count"):
        assert hasattr(transceiver.sender, f"_RTCRtpSender__{name}")
    assert hasattr(RTCRtpSender, "_next_encoded_frame")
    await connection.close()


@pytest.mark.parametrize("ids", [{MID: 1, SENT: 3}, {SENT: 3}, {MID: 1}, {MID: 1, SENT: 20}, {}])
def test_headers_say_what_was_agreed_on(ids: dict[str, int]) -> None:
    parameters = RTCRtpSendParameters(
        headerExtensions=[RTCRtpHeaderExtensionParameters(id=number, uri=uri) for uri, number in ids.items()],
        muxId="0",
    )
    known = rtp.HeaderExtensionsMap()
    known.configure(parameters)
    headers = Headers(parameters)
    for now_ntp in (0, current_ntp_time()):
        found = known.get(*headers.at(now_ntp))
        assert found.mid == ("0" if MID in ids else None)
        assert found.abs_send_time == (now_ntp >> 14 & 0xFFFFFF if SENT in ids else None)


async def test_a_lost_packet_is_sent_again_and_a_lost_picture_made_anew() -> None:
    async with calling() as call:
        await call.connect()
        call.play()
        await call.browser.until(lambda b: len(b.pictures) >= 5)
        sender = sender_of(call, "video")
        again: list[bytes] = []
        send = sender._send_packets
        sender._send_packets = lambda packets: (again.extend(packets), send(packets))[1]  # type: ignore[method-assign]
        assert sender._stream is not None
        lost = (sender._stream._sequence - 1) & 0xFFFF
        await sender._handle_rtcp_packet(
            rtp.RtcpRtpfbPacket(fmt=rtp.RTCP_RTPFB_NACK, ssrc=1, media_ssrc=sender._ssrc, lost=[lost])
        )
        (repeat,) = (packet for packet in again if rtp.RtpPacket.parse(packet).ssrc == sender._rtx_ssrc)
        assert repeat[12:]
        asked: list[bool] = []
        call.feed.attach(lambda: asked.append(True))
        await sender._handle_rtcp_packet(rtp.RtcpPsfbPacket(fmt=rtp.RTCP_PSFB_PLI, ssrc=1, media_ssrc=sender._ssrc))
        assert asked == [True]


async def test_reports_tell_what_was_sent_by_a_clock_that_nobody_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    async with calling() as call:
        await call.connect()
        call.play()
        receiver = next(t.receiver for t in call.browser.connection.getTransceivers() if t.kind == "video")
        reports: list[rtp.RtcpSrPacket] = []
        enough = asyncio.Event()
        handle = receiver._handle_rtcp_packet

        async def noted(packet: rtp.AnyRtcpPacket) -> None:
            if isinstance(packet, rtp.RtcpSrPacket):
                reports.append(packet)
                monkeypatch.setattr(time, "time", lambda: real() + 3600 * len(reports))
                if len([one for one in reports if one.sender_info.packet_count]) == 2:
                    enough.set()
            await handle(packet)

        receiver._handle_rtcp_packet = noted  # type: ignore[method-assign]
        async with asyncio.timeout(20):
            await enough.wait()
        first, last = reports[-2].sender_info, reports[-1].sender_info
        assert last.packet_count > first.packet_count
        assert last.octet_count > first.octet_count
        passed_s = (last.ntp_timestamp - first.ntp_timestamp) / (1 << 32)
        shown_s = ((last.rtp_timestamp - first.rtp_timestamp) & 0xFFFFFFFF) / 90_000
        # To the millisecond, however late the loop was: the time is that at which it was to be sent.
        assert passed_s == pytest.approx(shown_s, abs=0.001)
