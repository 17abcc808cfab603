"""H.264: an encoded picture cut into payloads that RTP carries (RFC 6184), and pictures in which nothing changes."""

from typing import Final

# With headers, encryption and a relay's four bytes a packet stays below 1400, which VPNs let through as well.
LONGEST_PAYLOAD: Final = 1300

_START: Final = b"\0\0\1"
_FRAGMENT: Final = 28
_FIRST, _LAST = 0x80, 0x40
_SLICE, _KEY_SLICE, _PARAMETERS = 1, 5, 7
_ALL_PREDICTED: Final = 5
_TIMES_BY_ORDER: Final = 2


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


class Still:
    """Makes pictures that show the one before once more, in a dozen bytes: every block of them is skipped.

    They are no reference for those that follow, so the encoder need not know of them. For what it was set to make here:
    constrained baseline, one slice a picture, times that follow from the order. Between two of them comes a real picture.
    """

    def __init__(self, width: int, height: int) -> None:
        self._blocks = -(-width // 16) * -(-height // 16)
        self._number_bits: int | None = None
        self._number: int | None = None

    def note(self, picture: bytes) -> None:
        """Look at a picture that was encoded."""
        self._number = None
        for unit in _units(picture):
            kind = unit[0] & 0x1F
            if kind == _PARAMETERS:
                self._number_bits = _number_bits(unit)
            elif kind in (_SLICE, _KEY_SLICE) and self._number_bits is not None:
                bits = _Bits(unit[1:12])
                for _ in ("first block", "kind of slice", "parameters"):
                    bits.exponential()
                self._number = bits.plain(self._number_bits)

    def again(self) -> bytes | None:
        """The picture once more; None where the last one was one of these, or none was there."""
        number, self._number = self._number, None
        if number is None or self._number_bits is None:
            return None
        following = (number + 1) % (1 << self._number_bits)
        fields = (
            *(_exponential(0), _exponential(_ALL_PREDICTED), _exponential(0), f"{following:0{self._number_bits}b}"),
            # The usual references in the usual order, the usual quantiser, and nothing smoothed.
            *("0", "0", _exponential(0), _exponential(1)),
            *(_exponential(self._blocks), "1"),
        )
        text = "".join(fields)
        text += "0" * (-len(text) % 8)
        return _START + bytes((_SLICE,)) + _protected(int(text, 2).to_bytes(len(text) // 8, "big"))


def _number_bits(parameters: bytes) -> int | None:
    """How many bits a picture's number has; None where times do not follow from the order alone."""
    bits = _Bits(parameters[4:])
    bits.exponential()
    count = bits.exponential() + 4
    return count if bits.exponential() == _TIMES_BY_ORDER else None


def _exponential(value: int) -> str:
    """A number in the code of Exp-Golomb, as text of zeros and ones."""
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits


def _protected(data: bytes) -> bytes:
    """With a three wherever two zeros would else look like the beginning of a start code."""
    out = bytearray()
    for byte in data:
        if byte <= 3 and out[-2:] == b"\0\0":
            out.append(3)
        out.append(byte)
    return bytes(out)


class _Bits:
    """Reads the beginning of a unit bit by bit."""

    def __init__(self, data: bytes) -> None:
        self._text = "".join(f"{byte:08b}" for byte in data.replace(b"\0\0\3", b"\0\0"))
        self._at = 0

    def plain(self, count: int) -> int:
        """A number of so many bits."""
        self._at += count
        return int(self._text[self._at - count : self._at], 2)

    def exponential(self) -> int:
        """A number in the code of Exp-Golomb."""
        zeros = self._text.index("1", self._at) - self._at
        self._at += zeros
        return self.plain(zeros + 1) - 1
