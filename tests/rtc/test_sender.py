"""Our own way of sending: what it relies on, and what the other end gets and can ask for."""

import asyncio

from aiortc import RTCConfiguration, RTCPeerConnection, rtp
from aiortc.rtcrtpsender import RTCRtpSender

from realtime.rtc.sender import PacketSender
from tests.rtc.test_peer import Call, calling


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


async def test_a_lost_packet_is_sent_again_and_a_lost_picture_made_anew() -> None:
    async with calling() as call:
        await call.connect()
        call.play()
        await call.browser.until(lambda b: len(b.pictures) >= 5)
        sender = sender_of(call, "video")
        again: list[bytes] = []
        send = sender._send_packet
        sender._send_packet = lambda packet: (again.append(packet), send(packet))[1]  # type: ignore[method-assign]
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


async def test_reports_tell_what_was_sent() -> None:
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
        assert abs(passed_s - shown_s) < 0.5
