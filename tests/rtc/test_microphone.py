"""The microphone: packets in order, silence that costs nothing, and what the browser is told."""

import asyncio

import pytest
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpSendParameters
from aiortc.rtp import AnyRtcpPacket, HeaderExtensions, HeaderExtensionsMap, RtcpReceiverInfo, RtcpRrPacket

from realtime.rtc.microphone import (
    HEARING_RATE_HZ,
    LEVEL_URI,
    Microphone,
    level,
)
from tests.rtc.test_peer import calling

PACKET_SAMPLES = HEARING_RATE_HZ // 50


def headers(**values: object) -> bytes:
    known = HeaderExtensionsMap()
    uris = ("urn:ietf:params:rtp-hdrext:sdes:mid", LEVEL_URI)
    known.configure(
        RTCRtpSendParameters(
            headerExtensions=[
                RTCRtpHeaderExtensionParameters(id=number, uri=uri) for number, uri in enumerate(uris, start=4)
            ]
        )
    )
    return known.set(HeaderExtensions(**values))[1]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("extensions", "wanted", "found"),
    [
        (headers(mid="0", audio_level=(False, 71)), 5, 71),
        (headers(audio_level=(True, 20)), 5, 20),
        (headers(mid="0"), 5, None),
        (headers(mid="0", audio_level=(False, 71)), 0, None),
        (b"\0\0" + headers(audio_level=(False, 127)), 5, 127),
        (b"", 5, None),
        (b"\x50", 5, None),
    ],
)
def test_the_level_is_read_from_the_headers(extensions: bytes, wanted: int, found: int | None) -> None:
    assert level(extensions, wanted) == found


async def test_the_browser_is_told_what_arrived() -> None:
    async with calling() as call:
        await call.connect()
        microphone = next(t.receiver for t in call.peer._connection.getTransceivers() if t.kind == "audio")
        assert isinstance(microphone, Microphone)
        sender = next(t.sender for t in call.browser.connection.getTransceivers() if t.kind == "audio")
        told: list[RtcpReceiverInfo] = []
        came = asyncio.Event()
        handle = sender._handle_rtcp_packet

        async def noted(packet: AnyRtcpPacket) -> None:
            if isinstance(packet, RtcpRrPacket):
                told.extend(packet.reports)
                came.set()
            await handle(packet)

        sender._handle_rtcp_packet = noted  # type: ignore[method-assign]
        async with asyncio.timeout(20):
            await came.wait()
        assert told[0].ssrc == sender._ssrc
        assert told[0].packets_lost == 0
        # Where levels are not agreed on, silence would cost as much as speech unnoticed.
        assert microphone._level_id
