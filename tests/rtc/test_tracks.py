"""The outlet: what the media thread makes goes out in order, at its time, and never piles up."""

import asyncio
import threading
import time

import av
import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from avatars.engine.speech.spoken import SAMPLES_PER_FRAME
from realtime.rtc import FRAME_S, FanOut, Feed, FrameClock, Outlet, Tick
from realtime.rtc.outlet import LOST_KEY_INTERVAL_FRAMES, PICTURE_AFTER_SOUND_S, SENT_AFTER_S
from realtime.rtc.transport import LONGEST_BACKLOG_FRAMES

WIDTH, HEIGHT = 64, 48
PICTURE = np.full((HEIGHT * 3 // 2, WIDTH), 90, np.uint8)
SOUND = np.zeros(SAMPLES_PER_FRAME, np.int16)
WITHIN_S = 10.0


def tick(index: int, due_s: float | None = None, *, picture: bool = True) -> Tick:
    return Tick(index, time.monotonic() - 1 if due_s is None else due_s, 0.0, 0, picture)


class Single(Outlet):
    """An outlet with one connection."""

    def __init__(self) -> None:
        audience = FanOut()
        super().__init__(WIDTH, HEIGHT, audience)
        self.line = Feed()
        self.face, self.voice = self.line.face, self.line.voice
        audience.add(self.line)

    def close(self) -> None:
        super().close()
        self.line.close()


def outlet() -> Single:
    return Single()


async def feed(out: Outlet, *ticks: Tick) -> None:
    """Feed from another thread, as the media thread does."""

    def work() -> None:
        for one in ticks:
            out.feed(one, PICTURE, SOUND)

    thread = threading.Thread(target=work)
    thread.start()
    await asyncio.to_thread(thread.join)
    await asyncio.sleep(0)


async def test_a_frame_becomes_one_picture_and_two_packets_of_sound() -> None:
    out = outlet()
    await feed(out, tick(0), tick(1), tick(2))
    assert [(await out.face.recv()).pts for _ in range(3)] == [0, 1, 2]
    assert [(await out.voice.recv()).pts for _ in range(6)] == [0, 960, 1920, 2880, 3840, 4800]
    out.close()


async def test_a_gap_in_the_numbers_is_a_gap_in_both_times() -> None:
    out = outlet()
    await feed(out, tick(0), tick(25))
    faces = [await out.face.recv() for _ in range(2)]
    voices = [await out.voice.recv() for _ in range(4)]
    seconds = [[float(unit.pts * unit.time_base) for unit in units] for units in (faces, voices)]
    assert seconds == [pytest.approx([0, 1]), pytest.approx([0, 0.02, 1, 1.02])]
    out.close()


async def test_a_frame_without_a_picture_sends_its_sound() -> None:
    out = outlet()
    await feed(out, tick(0), tick(1, picture=False), tick(2))
    assert [(await out.face.recv()).pts for _ in range(2)] == [0, 2]
    assert [(await out.voice.recv()).pts for _ in range(6)] == [0, 960, 1920, 2880, 3840, 4800]
    assert out.pictures_sent == 2
    out.close()


async def test_nothing_is_sent_before_its_time() -> None:
    out = outlet()
    clock = FrameClock(time.monotonic() + 0.05)
    made = [clock.tick(clock.due_s) for _ in range(3)]
    await feed(out, *made)

    async def sent(track: object, count: int) -> list[float]:
        times = []
        for _ in range(count):
            await track.recv()  # type: ignore[attr-defined]
            times.append(time.monotonic())
        return times

    faces, voices = await asyncio.gather(sent(out.face, 3), sent(out.voice, 6))
    early_s = 0.003
    for one, at in zip(made, faces, strict=True):
        assert at >= one.due_s + SENT_AFTER_S + PICTURE_AFTER_SOUND_S - early_s
    for number, at in enumerate(voices):
        assert at >= made[0].due_s + SENT_AFTER_S + number * FRAME_S / 2 - early_s
    out.close()


async def test_who_is_late_gets_everything_at_once() -> None:
    out = outlet()
    await feed(out, *(tick(index) for index in range(4)))
    before_s = time.monotonic()
    for _ in range(8):
        await out.voice.recv()
    assert time.monotonic() - before_s < 0.5
    out.close()


async def test_an_outlet_that_nobody_empties_says_that_it_is_congested() -> None:
    out = outlet()
    for index in range(LONGEST_BACKLOG_FRAMES):
        assert not out.congested
        await feed(out, tick(index))
    assert out.congested
    assert out.backlog_frames == LONGEST_BACKLOG_FRAMES
    for _ in range(2):
        await out.voice.recv()
    assert not out.congested
    out.close()


def loudness(packets: list[av.Packet]) -> list[float]:
    """Root mean square of each packet, decoded in a row."""
    decoder = av.CodecContext.create("libopus", "r")
    decoded = [frame.to_ndarray().astype(np.float64) for packet in packets for frame in decoder.decode(packet)]
    return [float(np.sqrt(np.square(samples).mean())) for samples in decoded]


async def test_a_hushed_voice_ends_at_once_and_speaks_again_afterwards() -> None:
    out = outlet()
    tone = (8000 * np.sin(np.arange(SAMPLES_PER_FRAME) * 2 * np.pi * 225 / 24_000)).astype(np.int16)
    for index in range(20):
        # One more frame was in the making; then the voice is silent for a while, as it is after an interruption.
        out.feed(tick(index), PICTURE, SOUND if 7 <= index < 14 else tone)
        if index == 5:
            out.hush()
    await asyncio.sleep(0)
    packets = [await out.voice.recv() for _ in range(40)]
    assert [packet.pts for packet in packets] == [960 * number for number in range(40)]
    heard = loudness(packets)
    assert max(heard[2:28]) < 0.05 * max(heard[30:])
    assert min(heard[30:]) > 0.5 * max(heard[30:])
    out.close()


async def test_a_key_frame_that_is_asked_for_comes_once() -> None:
    out = outlet()
    await feed(out, *(tick(index) for index in range(16)))
    out.line.request_key_frame()
    out.line.request_key_frame()
    await feed(out, *(tick(index) for index in range(16, 28)))
    keys = [packet.pts for packet in [await out.face.recv() for _ in range(28)] if packet.is_keyframe]  # type: ignore[union-attr]
    assert keys == [0, 16]
    out.close()


async def test_key_frames_keep_their_distance() -> None:
    out = outlet()
    for index in range(40):
        out.line.request_key_frame()
        await feed(out, tick(index))
    keys = [packet.pts for packet in [await out.face.recv() for _ in range(40)] if packet.is_keyframe]  # type: ignore[union-attr]
    assert keys == list(range(0, 40, LOST_KEY_INTERVAL_FRAMES))
    out.close()


async def test_a_key_frame_waits_for_a_picture() -> None:
    out = outlet()
    await feed(out, *(tick(index) for index in range(16)))
    out.line.request_key_frame()
    await feed(out, tick(16, picture=False), tick(17))
    packets = [await out.face.recv() for _ in range(17)]
    assert packets[-1].pts == 17
    assert packets[-1].is_keyframe  # type: ignore[union-attr]
    out.close()


async def test_frames_are_sent_raw_where_the_browser_wants_vp8() -> None:
    out = outlet()
    out.line.raw = True
    await feed(out, tick(3))
    frame = await out.face.recv()
    assert isinstance(frame, av.VideoFrame)
    assert (frame.pts, frame.width, frame.height) == (3, WIDTH, HEIGHT)
    out.close()


async def test_a_picture_that_did_not_change_costs_next_to_nothing() -> None:
    out = outlet()
    for index in range(6):
        out.feed(tick(index), PICTURE, SOUND, unchanged=index % 2 == 1)
    await asyncio.sleep(0)
    packets = [await out.face.recv() for _ in range(6)]
    assert [packet.pts for packet in packets] == list(range(6))
    assert all(packet.size < 20 for packet in packets[1::2])  # type: ignore[union-attr]
    out.close()


async def test_a_closed_outlet_ends_both_tracks_and_takes_no_more() -> None:
    out = outlet()
    waiting = [asyncio.create_task(track.recv()) for track in (out.face, out.voice)]
    await asyncio.sleep(0)
    out.close()
    out.close()
    async with asyncio.timeout(WITHIN_S):
        for result in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(result, MediaStreamError)
    await feed(out, tick(0))
    for track in (out.face, out.voice):
        assert track.readyState == "ended"
        with pytest.raises(MediaStreamError):
            await track.recv()


async def test_what_was_on_its_way_when_the_outlet_closed_is_dropped() -> None:
    out = outlet()
    thread = threading.Thread(target=out.feed, args=(tick(0), PICTURE, SOUND))
    thread.start()
    thread.join()
    out.close()
    await asyncio.sleep(0)
    with pytest.raises(MediaStreamError):
        await out.voice.recv()


async def test_a_picture_of_the_wrong_size_is_refused() -> None:
    out = outlet()
    with pytest.raises(ValueError):  # noqa: PT011 - the words are the library's
        out.feed(tick(0), PICTURE[0], SOUND)
    out.close()


def test_feeding_after_the_loop_has_ended_does_no_harm() -> None:
    async def make() -> Single:
        return outlet()

    out = asyncio.run(make())
    out.feed(tick(0), PICTURE, SOUND)
