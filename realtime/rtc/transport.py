"""The way an avatar's picture and voice take to those who watch it, once they are encoded.

An outlet knows only the protocol. In one process a `FanOut` brings every packet to every connection; the `Forwarder` of
forwarder.py brings it once to a server that passes it on, for larger rooms.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import av

from realtime.rtc.encoder import Packet
from realtime.rtc.ladder import FIRST_RUNG
from realtime.rtc.tracks import Feed

LONGEST_BACKLOG_FRAMES: Final = 5

KeyFrameWanted = Callable[[bool], None]
"""Asks the encoder for a key frame; true where somebody has just come and sees nothing before it."""


@dataclass(frozen=True, slots=True)
class TransportStats:
    """How the packets get away.

    receivers: how many take them. backlog_frames: what waits at the one that keeps up best.
    packets, frames: whether anybody needs encoded pictures, and whether anybody needs raw ones.
    rung: of the ladder, what their networks bear.
    """

    receivers: int
    backlog_frames: int
    packets: bool
    frames: bool
    rung: int = FIRST_RUNG


class Transport(Protocol):
    """Everything on the event loop but `stats`, which any thread may ask for."""

    def open(self, key_frame_wanted: KeyFrameWanted) -> None:
        """Begin."""
        ...

    def push_video(self, unit: Packet | av.VideoFrame, due_s: float) -> None:
        """Send a picture, encoded or raw, at `due_s` of the monotonic clock."""
        ...

    def push_audio(self, packet: Packet, due_s: float) -> None:
        """Send 20 ms of Opus at `due_s`."""
        ...

    def interrupt(self, until: int) -> None:
        """Send silence in place of all sound whose time (its pts) lies before `until`."""
        ...

    def close(self) -> None:
        """Send nothing any more."""
        ...

    def stats(self) -> TransportStats:
        """How it goes."""
        ...


class FanOut:
    """A `Transport` to connections of this process: each sends the same packets under its own numbers and times."""

    def __init__(self) -> None:
        # Replaced and never changed: the media thread looks at it as well.
        self._feeds: tuple[Feed, ...] = ()
        self._key_frame_wanted: KeyFrameWanted = lambda joining: None

    def open(self, key_frame_wanted: KeyFrameWanted) -> None:
        """Begin."""
        self._key_frame_wanted = key_frame_wanted

    def add(self, feed: Feed) -> None:
        """One more connection; it sees something from the next key frame on, which is asked for."""
        if feed in self._feeds:
            return
        feed.attach(lambda: self._key_frame_wanted(False))
        self._feeds = (*self._feeds, feed)
        self._key_frame_wanted(True)

    def remove(self, feed: Feed) -> None:
        """One connection less."""
        if feed in self._feeds:
            self._feeds = tuple(other for other in self._feeds if other is not feed)
            feed.attach(None)

    def push_video(self, unit: Packet | av.VideoFrame, due_s: float) -> None:
        """Send a picture, encoded or raw, at `due_s` of the monotonic clock."""
        for feed, stuck in self._with_stuck():
            if stuck:
                feed.leave_out()
            else:
                feed.show(unit, due_s)

    def push_audio(self, packet: Packet, due_s: float) -> None:
        """Send 20 ms of Opus at `due_s`."""
        for feed, stuck in self._with_stuck():
            if not stuck:
                feed.say(packet, due_s)

    def _with_stuck(self) -> list[tuple[Feed, bool]]:
        """Each connection, and whether it is so far behind the others that its queue would only grow."""
        backlogs = [feed.backlog_frames for feed in self._feeds]
        best = min(backlogs, default=0)
        return [(feed, own - best > LONGEST_BACKLOG_FRAMES) for feed, own in zip(self._feeds, backlogs, strict=True)]

    @staticmethod
    def _rung(feeds: tuple[Feed, ...]) -> int:
        """What the weakest network bears; but one alone does not spoil the picture for many."""
        rungs = [feed.ladder.rung for feed in feeds if not feed.raw]
        weakest = max(rungs, default=FIRST_RUNG)
        return weakest if len(rungs) <= 1 else min(weakest, FIRST_RUNG)

    def interrupt(self, until: int) -> None:
        """Send silence in place of all sound whose time (its pts) lies before `until`."""
        for feed in self._feeds:
            feed.voice.hush(until)

    def close(self) -> None:
        """Let go of the connections; closing them is their owners' business."""
        for feed in self._feeds:
            self.remove(feed)

    def stats(self) -> TransportStats:
        """How it goes."""
        feeds = self._feeds
        return TransportStats(
            receivers=len(feeds),
            backlog_frames=min((feed.backlog_frames for feed in feeds), default=0),
            packets=any(not feed.raw for feed in feeds),
            frames=any(feed.raw for feed in feeds),
            rung=self._rung(feeds),
        )


class Several:
    """A `Transport` that is several: each gets everything."""

    def __init__(self, *parts: Transport) -> None:
        self._parts = parts

    def open(self, key_frame_wanted: KeyFrameWanted) -> None:
        """Begin."""
        for part in self._parts:
            part.open(key_frame_wanted)

    def push_video(self, unit: Packet | av.VideoFrame, due_s: float) -> None:
        """Send a picture, encoded or raw, at `due_s` of the monotonic clock."""
        for part in self._parts:
            part.push_video(unit, due_s)

    def push_audio(self, packet: Packet, due_s: float) -> None:
        """Send 20 ms of Opus at `due_s`."""
        for part in self._parts:
            part.push_audio(packet, due_s)

    def interrupt(self, until: int) -> None:
        """Send silence in place of all sound whose time (its pts) lies before `until`."""
        for part in self._parts:
            part.interrupt(until)

    def close(self) -> None:
        """Send nothing any more."""
        for part in self._parts:
            part.close()

    def stats(self) -> TransportStats:
        """How it goes; where one part keeps up, there is no reason to wait for another."""
        found = [part.stats() for part in self._parts]
        receivers = sum(stats.receivers for stats in found)
        weakest = max((stats.rung for stats in found if stats.receivers), default=FIRST_RUNG)
        return TransportStats(
            receivers=receivers,
            backlog_frames=min((stats.backlog_frames for stats in found if stats.receivers), default=0),
            packets=any(stats.packets for stats in found),
            frames=any(stats.frames for stats in found),
            rung=weakest if receivers <= 1 else min(weakest, FIRST_RUNG),
        )
