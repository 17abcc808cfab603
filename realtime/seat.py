"""One participant of a session: a page, over as many connections as it takes. Every method runs on the event loop."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from realtime.agent import Talker
from realtime.guests import Guest
from realtime.ice import worker_network
from realtime.rtc import Feed, Forwarder, Peer, Viewer
from realtime.taskset import TaskSet

COME_BACK_WITHIN_S: Final = 3.0
# A conversation that stood and whose network broke: a page notices that after seven seconds, and then tries for thirty.
MENDED_WITHIN_S: Final = 40.0
CONNECT_WITHIN_S: Final = 20.0
LOST: Final = "The connection was lost."


class Host(Protocol):
    """What a seat tells its session."""

    def heard(self, seat: "Seat", samples: NDArray[np.float32]) -> None:
        """The microphone gave these (n,) float32 samples, mono, 16 kHz."""

    def received(self, seat: "Seat", message: dict[str, Any]) -> None:
        """The page said something over its data channel."""

    def connected(self, seat: "Seat") -> None:
        """Media can flow."""

    def channel_opened(self, seat: "Seat") -> None:
        """The page can be told things."""

    def disconnected(self, seat: "Seat") -> None:
        """The connection is gone; the page may come back with a new one."""

    def dropped(self, connection: "Connection") -> None:
        """Nothing is to be sent there any more."""

    def whisper(self, seat: "Seat", event: Mapping[str, Any]) -> None:
        """Tell its page something over its WebSocket."""

    def left(self, seat: "Seat", reason: str, sentence: str) -> None:
        """It will not come back."""


class Connection:
    """One connection of a seat: what its page does, told as long as there is no newer one."""

    peer: Peer | Viewer

    def __init__(self, seat: "Seat") -> None:
        self._seat = seat

    def tell(self, event: Mapping[str, Any]) -> bool:
        """Send an event to the page; false when that is impossible now."""
        raise NotImplementedError

    def heard(self, samples: NDArray[np.float32]) -> None:
        """Pass on the microphone."""
        if self._is_current():
            self._seat.host.heard(self._seat, samples)

    def received(self, message: dict[str, Any]) -> None:
        """Pass on what the page says."""
        if self._is_current():
            self._seat.host.received(self._seat, message)

    def connected(self) -> None:
        """Begin to send."""
        if self._is_current():
            self._seat.connected()

    def channel_opened(self) -> None:
        """Say how things stand."""
        if self._is_current():
            self._seat.host.channel_opened(self._seat)

    def lost(self) -> None:
        """Wait for the page to come back."""
        if self._is_current():
            self._seat.lost()

    def cut_off(self, sentence: str) -> None:
        """There is no way to the page any more."""
        if self._is_current():
            self._seat.cut_off(sentence)

    def _is_current(self) -> bool:
        return self._seat.connection is self


class DirectConnection(Connection):
    """A peer connection of this process, and the tracks that it sends."""

    def __init__(self, seat: "Seat") -> None:
        super().__init__(seat)
        self.feed = Feed()
        self.peer: Peer = Peer(self.feed, self, worker_network(seat.id))

    def tell(self, event: Mapping[str, Any]) -> bool:
        """Send an event over the data channel."""
        return self.peer.send(event)


class ForwardedConnection(Connection):
    """The connection of one who only watches to the server that passes everything on."""

    def __init__(self, seat: "Seat", forwarder: Forwarder) -> None:
        super().__init__(seat)
        self.peer: Viewer = Viewer(forwarder, self)

    def tell(self, event: Mapping[str, Any]) -> bool:
        """Send an event by the WebSocket: over the data channel goes what is everybody's."""
        self._seat.host.whisper(self._seat, event)
        return True


class Seat:
    """Made when a page joins, closed when it has left for good.

    forwarder: what it watches through; None for one whose connection ends in this process.
    """

    def __init__(self, seat_id: UUID, guest: Guest, host: Host, forwarder: Forwarder | None = None) -> None:
        self.id = seat_id
        self.guest = guest
        self.host = host
        self.forwarder = forwarder
        self.is_cut_off = False
        self.talker = Talker(seat_id.hex, guest.name)
        self.reply = ""
        self.connection: Connection | None = None
        # Whether media have flowed, and whether they had before the connection that is.
        self.stood = self.returned = False
        self._page_closed = False
        self._over = False
        self._waiting: asyncio.Task[None] | None = None
        self._tasks = TaskSet("a seat")

    # What the worker calls

    def joined(self, reply: str) -> None:
        """The page joins, or comes back."""
        self.reply = reply
        self._page_closed = False
        self._wait(CONNECT_WITHIN_S)

    async def answer(self, sdp: str, reply: str) -> str:
        """Answer the page's offer with a new connection; an older one is dropped. Raises as `Peer.answer` does."""
        connection = DirectConnection(self)
        await self._replace(connection, reply)
        return await connection.peer.answer(sdp)

    async def offer(self, forwarder: Forwarder, reply: str) -> str:
        """Offer the page a new connection through a server; an older one is dropped. Raises as `Viewer.offer` does."""
        connection = ForwardedConnection(self, forwarder)
        await self._replace(connection, reply)
        return await connection.peer.offer()

    async def accept(self, sdp: str) -> None:
        """Take the page's answer to such an offer. Raises as `Viewer.accept` does."""
        if isinstance(self.connection, ForwardedConnection):
            await self.connection.peer.accept(sdp)

    async def add_candidate(self, candidate: Mapping[str, Any] | None) -> None:
        """Add one of the page's addresses."""
        if self.connection is not None:
            await self.connection.peer.add_candidate(candidate)

    def gone(self, reply: str, *, page_closed: bool = False) -> None:
        """A page's WebSocket went without a word; it may come back. page_closed: the browser says that its page is closed."""
        if reply == self.reply:
            self._page_closed = page_closed
            self._wait_for_return()

    # What its connection calls

    def connected(self) -> None:
        """Media can flow."""
        self.stood = True
        self._cancel_wait()
        self.host.connected(self)

    def lost(self) -> None:
        """The connection is gone."""
        self.host.disconnected(self)
        self._wait_for_return()

    def cut_off(self, sentence: str) -> None:
        """What it watches through is gone; the page may try again, from the beginning."""
        self.is_cut_off = True
        self.host.left(self, "failed", sentence)

    # What its session calls

    def tell(self, event: Mapping[str, Any]) -> bool:
        """Send an event to the page; false when that is impossible now."""
        return self.connection.tell(event) if self.connection is not None else False

    async def close(self) -> None:
        """Release everything. Safe to call again."""
        self._over = True
        # From now on what happens to the connection is no news.
        connection, self.connection = self.connection, None
        await self._tasks.cancel()
        if connection is not None:
            await self._drop(connection)

    async def _replace(self, connection: Connection, reply: str) -> None:
        old, self.connection = self.connection, connection
        self.reply, self.returned = reply, self.stood
        if old is not None:
            await self._drop(old)
        self._wait(CONNECT_WITHIN_S)

    async def _drop(self, connection: Connection) -> None:
        self.host.dropped(connection)
        await connection.peer.close()

    def _wait_for_return(self) -> None:
        """Patiently where a conversation was cut off, and not for long where nothing stood or the page was closed."""
        self._wait(MENDED_WITHIN_S if self.stood and not self._page_closed else COME_BACK_WITHIN_S)

    def _wait(self, seconds: float) -> None:
        """Leave unless something happens within so many seconds."""
        self._cancel_wait()
        if not self._over:
            self._waiting = self._tasks.spawn(self._give_up(seconds))

    def _cancel_wait(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    async def _give_up(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.host.left(self, "lost", LOST)
