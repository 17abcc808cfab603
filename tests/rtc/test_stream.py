"""RTP packets as the other end reads them."""

import pytest
from aiortc import rtp
from aiortc.clock import current_ntp_time
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpSendParameters

from realtime.rtc.stream import KEPT_PACKETS, Repeats, RtpStream, ntp

SSRC, TYPE = 0x89ABCDEF, 102
REPEATS = Repeats(0x01234567, 103)


def extensions(ids: tuple[int, int] = (1, 3)) -> rtp.HeaderExtensionsMap:
    uris = "urn:ietf:params:rtp-hdrext:sdes:mid", "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
    found = rtp.HeaderExtensionsMap()
    found.configure(
        RTCRtpSendParameters(
            headerExtensions=[
                RTCRtpHeaderExtensionParameters(id=number, uri=uri) for number, uri in zip(ids, uris, strict=True)
            ]
        )
    )
    return found


def made(stream: RtpStream, count: int, position: int = 0) -> list[rtp.RtpPacket]:
    values = extensions().set(rtp.HeaderExtensions(mid="1", abs_send_time=77))
    return [
        rtp.RtpPacket.parse(packet, extensions())
        for packet in stream.make([bytes([number]) * 5 for number in range(count)], position, values)
    ]


def test_packets_are_numbered_in_a_row_and_the_last_is_marked() -> None:
    stream = RtpStream(SSRC, TYPE, REPEATS)
    packets = made(stream, 3) + made(stream, 1, 3600)
    first = packets[0].sequence_number
    assert [packet.sequence_number for packet in packets] == [first, first + 1, first + 2, first + 3]
    assert [packet.marker for packet in packets] == [0, 0, 1, 1]
    assert [packet.payload for packet in packets[:3]] == [b"\0" * 5, b"\1" * 5, b"\2" * 5]
    assert {(packet.ssrc, packet.payload_type) for packet in packets} == {(SSRC, TYPE)}
    assert (packets[3].timestamp - packets[0].timestamp) & 0xFFFFFFFF == 3600
    assert {(packet.extensions.mid, packet.extensions.abs_send_time) for packet in packets} == {("1", 77)}
    assert (stream.packets, stream.octets) == (4, 20)


def test_numbers_and_times_wrap() -> None:
    stream = RtpStream(SSRC, TYPE, REPEATS)
    stream._sequence, stream._origin = 0xFFFF, 0xFFFFFFFF
    packets = made(stream, 2, 2)
    assert [packet.sequence_number for packet in packets] == [0xFFFF, 0]
    assert {packet.timestamp for packet in packets} == {1}


def test_a_packet_without_extensions_has_none() -> None:
    (packet,) = RtpStream(SSRC, TYPE, None).make([b"x"], 0, (0, b""))
    assert packet[0] == 0x80
    assert packet[12:] == b"x"


def test_what_was_lost_is_sent_again_as_agreed() -> None:
    stream = RtpStream(SSRC, TYPE, REPEATS)
    lost = made(stream, 3)[2]
    repeats = [stream.again(lost.sequence_number) for _ in range(2)]
    first, second = (rtp.RtpPacket.parse(packet, extensions()) for packet in repeats if packet)
    assert second.sequence_number == first.sequence_number + 1
    assert (first.ssrc, first.payload_type) == (REPEATS.ssrc, REPEATS.payload_type)
    found = rtp.unwrap_rtx(first, TYPE, SSRC)
    for name in ("sequence_number", "timestamp", "marker", "payload", "ssrc", "payload_type"):
        assert getattr(found, name) == getattr(lost, name)


def test_where_repeats_were_not_agreed_the_same_packet_goes_again() -> None:
    stream = RtpStream(SSRC, TYPE, None)
    (packet,) = stream.make([b"x"], 0, (0, b""))
    assert stream.again(int.from_bytes(packet[2:4], "big")) == packet


@pytest.mark.parametrize("back", [KEPT_PACKETS, 0])
def test_what_is_not_kept_is_not_sent_again(back: int) -> None:
    stream = RtpStream(SSRC, TYPE, REPEATS)
    newest = made(stream, KEPT_PACKETS + 5)[-1].sequence_number
    assert stream.again(newest - back if back else newest + 1) is None
    assert stream.again(newest - KEPT_PACKETS + 1) is not None


def test_times_are_those_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    assert abs(ntp(time.time()) - current_ntp_time()) < 1 << 32
