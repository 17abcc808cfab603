"""A stream of RTP packets: their numbers and times, their headers, and those that are sent again."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from struct import pack
from typing import Final

# A browser asks for what it misses within a tenth of a second; these last for a whole one.
KEPT_PACKETS: Final = 128
NTP_EPOCH_S: Final = 2_208_988_800
_STARTED_UNIX_S: Final = time.time() - time.monotonic()


def steady_unix_s() -> float:
    """Seconds since 1970 as they were when this process began, and steady from there: browsers bring picture and sound
    together by it, and somebody may set the clock of this machine."""
    return _STARTED_UNIX_S + time.monotonic()


def ntp(unix_s: float) -> int:
    """A time in seconds since 1970 as NTP writes it: seconds since 1900 in units of 2**-32."""
    return int((unix_s + NTP_EPOCH_S) * (1 << 32))


@dataclass(frozen=True, slots=True)
class Repeats:
    """Under which name and type packets are sent again (RFC 4588)."""

    ssrc: int
    payload_type: int


class RtpStream:
    """Makes the packets of one stream. Where `repeats` is None, a packet is sent again as it was."""

    def __init__(self, ssrc: int, payload_type: int, repeats: Repeats | None) -> None:
        self.packets = self.octets = 0
        self._ssrc, self._payload_type, self._repeats = ssrc, payload_type, repeats
        # In the lower half: a wrap at the very beginning would spoil the encryption.
        self._sequence = random.randrange(1 << 15)
        self._repeat_sequence = random.randrange(1 << 15)
        self._origin = random.randrange(1 << 32)
        self._kept: dict[int, tuple[int, bytes, int]] = {}

    def timestamp(self, position: int) -> int:
        """The time that packets carry for a position counted from the stream's beginning."""
        return (self._origin + position) & 0xFFFFFFFF

    def make(self, payloads: Sequence[bytes], position: int, extensions: tuple[int, bytes]) -> list[bytes]:
        """The packets of one picture or piece of sound; the last is marked.

        position: in units of the stream's clock. extensions: profile and value of the header extensions; 0 for none.
        """
        profile, value = extensions
        extension = pack("!HH", profile, len(value) // 4) + value if profile else b""
        first, time = 0x90 if profile else 0x80, self.timestamp(position)
        made = []
        for left, payload in zip(range(len(payloads) - 1, -1, -1), payloads, strict=True):
            sequence = self._sequence
            mark = self._payload_type if left else self._payload_type | 0x80
            packet = pack("!BBHLL", first, mark, sequence, time, self._ssrc) + extension + payload
            self._kept[sequence % KEPT_PACKETS] = (sequence, packet, len(packet) - len(payload))
            made.append(packet)
            self._sequence = (sequence + 1) & 0xFFFF
            self.octets += len(payload)
        self.packets += len(made)
        return made

    def again(self, sequence: int) -> bytes | None:
        """The packet with this number as it is sent again; None where it is not kept any more."""
        kept, packet, start = self._kept.get(sequence % KEPT_PACKETS, (-1, b"", 0))
        if kept != sequence:
            return None
        if self._repeats is None:
            return packet
        number, self._repeat_sequence = self._repeat_sequence, (self._repeat_sequence + 1) & 0xFFFF
        mark = packet[1] & 0x80 | self._repeats.payload_type
        header = packet[:1] + pack("!BH", mark, number) + packet[4:8] + pack("!L", self._repeats.ssrc)
        return header + packet[12:start] + pack("!H", sequence) + packet[start:]
