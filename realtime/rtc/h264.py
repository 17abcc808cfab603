"""H.264 as RTP carries it (RFC 6184): an encoded picture cut into payloads that a packet holds."""

from typing import Final

# With headers, encryption and a relay's four bytes a packet stays below 1400, which VPNs let through as well.
LONGEST_PAYLOAD: Final = 1300

_START: Final = b"\0\0\1"
_FRAGMENT: Final = 28
_FIRST, _LAST = 0x80, 0x40


def payloads(picture: bytes, longest: int = LONGEST_PAYLOAD) -> list[bytes]:
    """Cut a picture with start codes (Annex B) into payloads of at most `longest` bytes, all of a unit near one size."""
    found: list[bytes] = []
    for unit in _units(picture):
        found += [unit] if len(unit) <= longest else _fragments(unit, longest)
    return found


def _units(picture: bytes) -> list[bytes]:
    """The units between the start codes."""
    units = []
    start = picture.find(_START)
    while start >= 0:
        begin = start + len(_START)
        start = picture.find(_START, begin)
        # A start code may begin with one more zero, and no unit ends with one.
        unit = picture[begin : start if start >= 0 else None].rstrip(b"\0")
        if unit:
            units.append(unit)
    return units


def _fragments(unit: bytes, longest: int) -> list[bytes]:
    """A unit that is too long, in fragments (FU-A): its header is told in two bytes of each."""
    indicator, kind = unit[0] & 0xE0 | _FRAGMENT, unit[0] & 0x1F
    count = -(-(len(unit) - 1) // (longest - 2))
    size = -(-(len(unit) - 1) // count)
    parts = [unit[start : start + size] for start in range(1, len(unit), size)]
    marks = [_FIRST, *[0] * (len(parts) - 2), _LAST]
    return [bytes((indicator, kind | mark)) + part for mark, part in zip(marks, parts, strict=True)]
