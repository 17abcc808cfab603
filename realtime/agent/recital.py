"""Follows a reply while it is played: which words have been heard, which caption is due, whether it is over."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from realtime.agent.cues import Cue

# The last piece ends in a moment of silence; nobody waits for that.
END_MARGIN_MS: Final = 120
# A stage that has nothing queued and still does not move has lost the rest.
STALLED_S: Final = 3.0
# A gesture that goes with a word begins before it.
CUE_LEAD_MS: Final = 160


@dataclass(slots=True)
class Piece:
    """A stretch of text and its place in the reply's sound; cues: gestures still to come, with their share of it."""

    text: str
    start_ms: float
    duration_ms: float = 0.0
    cues: list[tuple[Cue, float]] = field(default_factory=list)

    @property
    def end_ms(self) -> float:
        return self.start_ms + self.duration_ms

    def heard(self, heard_ms: float) -> str:
        """The words of this piece that sounded up to `heard_ms` of the reply."""
        if heard_ms >= self.end_ms - END_MARGIN_MS:
            return self.text
        if not self.duration_ms:
            return ""
        words = self.text.split()
        share = max(0.0, heard_ms - self.start_ms) / self.duration_ms
        return " ".join(words[: int(share * len(words))])


class Recital:
    """The pieces of one reply and how far they have been heard."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.complete = False
        self.heard_ms = 0.0
        self._moved_s: float | None = None

    @property
    def total_ms(self) -> float:
        """How long everything so far takes."""
        return self.pieces[-1].end_ms if self.pieces else 0.0

    def begin(self, text: str, cues: Sequence[tuple[Cue, float]] = ()) -> None:
        """A new piece of text follows; its sound comes with `extend`. cues: gestures, each at a share 0..1 of it."""
        self.pieces.append(Piece(text, self.total_ms, cues=list(cues)))

    def extend(self, duration_ms: float) -> None:
        """The last piece has this much more sound."""
        self.pieces[-1].duration_ms += duration_ms

    def observe(self, heard_ms: float | None, queued_ms: int, now_s: float) -> bool:
        """The stage has played `heard_ms` of this reply (None: something else or nothing). Whether it is over."""
        if self._moved_s is None:
            self._moved_s = now_s
        if heard_ms is not None and heard_ms > self.heard_ms:
            self.heard_ms, self._moved_s = heard_ms, now_s
        if queued_ms > 0:
            self._moved_s = now_s
        if not self.complete:
            return False
        if self.heard_ms >= self.total_ms - END_MARGIN_MS and (queued_ms == 0 or heard_ms is None):
            return True
        ended = heard_ms is None and self.heard_ms > 0 and queued_ms == 0
        if ended or now_s - self._moved_s > STALLED_S:
            self.heard_ms = self.total_ms
            return True
        return False

    def due(self) -> Iterator[Cue]:
        """The gestures that are to begin now, each once."""
        for piece in self.pieces:
            for cue, share in list(piece.cues):
                if piece.start_ms + share * piece.duration_ms - CUE_LEAD_MS <= self.heard_ms:
                    piece.cues.remove((cue, share))
                    yield cue

    def caption(self) -> str:
        """The text of every piece that has begun to sound."""
        begun = (p.text for p in self.pieces if p.start_ms < self.heard_ms or p.duration_ms == 0)
        return " ".join(filter(None, begun))

    def heard_text(self) -> str:
        """The words that have been heard."""
        return " ".join(part for piece in self.pieces if (part := piece.heard(self.heard_ms)))

    def heard_pieces(self) -> int:
        """How many pieces have been heard to their end."""
        return sum(self.heard_ms >= piece.end_ms - END_MARGIN_MS for piece in self.pieces)
