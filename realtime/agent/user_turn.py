"""What the user is saying, and the work done on it in advance."""

import asyncio
from dataclasses import dataclass

from realtime.agent.latency import TurnMarks
from realtime.agent.reply import Reply


@dataclass(slots=True)
class UserTurn:
    """One utterance.

    number: its caption's, and the reply's too unless `reply_number` says otherwise. before: the words of a turn that
    was taken back. cut: the reply they spoke over. may_be_echo: the avatar spoke a moment ago.
    """

    number: int
    marks: TurnMarks
    text: str = ""
    before: str = ""
    reply_number: int | None = None
    cut: Reply | None = None
    may_be_echo: bool = False
    transcribing: asyncio.Task[None] | None = None
    judging: asyncio.Task[None] | None = None
    reply: Reply | None = None

    @property
    def whole_text(self) -> str:
        """All the user said."""
        return f"{self.before} {self.text}".strip()

    def forget_work(self) -> None:
        """Throw away what was done in advance."""
        for task in (self.transcribing, self.judging):
            if task is not None:
                task.cancel()
        if self.reply is not None:
            self.reply.stop()
        self.transcribing = self.judging = self.reply = None
        self.text = ""
