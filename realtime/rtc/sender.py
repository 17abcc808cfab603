"""Sends what is encoded already: a picture or a piece of sound becomes packets and leaves within one step of the event loop.

The library's own way wakes a task for each unit and passes each packet through half a dozen coroutines. Everything besides
the packets of media (reports, their statistics, key frames that are asked for, pictures that are still to be encoded) stays
the library's. What is relied on of its private parts stands here; tests/rtc/test_sender.py fails where a version hides it.
"""

from typing import Any

import av
from aiortc import RTCRtpSender, RTCRtpTransceiver, rtp
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcdtlstransport import State
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpSendParameters
from aiortc.rtcrtpsender import RTCEncodedFrame

from realtime.rtc import h264
from realtime.rtc.encoder import Packet
from realtime.rtc.stream import Repeats, RtpStream, ntp, steady_unix_s
from realtime.rtc.tracks import FaceTrack, VoiceTrack

# Of the ICE connection's components only the first is used.
COMPONENT = 1


def send_packets(transceiver: RTCRtpTransceiver, track: FaceTrack | VoiceTrack) -> None:
    """Let the transceiver send this track's packets in our way; before the offer is taken."""
    transceiver._RTCRtpTransceiver__sender = PacketSender(transceiver.sender, track)  # type: ignore[attr-defined]


class Headers:
    """The header extensions of a stream: always the same, but for the time of sending where that was agreed on."""

    def __init__(self, parameters: RTCRtpSendParameters) -> None:
        known = rtp.HeaderExtensionsMap()
        known.configure(parameters)
        some = 0xA5C3E1
        self._profile, value = known.set(rtp.HeaderExtensions(mid=parameters.muxId, abs_send_time=some))
        self._before, self._timed, self._after = value.partition(some.to_bytes(3, "big"))

    def at(self, now_ntp: int) -> tuple[int, bytes]:
        """Profile and value for packets that are sent now, in NTP's units."""
        if not self._timed:
            return self._profile, self._before
        # Of the 64 bits, six of the seconds and eighteen behind the point.
        return self._profile, self._before + (now_ntp >> 14 & 0xFFFFFF).to_bytes(3, "big") + self._after


class PacketSender(RTCRtpSender):
    """Takes the place of the library's sender, under the same number."""

    def __init__(self, replaced: RTCRtpSender, track: FaceTrack | VoiceTrack) -> None:
        super().__init__(track, replaced.transport)
        self._ssrc, self._stream_id = replaced._ssrc, replaced._stream_id
        self._line = track
        self._stream: RtpStream | None = None
        self._clock_hz = 0
        self._ticks: int | None = None
        self._headers = Headers(RTCRtpSendParameters())

    async def send(self, parameters: RTCRtpSendParameters) -> None:
        """Begin, as agreed."""
        if self._stream is None:
            codec = parameters.codecs[0]
            assert codec.payloadType is not None
            repeats = next(
                (other.payloadType for other in parameters.codecs if other.parameters.get("apt") == codec.payloadType),
                None,
            )
            self._stream = RtpStream(
                self._ssrc, codec.payloadType, None if repeats is None else Repeats(self._rtx_ssrc, repeats)
            )
            self._clock_hz, self._headers = codec.clockRate, Headers(parameters)
        await super().send(parameters)

    async def _next_encoded_frame(self, codec: RTCRtpCodecParameters) -> RTCEncodedFrame | None:
        """Wait for a picture that the library has to encode; where there are packets, for the end of the track."""
        if codec.mimeType.lower() == "video/vp8":
            return await super()._next_encoded_frame(codec)
        self._line.send_to(self._send_unit)
        await self._line.ended()
        raise MediaStreamError

    def _send_unit(self, packet: Packet | av.VideoFrame, late_s: float) -> None:
        """Send one picture or piece of sound, so many seconds after its time."""
        stream = self._stream
        if stream is None or not self._enabled or packet.pts is None or isinstance(packet, av.VideoFrame):
            return
        now_s = steady_unix_s()
        if self._ticks is None:
            # The same for all packets of a track.
            self._ticks = int(self._clock_hz * packet.time_base)
        position = packet.pts * self._ticks
        payloads = h264.payloads(bytes(packet)) if self.kind == "video" else [bytes(packet)]
        self._send_packets(stream.make(payloads, position, self._headers.at(ntp(now_s))))
        # For the library's sender reports, by which browsers bring picture and sound together: a busy loop must not show in them.
        private: Any = self
        private._RTCRtpSender__ntp_timestamp = ntp(now_s - late_s)
        private._RTCRtpSender__rtp_timestamp = stream.timestamp(position)
        private._RTCRtpSender__packet_count = stream.packets
        private._RTCRtpSender__octet_count = stream.octets

    def _send_packets(self, packets: list[bytes]) -> None:
        """Encrypt packets and send them where the connection was made; what cannot be sent is lost."""
        dtls: Any = self.transport
        pair = dtls.transport._connection._nominated.get(COMPONENT)
        if pair is None or dtls._state is not State.CONNECTED:
            return
        protect, send, address = dtls._tx_srtp.protect, pair.protocol.transport.sendto, pair.remote_addr
        for packet in packets:
            send(protect(packet), address)

    async def _retransmit(self, sequence_number: int) -> None:
        """Send a packet again that the browser misses."""
        if self._stream is None or (packet := self._stream.again(sequence_number)) is None:
            await super()._retransmit(sequence_number)
        else:
            self._send_packets([packet])
