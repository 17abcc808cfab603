"""Pictures in payloads: what a browser puts together again is what was encoded."""

import random

import pytest
from aiortc.codecs.h264 import H264PayloadDescriptor

from realtime.rtc.h264 import LONGEST_PAYLOAD, payloads

SPS, PPS, SLICE = b"\x67\x42\xc0\x1f", b"\x68\xce\x3c\x80", b"\x65"


def unit(kind: bytes, size: int) -> bytes:
    # Without zeros, so that no start code arises by chance.
    return kind + random.Random(size).randbytes(size - len(kind)).replace(b"\0", b"\7")


def put_together(parts: list[bytes]) -> bytes:
    return b"".join(H264PayloadDescriptor.parse(part)[1] for part in parts)


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param([9], id="small"),
        pytest.param([LONGEST_PAYLOAD], id="just in one"),
        pytest.param([LONGEST_PAYLOAD + 1], id="just in two"),
        pytest.param([2 * (LONGEST_PAYLOAD - 2) + 1], id="two full ones"),
        pytest.param([40_000], id="many"),
        pytest.param([9, 9, 5000, 20], id="several units"),
    ],
)
def test_every_unit_comes_out_as_it_was(sizes: list[int]) -> None:
    units = [unit(SLICE, size) for size in sizes]
    parts = payloads(b"".join(b"\0\0\0\1" + one for one in units))
    assert max(map(len, parts)) <= LONGEST_PAYLOAD
    assert put_together(parts) == b"".join(b"\0\0\0\1" + one for one in units)


def test_start_codes_may_be_short_or_long() -> None:
    found = payloads(b"\0\0\0\1" + SPS + b"\0\0\1" + PPS + b"\0\0\0\1" + SLICE + b"abc")
    assert found == [SPS, PPS, SLICE + b"abc"]


def test_parts_of_a_unit_are_nearly_equal_and_no_more_than_needed() -> None:
    sizes = [len(part) for part in payloads(b"\0\0\1" + unit(SLICE, 4000))]
    assert len(sizes) == 4
    assert max(sizes) - min(sizes) < 4


def test_nothing_has_no_payloads() -> None:
    assert payloads(b"") == []
