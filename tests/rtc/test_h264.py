"""Pictures in payloads: what a browser puts together again is what was encoded."""

import random

import av
import numpy as np
import pytest
from aiortc.codecs.h264 import H264PayloadDescriptor

from realtime.rtc.encoder import FaceEncoder
from realtime.rtc.h264 import LONGEST_PAYLOAD, Still, payloads

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


def pictures(count: int, width: int, height: int) -> list[np.ndarray]:
    """A pattern that slides, so that no two are alike."""
    rows, columns = np.mgrid[: height * 3 // 2, :width]
    return [(96 + 64 * np.sin((columns + 3 * shift) / 7 + rows / 11)).astype(np.uint8) for shift in range(count)]


@pytest.mark.parametrize(("width", "height"), [(64, 48), (512, 512), (360, 640)])
def test_a_picture_shown_once_more_is_the_same_to_the_last_pixel_and_what_follows_goes_on(
    width: int, height: int
) -> None:
    drawn = pictures(40, width, height)
    plain, sparing = FaceEncoder(width, height), FaceEncoder(width, height)
    expected = [bytes(plain.encode(picture, 2 * number)) for number, picture in enumerate(drawn)]
    sent = []
    for number, picture in enumerate(drawn):
        sent.append(sparing.encode(picture, 2 * number))
        sent.append(sparing.encode(picture, 2 * number + 1, unchanged=True))
    # The encoder knows nothing of them.
    assert [bytes(packet) for packet in sent[::2]] == expected
    assert max(packet.size for packet in sent[1::2]) < 20
    decoder = av.CodecContext.create("h264", "r")
    seen = [frame.to_ndarray() for packet in [*sent, None] for frame in decoder.decode(packet)]  # type: ignore[attr-defined]
    assert len(seen) == 80
    for first, second in zip(seen[::2], seen[1::2], strict=True):
        np.testing.assert_array_equal(first, second)
    assert all((first != second).any() for first, second in zip(seen[1::2], seen[2::2], strict=False))


def test_a_picture_is_not_shown_a_third_time_and_not_before_there_is_one() -> None:
    encoder, still, drawn = FaceEncoder(64, 48), Still(64, 48), pictures(3, 64, 48)
    assert still.again() is None
    for index, picture in enumerate(drawn):
        still.note(bytes(encoder.encode(picture, index)))
        assert still.again() is not None
        assert still.again() is None


def test_a_key_frame_that_is_wanted_is_made_though_nothing_moves() -> None:
    encoder, (picture, *_) = FaceEncoder(64, 48), pictures(1, 64, 48)
    encoder.encode(picture, 0)
    assert encoder.encode(picture, 1, key=True, unchanged=True).is_keyframe


def test_where_the_stream_is_of_another_kind_nothing_is_made_up() -> None:
    still = Still(64, 48)
    assert still.again() is None
    # These parameters say that times are told in each picture.
    still.note(b"\0\0\0\1\x67\x42\xc0\x1f\xf4\0\0\0\1\x65\x88\x84\x21\xa0")
    assert still.again() is None
