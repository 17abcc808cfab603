"""Hears a browser's microphone: packets in, sound for the ears out, all in one step of the event loop.

The library would hand each packet to a task, then to a thread that decodes it, then back. What is relied on of its private
parts stands here; tests/rtc/test_microphone.py fails where a version hides it.
"""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from struct import unpack_from
from typing import Any, Final, NamedTuple

import numpy as np
import pylibsrtp
from aiortc import RTCRtpReceiver, RTCRtpTransceiver
from aiortc.rtcrtpparameters import RTCRtpReceiveParameters
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket, RtcpSrPacket, RtpPacket, is_rtcp
from numpy.typing import NDArray

from realtime.rtc.encoder import RTP_AUDIO_HZ
from realtime.rtc.hearing import Hearing

HEARING_RATE_HZ: Final = 16_000
LEVEL_URI: Final = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
ONE_BYTE_HEADERS: Final = 0xBEDE


class _Packet(NamedTuple):
    """A packet of the microphone. Its number and time are also what the library's statistics look at."""

    sequence_number: int
    timestamp: int
    ssrc: int
    payload: bytes
    below_db: int | None


def level(extensions: bytes, wanted: int) -> int | None:
    """How far below full scale, in dB, the extension of this number says that the sound is; None where there is none."""
    at = 0
    while wanted and at < len(extensions) - 1:
        number, length = extensions[at] >> 4, (extensions[at] & 0x0F) + 1
        if number == wanted:
            return extensions[at + 1] & 0x7F
        # A zero fills up, and has no length.
        at += 1 + length if extensions[at] else 1
    return None


def hear_with(transceiver: RTCRtpTransceiver, heard: Callable[[NDArray[np.float32]], None]) -> None:
    """Let `heard` have what comes over this transceiver, (n,) float32 at `HEARING_RATE_HZ`; before the answer is made."""
    microphone = Microphone(transceiver.receiver, heard)
    microphone._set_rtcp_ssrc(transceiver.sender._ssrc)
    transceiver._RTCRtpTransceiver__receiver = microphone  # type: ignore[attr-defined]


class Microphone(RTCRtpReceiver):
    """Takes the place of the library's receiver of sound."""

    def __init__(self, replaced: RTCRtpReceiver, heard: Callable[[NDArray[np.float32]], None]) -> None:
        super().__init__("audio", replaced.transport)
        self._track = replaced._track
        self._heard = heard
        self._hearing = Hearing(HEARING_RATE_HZ)
        self._level_id = 0
        self._payload_types: set[int | None] = set()
        self._own_ssrc = 0
        self._ssrc: int | None = None
        self._received = StreamStatistics(RTP_AUDIO_HZ)
        # When the browser's last report came, and the middle of its time: so it learns how far away we are.
        self._report_s, self._report_time = 0.0, 0
        self._reporting: asyncio.Task[None] | None = None

    async def receive(self, parameters: RTCRtpReceiveParameters) -> None:
        """Begin, as agreed."""
        if self._reporting is not None:
            return
        self._payload_types = {codec.payloadType for codec in parameters.codecs}
        self._level_id = next((header.id for header in parameters.headerExtensions if header.uri == LEVEL_URI), 0)
        dtls: Any = self.transport
        dtls._register_rtp_receiver(self, parameters)
        ice = dtls.transport._connection
        others = ice.data_received

        def data_received(data: bytes, component: int) -> None:
            if len(data) > 12 and 128 <= data[0] < 192 and not is_rtcp(data) and dtls._rx_srtp is not None:
                with suppress(pylibsrtp.Error):
                    self._take(dtls._rx_srtp.unprotect(data))
            else:
                others(data, component)

        ice.data_received = data_received
        self._reporting = asyncio.create_task(self._report())

    async def stop(self) -> None:
        """End."""
        self._enabled = False
        if self._reporting is not None:
            self.transport._unregister_rtp_receiver(self)
            self._reporting.cancel()
            with suppress(asyncio.CancelledError):
                await self._reporting

    def _set_rtcp_ssrc(self, ssrc: int) -> None:
        self._own_ssrc = ssrc

    def _handle_disconnect(self) -> None:
        pass

    def _take(self, packet: bytes) -> None:
        """One packet as it was before it was encrypted."""
        start, below_db = 12 + 4 * (packet[0] & 0x0F), None
        if packet[0] & 0x10 and len(packet) >= start + 4:
            profile, words = unpack_from("!HH", packet, start)
            extensions, start = start + 4, start + 4 + 4 * words
            if profile == ONE_BYTE_HEADERS:
                below_db = level(packet[extensions:start], self._level_id)
        end = len(packet) - packet[-1] if packet[0] & 0x20 else len(packet)
        if packet[1] & 0x7F in self._payload_types and start < end:
            sequence, timestamp, ssrc = unpack_from("!HLL", packet, 2)
            self._arrived(_Packet(sequence, timestamp, ssrc, packet[start:end], below_db))

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        """One packet that came by the library's way, before we were told of the connection."""
        self._arrived(_Packet(packet.sequence_number, packet.timestamp, packet.ssrc, packet.payload, None))

    def _arrived(self, packet: _Packet) -> None:
        if not self._enabled:
            return
        if packet.ssrc != self._ssrc:
            self._ssrc, self._received, self._hearing = (
                packet.ssrc,
                StreamStatistics(RTP_AUDIO_HZ),
                Hearing(HEARING_RATE_HZ),
            )
        self._received.add(packet)  # type: ignore[arg-type]
        for sound in self._hearing.push(packet.sequence_number, packet.timestamp, packet.payload, packet.below_db):
            self._heard(sound)

    async def _handle_rtcp_packet(self, packet: Any) -> None:
        if isinstance(packet, RtcpSrPacket):
            self._report_time = (packet.sender_info.ntp_timestamp >> 16) & 0xFFFFFFFF
            self._report_s = time.monotonic()

    async def _report(self) -> None:
        """Tell the browser now and then what arrived."""
        while True:
            await asyncio.sleep(0.5 + random.random())
            if self._ssrc is None:
                continue
            received = self._received
            since = int((time.monotonic() - self._report_s) * 65536) if self._report_time else 0
            report = RtcpReceiverInfo(
                ssrc=self._ssrc,
                fraction_lost=received.fraction_lost,
                packets_lost=received.packets_lost,
                highest_sequence=received.max_seq or 0,
                jitter=received.jitter,
                lsr=self._report_time,
                dlsr=since & 0xFFFFFFFF,
            )
            with suppress(ConnectionError):
                await self.transport._send_rtp(bytes(RtcpRrPacket(ssrc=self._own_ssrc, reports=[report])))
