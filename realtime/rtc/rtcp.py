"""What little of RTCP is spoken with a server that forwards. Pure."""

from struct import pack
from typing import Final

VERSION: Final = 0x80
RECEIVER_REPORT: Final = 201
PAYLOAD_FEEDBACK: Final = 206
PICTURE_LOST: Final = 1
WHOLE_PICTURE_WANTED: Final = 4


def empty_report(ssrc: int) -> bytes:
    """A packet that says nothing but where to answer."""
    return pack("!BBHI", VERSION, RECEIVER_REPORT, 1, ssrc)


def asks_for_key_frame(packet: bytes) -> bool:
    """Whether a packet says that pictures were lost, or that a whole one is wanted."""
    if len(packet) < 4 or packet[0] & 0xC0 != VERSION:
        return False
    return packet[1] == PAYLOAD_FEEDBACK and packet[0] & 0x1F in (PICTURE_LOST, WHOLE_PICTURE_WANTED)
