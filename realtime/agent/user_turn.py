"""What the user is saying, and the work done on it in advance."""

import asyncio
from dataclasses import dataclass
from typing import Final

from realtime.agent.latency import TurnMarks
from realtime.agent.protocols import Talker
from realtime.agent.reply import Reply

# Whoever it is, in a conversation of two.
ALONE: Final = Talker()


@dataclass(slots=True)
class UserTurn:
    """One utterance.

    number: its caption's, and the reply's too unless `reply_number` says otherwise. continues: the turn that was
    taken back because they go on. cut: the reply they spoke over; cut_of: what it answered. may_be_echo: the avatar
    spoke a moment ago. talker: who says it. beside: it began while somebody else had the floor.
    by_hand: a button began it.
    """

    number: int
    marks: TurnMarks
    text: str = ""
    continues: "UserTurn | None" = None
    reply_number: int | None = None
    cut: Reply | None = None
    cut_of: "UserTurn | None" = None
    may_be_echo: bool = False
    talker: Talker = ALONE
    beside: bool = False
    by_hand: bool = False
    transcribing: asyncio.Task[None] | None = None
    judging: asyncio.Task[None] | None = None
    reply: Reply | None = None

    @property
    def whole_text(self) -> str:
        """All the user said."""
        return f"{self.continues.whole_text} {self.text}".strip() if self.continues else self.text

    @property
    def withheld(self) -> Reply | None:
        """The answer to `continues`, still silent: it is let out after all where no words follow."""
        return self.continues.reply if self.continues else None

    def forget_work(self) -> None:
        """Throw away what was done in advance."""
        for task in (self.transcribing, self.judging):
            if task is not None:
                task.cancel()
        if self.reply is not None:
            self.reply.stop()
        self.transcribing = self.judging = self.reply = None
        self.text = ""
