"""The way in for a microphone: packets in any order, or not at all, become sound without holes in its time."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from realtime.rtc.encoder import RTP_AUDIO_HZ
from realtime.rtc.opus import OpusDecoder

# A packet that is still missing when so many later ones are there is lost.
LATER_PACKETS: Final = 2
# A stream whose numbers jump further has begun anew.
LONGEST_JUMP: Final = 500
# After so long a guess is silence.
LONGEST_GUESS_MS: Final = 100
# Who was not heard for longer than this was silent for this long.
LONGEST_GAP_MS: Final = 1000
# Packets that say of themselves (RFC 6464) that they are at least so far below full scale hold no voice: one whose loud
# moments are at -60 dB is still found at every word. Half of the silence of a room need not be decoded.
QUIET_DB: Final = 60
# So many of them in a row are heard as they are, before they are taken for silence,
QUIET_AFTER_PACKETS: Final = 50
# and so many are kept for when somebody speaks again: voices begin softly, and a decoder has to find its way in.
HELD_PACKETS: Final = 4
SEQUENCE: Final = 1 << 16
TIME: Final = 1 << 32
MILLISECOND: Final = RTP_AUDIO_HZ // 1000


@dataclass(frozen=True, slots=True)
class Came:
    """A packet in its turn. missing: how much sound before it did not come, in 1/48000 s. below_db: as of `Hearing.push`."""

    payload: bytes
    missing: int
    below_db: int | None = None


class Order:
    """Puts packets in order, and gives up those that do not come."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._ends: int | None = None
        self._waiting: dict[int, tuple[int, bytes, int | None]] = {}

    def push(
        self, sequence: int, time: int, payload: bytes, duration: int, below_db: int | None = None
    ) -> Iterator[Came]:
        """Take a packet; those whose turn it is now. time, duration: in 1/48000 s."""
        if self._next is None or self._jump(sequence) > LONGEST_JUMP:
            self._next, self._ends = sequence, None
            self._waiting.clear()
        if self._ahead(sequence) < 0:
            return
        self._waiting[sequence] = (time, payload, below_db)
        while self._waiting and (self._next in self._waiting or len(self._waiting) >= LATER_PACKETS):
            first = min(self._waiting, key=self._ahead)
            begins, packet, quiet = self._waiting.pop(first)
            missing = 0 if self._ends is None else _signed(begins - self._ends, TIME)
            self._next, self._ends = (first + 1) % SEQUENCE, (begins + duration) % TIME
            yield Came(packet, min(max(0, missing), LONGEST_GAP_MS * MILLISECOND), quiet)

    def _ahead(self, sequence: int) -> int:
        return _signed(sequence - (self._next or 0), SEQUENCE)

    def _jump(self, sequence: int) -> int:
        return abs(self._ahead(sequence))


def _signed(difference: int, modulus: int) -> int:
    return (difference + modulus // 2) % modulus - modulus // 2


class Hearing:
    """One microphone's sound at `rate_hz`. Lost packets are recovered from the next one, else guessed: time goes on.

    What says that it is quiet, for long enough, is silence and not decoded.
    """

    def __init__(self, rate_hz: int) -> None:
        self._decoder = OpusDecoder(rate_hz)
        self._rate_hz = rate_hz
        self._order = Order()
        self._duration = 20 * MILLISECOND
        self._quiet = 0
        self._held: deque[Came] = deque()
        self._passed = 0

    def push(
        self, sequence: int, time: int, payload: bytes, below_db: int | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """Take an RTP packet's number, time and content; the sound that follows, piece by piece, each (n,) float32.

        below_db: how far below full scale the packet says that it is, 127 for nothing at all; None where it says nothing.
        """
        for came in self._order.push(sequence, time, payload, self._duration, below_db):
            self._quiet = self._quiet + 1 if came.below_db is not None and came.below_db >= QUIET_DB else 0
            self._held.append(came)
            heard = self._quiet <= QUIET_AFTER_PACKETS
            if not heard and len(self._held) > HELD_PACKETS:
                self._passed += self._held.popleft().missing + self._duration
            # Several at once: each time that somebody is told of it costs more than what is told.
            if self._passed >= (1 if heard else HELD_PACKETS * self._duration):
                yield np.zeros(self._passed * self._rate_hz // RTP_AUDIO_HZ, np.float32)
                self._passed = 0
            while heard and self._held:
                yield from self._sound(self._held.popleft())

    def _sound(self, came: Came) -> Iterator[NDArray[np.float32]]:
        """What a packet holds, after what is missing before it."""
        if came.missing:
            yield from self._bridge(came)
        try:
            sound = self._decoder.decode(came.payload)
        except ValueError:
            sound = self._decoder.conceal(self._duration * self._rate_hz // RTP_AUDIO_HZ)
        self._duration = len(sound) * RTP_AUDIO_HZ // self._rate_hz
        yield sound

    def _bridge(self, came: Came) -> Iterator[NDArray[np.float32]]:
        """What is missing before a packet: a guess, silence where that gets long, and at its end what the packet holds of it."""
        # Opus counts in steps of 2.5 ms.
        step = self._rate_hz // 400
        missing = came.missing * self._rate_hz // RTP_AUDIO_HZ // step * step
        last = min(missing, self._duration * self._rate_hz // RTP_AUDIO_HZ)
        guessed = missing - last
        longest = LONGEST_GUESS_MS * self._rate_hz // 1000
        if guessed:
            yield self._decoder.conceal(min(guessed, longest))
        if guessed > longest:
            yield np.zeros(guessed - longest, np.float32)
        if last:
            try:
                yield self._decoder.recover(came.payload, last)
            except ValueError:
                yield np.zeros(last, np.float32)
