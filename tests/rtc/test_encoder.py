"""What browsers are sent: H.264 that all of them play, Opus, and times that count from the samples."""

import av
import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from realtime.rtc.encoder import (
    BUFFER_S,
    MAX_RATE_KBIT_S,
    NARROW_BUFFER_S,
    SAMPLES_PER_PACKET,
    SETTLING_PACKETS,
    FaceEncoder,
    VoiceEncoder,
    h264_context,
    max_rate_kbit_s,
    picture_frame,
    silence_packet,
    voice_frame,
)
from realtime.rtc.ladder import RUNGS

WIDTH, HEIGHT = 128, 96
SPS, PPS, IDR, SLICE = 7, 8, 5, 1


def picture(index: int = 0, noise: int = 8, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A brightness that wanders, with a little noise."""
    pixels = np.random.default_rng(index).integers(0, noise, (height * 3 // 2, width), np.uint8)
    pixels[:height] += 40 + index % 100
    pixels[height:] = 128
    return pixels


def units(packet: object) -> list[int]:
    """The kinds of NAL unit in a packet."""
    data = bytes(packet)  # type: ignore[call-overload]
    found, at = [], data.find(b"\0\0\1")
    while at >= 0:
        found.append(data[at + 3] & 31)
        at = data.find(b"\0\0\1", at + 3)
    return found


def sps_of(packet: object) -> bytes:
    data = bytes(packet)  # type: ignore[call-overload]
    at = data.index(b"\0\0\1\x67")
    return data[at + 4 : at + 7]


def test_the_profile_is_constrained_baseline() -> None:
    profile, constraints, level = sps_of(FaceEncoder(WIDTH, HEIGHT).encode(picture(), 0))
    assert profile == 66
    # A decoder of the baseline and one of the main profile both take it.
    assert constraints & 0xC0 == 0xC0
    assert level <= 31


def test_the_first_picture_can_be_decoded_and_no_other_is_a_key_frame() -> None:
    encoder = FaceEncoder(WIDTH, HEIGHT)
    packets = [encoder.encode(picture(index), index) for index in range(60)]
    assert {SPS, PPS, IDR} <= set(units(packets[0]))
    assert [packet.is_keyframe for packet in packets] == [True] + [False] * 59


def test_a_key_frame_comes_when_it_is_asked_for() -> None:
    encoder = FaceEncoder(WIDTH, HEIGHT)
    packets = [encoder.encode(picture(index), index, key=index == 7) for index in range(12)]
    assert [index for index, packet in enumerate(packets) if packet.is_keyframe] == [0, 7]
    # Whoever joins there needs no earlier packet.
    assert {SPS, PPS, IDR} <= set(units(packets[7]))


def test_a_decoder_shows_every_picture_at_once() -> None:
    encoder = FaceEncoder(WIDTH, HEIGHT)
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count, decoder.flags = 1, decoder.flags | Flags.low_delay
    shown = []
    for index in range(20):
        packet = encoder.encode(picture(index), index)
        for frame in decoder.decode(packet):
            shown.append((index, frame.to_ndarray()[:HEIGHT].mean()))
    assert [index for index, _ in shown] == list(range(20))
    assert all(level == pytest.approx(picture(index)[:HEIGHT].mean(), abs=4) for index, level in shown)


@pytest.mark.parametrize("indices", [range(5), [0, 1, 7, 8, 40], [100, 101, 250]])
def test_a_picture_has_the_time_of_its_number(indices: list[int]) -> None:
    encoder = FaceEncoder(WIDTH, HEIGHT)
    for index in indices:
        packet = encoder.encode(picture(index), index)
        assert packet.pts == packet.dts == index
        assert packet.time_base is not None
        assert float(packet.pts * packet.time_base) == pytest.approx(index / 25)


def test_a_picture_that_changes_all_over_stays_below_the_cap() -> None:
    encoder = FaceEncoder(256, 256)
    sizes = [encoder.encode(picture(index, noise=200, width=256, height=256), index).size for index in range(100)]
    assert sum(sizes[25:]) * 8 / 3 / 1000 < 1.3 * MAX_RATE_KBIT_S


def test_the_picture_may_be_overwritten_afterwards() -> None:
    one, other = FaceEncoder(WIDTH, HEIGHT), FaceEncoder(WIDTH, HEIGHT)
    buffer = picture(0).copy()
    packets = []
    for index in range(5):
        buffer[:] = picture(index)
        packets.append(bytes(one.encode(buffer, index)))
        buffer[:] = 0
    assert packets == [bytes(other.encode(picture(index), index)) for index in range(5)]


@pytest.mark.parametrize("rung", range(len(RUNGS)))
def test_a_lower_rung_has_fewer_bits_and_a_smaller_key_frame(rung: int) -> None:
    encoder = FaceEncoder(256, 256, rung)
    sizes = [encoder.encode(picture(index, noise=200, width=256, height=256), index).size for index in range(100)]
    cap_kbit_s = max_rate_kbit_s(256, 256, rung)
    assert cap_kbit_s == round(RUNGS[rung] * MAX_RATE_KBIT_S)
    assert sum(sizes[25:]) * 8 / 3 / 1000 < 1.35 * cap_kbit_s
    # However much there is in a picture, a key frame keeps the voice waiting for a moment only.
    detailed = np.random.default_rng(1).integers(0, 255, (768, 512), np.uint8)
    narrow = FaceEncoder(512, 512, rung)
    keys = [narrow.encode(detailed, index, key=index == 50).size for index in range(51)]
    buffer_s = NARROW_BUFFER_S if rung else BUFFER_S
    for key in (keys[0], keys[50]):
        assert key * 8 / 1000 / max_rate_kbit_s(512, 512, rung) < 1.1 * buffer_s


@pytest.mark.parametrize(("width", "height"), [(127, 96), (128, 95), (0, 0), (-2, 4)])
def test_a_picture_with_an_odd_side_is_refused(width: int, height: int) -> None:
    with pytest.raises(ValueError, match="even"):
        h264_context(width, height)


def test_a_frame_of_raw_picture_has_the_time_of_its_number() -> None:
    frame = picture_frame(picture(), 12)
    assert (frame.width, frame.height, frame.format.name) == (WIDTH, HEIGHT, "yuv420p")
    assert frame.time == pytest.approx(0.48)


def tone(position: int, count: int = SAMPLES_PER_PACKET) -> np.ndarray:
    seconds = (position + np.arange(count)) / 24_000
    return (8000 * np.sin(2 * np.pi * 440 * seconds)).astype(np.int16)


def test_a_packet_of_voice_has_the_time_of_its_first_sample() -> None:
    encoder = VoiceEncoder()
    positions = [0, 480, 960, 24_000, 24_480]
    packets = [encoder.encode(tone(position), position) for position in positions]
    # RTP counts Opus at 48 kHz.
    assert [packet.pts for packet in packets] == [2 * position for position in positions]
    assert all(packet.time_base is not None and packet.time_base.denominator == 48_000 for packet in packets)


def test_the_voice_sounds_as_it_was() -> None:
    encoder = VoiceEncoder()
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, AudioCodecContext)
    decoder.sample_rate, decoder.layout = 48_000, "mono"
    heard = []
    for position in range(0, 24_000, SAMPLES_PER_PACKET):
        for frame in decoder.decode(encoder.encode(tone(position), position)):
            heard.append(frame.to_ndarray().ravel().astype(np.float64))
    sound = np.concatenate(heard)[4800:]
    peak = np.abs(np.fft.rfft(sound)).argmax() * 48_000 / len(sound)
    assert peak == pytest.approx(440, abs=5)


@pytest.mark.parametrize("count", [0, 479, 481, 960])
def test_a_packet_is_twenty_milliseconds(count: int) -> None:
    with pytest.raises(ValueError, match="480"):
        VoiceEncoder().encode(np.zeros(count, np.int16), 0)


def test_a_frame_of_raw_voice_has_the_time_of_its_first_sample() -> None:
    frame = voice_frame(tone(0), 12_000)
    assert (frame.sample_rate, frame.samples, frame.layout.name) == (24_000, SAMPLES_PER_PACKET, "mono")
    assert frame.time == pytest.approx(0.5)


def test_a_still_face_costs_little() -> None:
    encoder = FaceEncoder(WIDTH, HEIGHT)
    sizes = [encoder.encode(picture(1), index).size for index in range(50)]
    assert np.mean(sizes[25:]) < sizes[0] / 20


@pytest.mark.parametrize(
    ("size", "kbit_s"), [((320, 240), 900), ((512, 512), 900), ((768, 768), 1350), ((720, 1280), 1688)]
)
def test_larger_pictures_may_have_more_bits(size: tuple[int, int], kbit_s: int) -> None:
    assert max_rate_kbit_s(*size) == kbit_s
    assert f"vbv-maxrate={kbit_s}:vbv-bufsize={round(kbit_s / 2)}" in h264_context(*size).options["x264-params"]


def test_one_frame_for_all_pictures_is_as_good_as_a_new_one_for_each() -> None:
    encoder, plain = FaceEncoder(128, 96), h264_context(128, 96)
    rng = np.random.default_rng(5)
    for index in range(12):
        picture = rng.integers(16, 235, (144, 128), np.uint8)
        expected = plain.encode(picture_frame(picture, index))
        assert bytes(encoder.encode(picture, index)) == bytes(expected[0])


def test_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="144, 128"):
        FaceEncoder(128, 96).encode(np.zeros((96, 128), np.uint8), 0)


def test_lasting_silence_is_one_packet_and_a_voice_comes_through_after_it() -> None:
    encoder = VoiceEncoder()
    silence, voice = np.zeros(SAMPLES_PER_PACKET, np.int16), np.full(SAMPLES_PER_PACKET, 5000, np.int16)
    packets = [encoder.encode(silence, n * SAMPLES_PER_PACKET) for n in range(SETTLING_PACKETS + 20)]
    assert {bytes(packet) for packet in packets[SETTLING_PACKETS:]} == {silence_packet()}
    assert [packet.pts for packet in packets] == [n * 960 for n in range(len(packets))]
    assert bytes(encoder.encode(voice, len(packets) * SAMPLES_PER_PACKET)) != silence_packet()
