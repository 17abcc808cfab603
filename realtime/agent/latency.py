"""How long each stage of a turn took, counted from the end of the user's speech. It watches, and touches nothing."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from realtime.agent.protocols import Clock


class Mark(StrEnum):
    """A moment of a turn, in the order they usually come."""

    SPEECH_END = "speech_end"
    TRANSCRIPT = "transcript"
    TURN_DECIDED = "turn_decided"
    FIRST_TOKEN = "first_token"  # noqa: S105 - a piece of text
    FIRST_AUDIO = "first_audio"
    FIRST_FRAME = "first_frame"


class TurnMarks:
    """The marks of one turn. The first mark of a kind counts, until `forget` takes it back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at_s: dict[Mark, float] = {}

    def mark(self, mark: Mark, at_s: float | None = None) -> None:
        """It happened now, or at `at_s`."""
        self._at_s.setdefault(mark, self._clock() if at_s is None else at_s)

    def restart(self, speech_end_s: float) -> None:
        """Everything so far was in vain; the speech ended at `speech_end_s`."""
        self._at_s = {Mark.SPEECH_END: speech_end_s}

    def since_end_ms(self) -> Mapping[str, int]:
        """The marks in milliseconds after the end of speech, SPEECH_END being 0; empty before that is known."""
        end_s = self._at_s.get(Mark.SPEECH_END)
        if end_s is None:
            return {}
        return {str(mark): max(0, round((self._at_s[mark] - end_s) * 1000)) for mark in Mark if mark in self._at_s}

    def passed_s(self) -> float:
        """Since the end of speech; 0 before that is known."""
        return self._clock() - self._at_s[Mark.SPEECH_END] if Mark.SPEECH_END in self._at_s else 0.0

    def event(self, turn: int) -> dict[str, Any]:
        """The event for the browser."""
        return {"type": "latency", "turn": turn, "marks": dict(self.since_end_ms())}
