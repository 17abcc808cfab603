"""The avatar's side of the conversation: which reply is under way, how it ends, and what of it the history keeps."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from avatars.engine.performer import Activity
from realtime.agent import phrases
from realtime.agent.dialogue import Dialogue
from realtime.agent.protocols import Talker
from realtime.agent.reply import Reply, Theatre
from realtime.agent.user_turn import UserTurn

log = logging.getLogger(__name__)

# Who goes on so soon after the end of their turn had not finished it.
TAKE_BACK_WITHIN_S: Final = 0.4
TAKE_BACK_HEARD_MS: Final = 300.0
# So long the avatar's words may still come back through the room and be taken for the user's.
ECHO_WITHIN_S: Final = 1.0
ECHO_WORDS: Final = 40


class Speaker:
    """At most one reply is let out at a time; others may be thought out behind their gates.

    finished: called when a reply came to its own end.
    """

    def __init__(
        self,
        theatre: Theatre,
        dialogue: Dialogue,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        finished: Callable[[], None],
    ) -> None:
        self._theatre = theatre
        self._dialogue = dialogue
        self._spawn = spawn
        self._finished = finished
        self._reply: Reply | None = None
        self._answers: UserTurn | None = None
        self._reading: asyncio.Task[None] | None = None
        self._silent_s = theatre.clock() - ECHO_WITHIN_S
        self._said = ""

    @property
    def busy(self) -> bool:
        """Whether a reply was let out and is not over."""
        return self._reply is not None

    @property
    def thinking(self) -> bool:
        """Whether a mind is still at work on what was let out."""
        return self._reply is not None and not self._reply.thought_through

    @property
    def answering(self) -> Talker | None:
        """Whom the avatar answers; None where it is silent or speaks to everybody."""
        return self._answers.talker if self._answers is not None else None

    @property
    def said(self) -> str:
        """What was said lately: it may come back through a microphone."""
        return f"{self._said} {self._reply.recital.caption()}" if self._reply is not None else self._said

    @property
    def may_echo(self) -> bool:
        """Whether the avatar can be heard, or could a moment ago."""
        return self.busy or self._theatre.clock() - self._silent_s < ECHO_WITHIN_S

    def read_ahead(self) -> None:
        """Let the mind read what the next answer begins with, while nobody waits."""
        if self._reading is None or self._reading.done():
            self._reading = self._spawn(self._theatre.providers.language_model.prepare(self._dialogue.prompt()))

    def think(self, turn: UserTurn) -> Reply:
        """Begin an answer behind its gate."""
        number = turn.number if turn.reply_number is None else turn.reply_number
        reply = Reply.thought(
            self._theatre, number, self._dialogue.prompt(turn.whole_text, turn.talker.name), turn.marks
        )
        reply.task = self._spawn(self._perform(reply))
        return reply

    def answer(self, turn: UserTurn) -> None:
        """Let the answer to a turn out."""
        self._dialogue.user_said(turn.whole_text, turn.talker.name)
        self._reply, self._answers = turn.reply, turn
        if turn.reply is not None:
            turn.reply.release()

    def say(self, number: int, text: str) -> None:
        """Say known words."""
        reply = Reply.fixed(self._theatre, number, text)
        self._reply, self._answers = reply, None
        reply.task = self._spawn(self._perform(reply))
        reply.release()

    def take_back(self, turn: UserTurn, voice_ms: int) -> bool:
        """Where the user had not finished after all, join what they said to the `turn` that begins now.

        voice_ms: how long its voice has been heard already; what counts is how things stood when it set in.
        """
        reply, answers = self._reply, self._answers
        if reply is None or answers is None or reply is not answers.reply or reply.released_s is None:
            return False
        soon = self._theatre.clock() - voice_ms / 1000 - reply.released_s <= TAKE_BACK_WITHIN_S
        if reply.sounding and not (soon and self._heard_ms(reply) - voice_ms < TAKE_BACK_HEARD_MS):
            return False
        self._reply = self._answers = None
        self._dialogue.take_back()
        # To the page it is one utterance, while the stage has to tell the two answers apart.
        turn.continues, turn.reply_number, turn.number = answers, turn.number, answers.number
        if reply.sounding:
            reply.stop()
            answers.reply, turn.cut, turn.cut_of = None, reply, answers
            self._theatre.stage.interrupt()
            reply.recital.heard_ms = 0.0
            self._theatre.stage.send({"type": "interrupted", "turn": reply.turn, "text": ""})
        else:
            reply.withhold()
        return True

    def cut(self, by: UserTurn | None = None) -> None:
        """Silence the avatar; the history keeps what was heard. by: the turn that speaks over it, and may not mean to."""
        reply, answers = self._reply, self._answers
        self._reply = self._answers = None
        if reply is None:
            return
        reply.stop()
        playback = self._theatre.stage.interrupt()
        if playback.turn == reply.turn:
            reply.recital.heard_ms = max(reply.recital.heard_ms, playback.heard_ms)
        self._remember(reply)
        self._theatre.stage.send({"type": "interrupted", "turn": reply.shown_turn, "text": reply.heard_text()})
        if by is not None:
            by.cut, by.cut_of = reply, answers

    def go_on(self, turn: UserTurn, number: int) -> bool:
        """Nobody meant to interrupt: say what `turn` cut again, from the beginning of the piece, and what follows.

        The page and the history know it as one reply. False where nothing is left to say.
        """
        rest = turn.cut.rest(number) if turn.cut is not None else None
        if turn.cut is None or rest is None:
            return False
        if turn.continues is None and turn.cut.heard_text():
            self._dialogue.avatar_goes_on()
        self._reply, self._answers = rest, turn.cut_of
        self._theatre.stage.send(rest.caption_event(rest.before, final=False))
        rest.task = self._spawn(self._perform(rest))
        rest.release()
        return True

    async def _perform(self, reply: Reply) -> None:
        try:
            await reply.run()
        except Exception:
            log.exception("turn %d failed", reply.turn)
            self._theatre.stage.send(phrases.INTERNAL.notice())
        if reply is self._reply:
            self._reply = self._answers = None
            self._remember(reply)
            self._theatre.bearing.be(Activity.IDLE)
            if reply.ends_call:
                self._theatre.stage.hang_up()
            self._finished()
            if not self.busy:
                self.read_ahead()

    def _remember(self, reply: Reply) -> None:
        self._dialogue.avatar_was_heard(reply.heard_text())
        self._said = " ".join(f"{self._said} {reply.recital.caption()}".split()[-ECHO_WORDS:])
        self._silent_s = self._theatre.clock()

    def _heard_ms(self, reply: Reply) -> float:
        playback = self._theatre.stage.playback()
        return playback.heard_ms if playback.turn == reply.turn else 0.0
