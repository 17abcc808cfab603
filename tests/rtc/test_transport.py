"""Fanning out: everybody gets the same packets, joins at a key frame, and nobody spoils it for the others."""

import asyncio
import time

import av
import numpy as np
import pytest

from avatars.engine.speech.spoken import SAMPLES_PER_FRAME
from realtime.rtc import FanOut, Feed, Outlet, Tick
from realtime.rtc.ladder import FIRST_RUNG
from realtime.rtc.outlet import KEY_INTERVAL_FRAMES, LOST_KEY_INTERVAL_FRAMES, SHARED_KEY_INTERVAL_FRAMES
from realtime.rtc.transport import LONGEST_BACKLOG_FRAMES

WIDTH, HEIGHT = 64, 48
PICTURE = np.full((HEIGHT * 3 // 2, WIDTH), 90, np.uint8)
SOUND = np.zeros(SAMPLES_PER_FRAME, np.int16)


class Audience:
    """An outlet, and connections that take what comes or do not."""

    def __init__(self, count: int) -> None:
        self.fan_out = FanOut()
        self.outlet = Outlet(WIDTH, HEIGHT, self.fan_out)
        self.feeds = [Feed() for _ in range(count)]
        self.index = 0
        self.pictures: dict[int, list[av.Packet | av.VideoFrame]] = {}
        for feed in self.feeds:
            self.fan_out.add(feed)

    def join(self, feed: Feed | None = None) -> Feed:
        feed = feed or Feed()
        self.feeds.append(feed)
        self.fan_out.add(feed)
        return feed

    async def play(self, frames: int, *, stuck: Feed | None = None) -> None:
        """So many frames; everybody but `stuck` takes them at once."""
        for _ in range(frames):
            self.outlet.feed(Tick(self.index, time.monotonic() - 1, 0.0, 0, True), PICTURE, SOUND)
            await asyncio.sleep(0)
            self.index += 1
            for feed in self.feeds:
                if feed is stuck:
                    continue
                while feed.voice._units:
                    await feed.voice.recv()
                while feed.face._units:
                    self.pictures.setdefault(id(feed), []).append(await feed.face.recv())

    def times(self, feed: Feed) -> list[int | None]:
        return [unit.pts for unit in self.pictures.get(id(feed), [])]

    def keys(self, feed: Feed) -> list[int | None]:
        return [u.pts for u in self.pictures.get(id(feed), []) if isinstance(u, av.Packet) and u.is_keyframe]

    def close(self) -> None:
        self.outlet.close()
        for feed in self.feeds:
            feed.close()


async def test_a_picture_is_encoded_once_and_reaches_everybody() -> None:
    audience = Audience(3)
    await audience.play(10)
    first, *others = ([bytes(unit) for unit in audience.pictures[id(feed)]] for feed in audience.feeds)  # type: ignore[arg-type]
    assert len(first) == 10
    assert all(other == first for other in others)
    assert audience.outlet.pictures_sent == 10
    audience.close()


async def test_who_joins_sees_nothing_before_a_key_frame_that_is_made_for_them() -> None:
    audience = Audience(1)
    await audience.play(20)
    late = audience.join()
    await audience.play(10)
    assert audience.times(late) == list(range(20, 30))
    assert audience.keys(late) == [20]
    assert audience.keys(audience.feeds[0]) == [0, 20]
    audience.close()


async def test_many_who_join_at_once_share_a_key_frame() -> None:
    audience = Audience(1)
    await audience.play(2)
    late = [audience.join() for _ in range(4)]
    await audience.play(10)
    assert audience.keys(audience.feeds[0]) == [0, KEY_INTERVAL_FRAMES]
    assert all(audience.times(feed)[0] == KEY_INTERVAL_FRAMES for feed in late)
    audience.close()


async def test_lost_pictures_of_anybody_ask_the_one_encoder_and_not_more_than_once_a_second() -> None:
    audience = Audience(3)
    await audience.play(30)
    for _ in range(30):
        for feed in audience.feeds[1:]:
            feed.request_key_frame()
        await audience.play(1)
    assert audience.keys(audience.feeds[0]) == [0, 30, 30 + SHARED_KEY_INTERVAL_FRAMES]
    audience.close()


async def test_one_who_is_alone_gets_a_key_frame_soon_and_not_one_for_each_time_they_ask() -> None:
    audience = Audience(1)
    await audience.play(20)
    for _ in range(LOST_KEY_INTERVAL_FRAMES - 1):
        audience.feeds[0].request_key_frame()
        await audience.play(1)
    assert audience.keys(audience.feeds[0]) == [0, 20]
    await audience.play(2)
    assert audience.keys(audience.feeds[0]) == [0, 20, 20 + LOST_KEY_INTERVAL_FRAMES]
    audience.close()


async def test_a_key_frame_comes_with_another_rung_and_none_comes_of_itself() -> None:
    audience = Audience(1)
    await audience.play(200)
    (feed,) = audience.feeds
    assert audience.keys(feed) == [0]
    before_kbit_s = audience.outlet.rate_kbit_s
    feed.ladder.rung += 1
    await audience.play(100)
    assert audience.keys(feed) == [0, 200]
    assert audience.outlet.rate_kbit_s < before_kbit_s
    audience.close()


@pytest.mark.parametrize(
    ("rungs", "expected"),
    [([], FIRST_RUNG), ([0], 0), ([4], 4), ([0, 1], 1), ([0, 4], FIRST_RUNG), ([4, 4], FIRST_RUNG), ([0, 0, 0], 0)],
)
async def test_the_weakest_network_decides_but_not_for_many(rungs: list[int], expected: int) -> None:
    audience = Audience(len(rungs))
    for feed, rung in zip(audience.feeds, rungs, strict=True):
        feed.ladder.rung = rung
    raw = audience.join()
    raw.raw, raw.ladder.rung = True, 4
    assert audience.fan_out.stats().rung == expected
    audience.close()


async def test_one_that_is_stuck_is_left_out_and_comes_back_at_a_key_frame() -> None:
    audience = Audience(2)
    await audience.play(3)
    first, slow = audience.feeds
    await audience.play(40, stuck=slow)
    # The others' frames go on, and its queue does not grow for ever.
    assert not audience.outlet.congested
    assert slow.backlog_frames <= LONGEST_BACKLOG_FRAMES + 1
    before = audience.index
    await audience.play(40)
    assert audience.times(first) == list(range(83))
    after = [at for at in audience.times(slow) if at is not None and at >= before]
    assert after[0] in audience.keys(slow)
    assert after == list(range(after[0], 83))
    audience.close()


async def test_when_nobody_takes_anything_no_more_is_made() -> None:
    audience = Audience(2)
    for _ in range(LONGEST_BACKLOG_FRAMES):
        audience.outlet.feed(Tick(audience.index, time.monotonic() - 1, 0.0, 0, True), PICTURE, SOUND)
        audience.index += 1
    assert audience.outlet.congested
    await asyncio.sleep(0)
    assert audience.outlet.congested
    audience.close()


async def test_a_browser_without_h264_gets_raw_pictures_beside_the_others_packets() -> None:
    audience = Audience(1)
    raw = Feed()
    raw.raw = True
    audience.join(raw)
    await audience.play(3)
    assert all(isinstance(unit, av.VideoFrame) for unit in audience.pictures[id(raw)])
    assert all(isinstance(unit, av.Packet) for unit in audience.pictures[id(audience.feeds[0])])
    assert audience.times(raw) == [0, 1, 2]
    audience.close()


async def test_an_interruption_silences_every_voice() -> None:
    audience = Audience(2)
    await audience.play(2)
    audience.outlet.hush()
    assert {feed.voice._hushed_until for feed in audience.feeds} == {4 * SAMPLES_PER_FRAME * 2}
    audience.close()


async def test_who_has_left_is_sent_nothing_and_asks_for_nothing() -> None:
    audience = Audience(2)
    await audience.play(3)
    gone = audience.feeds[1]
    audience.fan_out.remove(gone)
    audience.fan_out.remove(gone)
    gone.request_key_frame()
    await audience.play(8)
    assert audience.times(gone) == [0, 1, 2]
    assert audience.keys(audience.feeds[0]) == [0]
    assert audience.fan_out.stats().receivers == 1
    audience.close()
    assert audience.fan_out.stats().receivers == 0
