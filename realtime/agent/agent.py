"""The agent of one session: hears, takes turns, thinks and speaks. The rules live elsewhere."""

import asyncio
import logging
import time
from dataclasses import replace
from typing import Final

import numpy as np

from avatars.engine.performer import Activity
from realtime.agent import phrases
from realtime.agent.bearing import Bearing
from realtime.agent.cues import Triggers
from realtime.agent.dialogue import Dialogue, short_prompt, system_prompt
from realtime.agent.ears import Ears
from realtime.agent.echo_guard import PlayedSound
from realtime.agent.latency import Mark, TurnMarks
from realtime.agent.protocols import (
    HEARING_RATE_HZ,
    AgentSettings,
    Clock,
    ProviderError,
    Providers,
    Samples,
    Stage,
)
from realtime.agent.reply import Theatre
from realtime.agent.speaker import Speaker
from realtime.agent.standby import Standby
from realtime.agent.turn_taking import Step, TurnTaking
from realtime.agent.user_turn import UserTurn
from realtime.agent.utterance import is_backchannel, repeats, without_asides, words_of
from realtime.agent.written_answers import WrittenAnswers
from realtime.taskset import TaskSet

log = logging.getLogger(__name__)

HEARING_WITHIN_S: Final = 20.0
# Where other ears stand by.
HEARING_BEFORE_OTHERS_S: Final = 6.0
JUDGING_WITHIN_S: Final = 2.0
TEXT_LETTERS: Final = 2000
STARVED_AFTER_S: Final = 0.4
CHECK_EVERY_S: Final = 0.2


class Agent:
    """One per session. Every method is called on the event loop; none but `start` and `close` waits.

    turns: how many there were before, where it takes over from another agent.
    """

    def __init__(
        self,
        settings: AgentSettings,
        providers: Providers,
        stage: Stage,
        *,
        clock: Clock = time.monotonic,
        turns: int = 0,
    ) -> None:
        if settings.pairs and providers.meaning is not None:
            model = WrittenAnswers(providers.language_model, settings.pairs, providers.meaning)
            providers = replace(providers, language_model=model)
        self._greeting = settings.greeting.strip()
        self._providers = providers
        self._stage = stage
        self._clock = clock
        self._tasks = TaskSet("an agent")
        self._bearing = Bearing(stage)
        played = PlayedSound()
        self._dialogue = Dialogue(
            (short_prompt if providers.small_model else system_prompt)(settings), providers.history_letters
        )
        self._triggers = Triggers(settings.triggers)
        self._standby = Standby(clock)
        theatre = Theatre(providers, stage, self._bearing, played, clock, settings.voice, self._triggers, self._standby)
        self._speaker = Speaker(theatre, self._dialogue, self._tasks.spawn)
        turn_taking = TurnTaking(judged=providers.turn_judge is not None)
        self._ears = Ears(providers.voice_activity(), played, turn_taking, clock)
        self._turns = turns
        self._turn: UserTurn | None = None
        self._preparing: asyncio.Task[None] | None = None
        self._started = self._closed = self._deaf = False

    # What the session calls

    async def start(self) -> None:
        """Begin the conversation; the greeting, if there is one, is said while this returns."""
        if self._started or self._closed:
            return
        self._started = True
        self._bearing.be(Activity.IDLE)
        self._tasks.spawn(self._watch_microphone())
        if self._greeting:
            self._say(self._greeting)

    def hear(self, samples: Samples) -> None:
        """The microphone's next samples: (n,) float32, mono, at `HEARING_RATE_HZ`, any length. Returns at once."""
        if not self._started or self._closed or self._deaf:
            return
        try:
            for step in self._ears.hear(samples, self._stage.playback):
                self._take(step)
        except Exception:
            log.exception("the microphone cannot be listened to")
            self._deaf = True
            self._drop_turn()
            self._stage.send(phrases.MICROPHONE.notice())
            if not self._speaker.busy:
                self._bearing.be(Activity.IDLE)

    def read(self, text: str) -> None:
        """The user typed something instead of saying it."""
        text = text.strip()
        if not self._started or self._closed or not text:
            return
        if len(text) > TEXT_LETTERS:
            self._stage.send(phrases.TOO_LONG.notice())
            return
        self._drop_turn()
        self._speaker.cut()
        turn = UserTurn(self._next_number(), TurnMarks(self._clock), text=text)
        turn.marks.restart(self._clock())
        turn.marks.mark(Mark.TRANSCRIPT)
        turn.marks.mark(Mark.TURN_DECIDED)
        turn.reply = self._speaker.think(turn)
        self._answer(turn)

    def interrupt(self) -> None:
        """The user wants the avatar to be silent."""
        if self._started and not self._closed:
            self._drop_turn()
            self._speaker.cut()
            self._bearing.be(Activity.IDLE)

    async def close(self) -> None:
        """End the conversation; nothing of it goes on afterwards."""
        self._closed = True
        self._turn = None
        await self._tasks.cancel()

    # The user's turn, step by step

    def _take(self, step: Step) -> None:
        turn = self._turn
        if step is Step.STARTED:
            self._begin_turn()
        elif turn is None:
            return
        elif step is Step.TRANSCRIBE:
            self._stage.user_paused()
            turn.marks.restart(self._ears.speech_ended_s)
            turn.transcribing = self._tasks.spawn(self._transcribe(turn, self._ears.recorder.samples()))
        elif step is Step.JUDGE:
            turn.judging = self._tasks.spawn(self._judge(turn, self._ears.recorder.samples()))
        elif step is Step.RESUMED:
            turn.forget_work()
        else:
            self._commit(turn)

    def _begin_turn(self) -> None:
        turn = UserTurn(self._next_number(), TurnMarks(self._clock))
        turn.may_be_echo = self._speaker.may_echo
        if not self._speaker.take_back(turn):
            turn.cut = self._speaker.cut()
        self._turn = turn
        self._bearing.be(Activity.LISTENING)
        if self._preparing is None or self._preparing.done():
            self._preparing = self._tasks.spawn(self._providers.language_model.prepare(self._dialogue.prompt()))

    async def _transcribe(self, turn: UserTurn, samples: Samples) -> None:
        try:
            heard = await self._heard(samples)
        except Exception as error:
            if turn is self._turn:
                self._could_not_hear(error)
            return
        if turn is not self._turn:
            return
        turn.marks.mark(Mark.TRANSCRIPT)
        turn.text = self._addressed(turn, without_asides(heard))
        if turn.text or (turn.continues is not None and turn.withheld is None):
            self._caption_user(turn, final=False)
            turn.reply = self._speaker.think(turn)
        for step in self._ears.turn_taking.transcribed(turn.text):
            self._take(step)

    async def _heard(self, samples: Samples) -> str:
        """The words, from the first ears that understand anything. Raises what the last of them raises."""
        ears = self._standby.order(self._providers.speech_to_text, *self._providers.fallback_ears)
        while True:
            ear = ears.pop(0)
            try:
                async with asyncio.timeout(HEARING_BEFORE_OTHERS_S if ears else HEARING_WITHIN_S):
                    words = await ear.transcribe(samples)
            except Exception as error:
                self._standby.failed(ear)
                if not ears:
                    raise
                log.warning("hearing failed, another hears: %s", error or type(error).__name__)
            else:
                self._standby.did_well(ear)
                return words

    async def _judge(self, turn: UserTurn, samples: Samples) -> None:
        judge = self._providers.turn_judge
        if judge is None:
            return
        try:
            async with asyncio.timeout(JUDGING_WITHIN_S):
                finished = await judge.finished(samples)
        except (ProviderError, TimeoutError) as error:
            log.warning("the end of a turn was not judged, silence decides: %s", type(error).__name__)
            return
        if turn is self._turn:
            for step in self._ears.turn_taking.judged(finished):
                self._take(step)

    def _addressed(self, turn: UserTurn, text: str) -> str:
        """The words an answer is owed to: "" for noise, humming along, and the avatar's own words come back."""
        humming = turn.cut is not None and is_backchannel(text)
        echo = turn.may_be_echo and repeats(text, self._speaker.said)
        return "" if humming or echo or not words_of(text) else text

    def _commit(self, turn: UserTurn) -> None:
        self._turn = None
        self._ears.recorder.end()
        turn.marks.mark(Mark.TURN_DECIDED)
        if turn.reply is not None:
            if turn.withheld is not None:
                turn.withheld.stop()
            self._answer(turn)
        elif turn.continues is not None and turn.withheld is not None:
            self._answer(turn.continues)
        elif turn.cut is not None and (rest := turn.cut.unheard_text()):
            # Nobody meant to interrupt: go on, from the beginning of the piece that was cut.
            self._say(rest)
        else:
            self._bearing.be(Activity.IDLE)

    def _could_not_hear(self, error: Exception) -> None:
        if isinstance(error, (ProviderError, TimeoutError)):
            log.warning("hearing failed: %s", error or type(error).__name__)
        else:
            log.error("hearing failed", exc_info=error)
        self._drop_turn()
        self._stage.send(phrases.HEARING.notice(str(error) if isinstance(error, ProviderError) else ""))
        self._say(phrases.HEARING.spoken)

    def _drop_turn(self) -> None:
        """What the user was saying counts no more."""
        turn, self._turn = self._turn, None
        self._ears.forget()
        if turn is not None:
            if turn.text:
                self._caption_user(turn, final=True)
            turn.forget_work()
            if turn.continues is not None:
                self._dialogue.user_said(turn.continues.whole_text)
                turn.continues.forget_work()

    async def _watch_microphone(self) -> None:
        """A microphone that is switched off in the middle of a sentence sends nothing at all: take that for silence."""
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            missing_s = self._clock() - self._ears.heard_s
            if self._ears.turn_taking.speaking and missing_s > STARVED_AFTER_S:
                self.hear(np.zeros(int(missing_s * HEARING_RATE_HZ), np.float32))

    # Small things

    def _answer(self, turn: UserTurn) -> None:
        self._caption_user(turn, final=True)
        if cue := self._triggers.by_user(turn.whole_text):
            self._stage.play_gesture(cue)
        self._speaker.answer(turn)

    def _say(self, text: str) -> None:
        self._speaker.say(self._next_number(), text)

    def _next_number(self) -> int:
        self._turns += 1
        return self._turns

    def _caption_user(self, turn: UserTurn, *, final: bool) -> None:
        text = turn.whole_text
        self._stage.send({"type": "caption", "who": "user", "turn": turn.number, "text": text, "final": final})
