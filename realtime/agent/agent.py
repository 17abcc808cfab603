"""The agent of one session: hears, takes turns, thinks and speaks. The rules live elsewhere.

Where several talk, one of them has the floor: who speaks first while the avatar is silent, and then whoever it answers.
What the others say meanwhile is heard too and answered afterwards, one by one.
"""

import asyncio
import logging
import time
from collections import deque
from typing import Any, Final

import numpy as np

from avatars.engine.performer import Activity
from realtime.agent import phrases
from realtime.agent.bearing import Bearing
from realtime.agent.cues import Triggers
from realtime.agent.dialogue import Dialogue, short_prompt, system_prompt
from realtime.agent.ears import Ears
from realtime.agent.echo_guard import PlayedSound
from realtime.agent.instruction import instructed
from realtime.agent.latency import Mark, TurnMarks
from realtime.agent.notes import NoteTaker
from realtime.agent.protocols import (
    HEARING_RATE_HZ,
    AgentSettings,
    Clock,
    ProviderError,
    Providers,
    Recollection,
    Samples,
    Stage,
    Talker,
)
from realtime.agent.reply import Theatre
from realtime.agent.speaker import Speaker
from realtime.agent.standby import Standby
from realtime.agent.turn_taking import Step, TurnTaking, rules_for
from realtime.agent.user_turn import ALONE, UserTurn
from realtime.agent.utterance import is_backchannel, is_blip, repeats, without_asides, words_of
from realtime.taskset import TaskSet

log = logging.getLogger(__name__)

HEARING_WITHIN_S: Final = 20.0
# Where other ears stand by.
HEARING_BEFORE_OTHERS_S: Final = 6.0
JUDGING_WITHIN_S: Final = 2.0
TEXT_LETTERS: Final = 2000
STARVED_AFTER_S: Final = 0.4
CHECK_EVERY_S: Final = 0.2
MOST_WAITING: Final = 6


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
        bare_mind = providers.language_model
        providers = instructed(providers, settings)
        self._greeting = settings.greeting.strip() if settings.resumed is None else ""
        self._providers = providers
        self._stage = stage
        self._clock = clock
        self._tasks = TaskSet("an agent")
        self._bearing = Bearing(stage)
        self._played = PlayedSound()
        self._dialogue = Dialogue(
            (short_prompt if providers.small_model else system_prompt)(settings),
            providers.history_tokens,
            settings.resumed,
        )
        self._notes = NoteTaker(self._dialogue, bare_mind, providers.language_model, self._tasks.spawn, clock)
        self._triggers = Triggers(settings.triggers)
        self._standby = Standby(clock)
        theatre = Theatre(
            providers,
            stage,
            self._bearing,
            self._played,
            clock,
            settings.voice,
            self._triggers,
            self._standby,
            settings.gestures,
        )
        self._speaker = Speaker(theatre, self._dialogue, self._tasks.spawn, self._answer_next)
        self._several = settings.several
        self._rules = rules_for(settings.patience, settings.longest_turn_s)
        self._ears: dict[Talker, Ears] = {}
        self._deaf: set[Talker] = set()
        self._turns = turns
        self._turn: UserTurn | None = None
        self._beside: dict[Talker, UserTurn] = {}
        self._unanswered: deque[UserTurn] = deque()
        self._started = self._closed = False

    # What the session calls

    async def start(self) -> None:
        """Begin the conversation; the greeting, if there is one, is said while this returns."""
        if self._started or self._closed:
            return
        self._started = True
        self._bearing.be(Activity.IDLE)
        self._tasks.spawn(self._watch())
        self._speaker.read_ahead()
        if self._greeting:
            self._say(self._greeting)

    def hear(self, samples: Samples, talker: Talker = ALONE) -> None:
        """The next samples of somebody's microphone: (n,) float32, mono, at `HEARING_RATE_HZ`, any length.

        Returns at once.
        """
        if not self._started or self._closed or talker in self._deaf:
            return
        try:
            ears = self._ears_of(talker)
            for step in ears.hear(samples, self._stage.playback):
                self._take(ears, step)
        except Exception:
            log.exception("the microphone cannot be listened to")
            self._deaf.add(talker)
            self._forget(talker)
            self._tell(talker, phrases.MICROPHONE.notice())

    def read(self, text: str, talker: Talker = ALONE) -> None:
        """Somebody typed something instead of saying it."""
        text = text.strip()
        if not self._started or self._closed or not text:
            return
        if len(text) > TEXT_LETTERS:
            self._tell(talker, phrases.TOO_LONG.notice())
            return
        turn = UserTurn(self._next_number(), TurnMarks(self._clock), text=text, talker=talker)
        if not self._may_begin(talker):
            self._answer_later(turn)
            return
        self._drop_turn(talker)
        self._speaker.cut()
        self._think_and_answer(turn)

    def interrupt(self, talker: Talker = ALONE) -> None:
        """Somebody wants the avatar to be silent."""
        if self._started and not self._closed:
            self._drop_turn(talker)
            self._drop_unanswered()
            self._speaker.cut()
            self._bearing.be(Activity.IDLE)

    def push_to_talk(self, on: bool, talker: Talker = ALONE) -> None:
        """From now on a button begins and ends what they say, or their voice does."""
        # The page may say so in the same breath as its hello.
        if self._closed or talker in self._deaf:
            return
        turn_taking = self._ears_of(talker).turn_taking
        if turn_taking.by_hand != on:
            self._forget(talker)
            turn_taking.by_hand = on

    def press(self, talker: Talker = ALONE) -> None:
        """They hold the button: they speak, and the avatar falls silent for them."""
        ears = self._reachable_ears(talker)
        if ears is not None and ears.turn_taking.by_hand:
            for step in ears.press():
                self._take(ears, step)

    def release(self, talker: Talker = ALONE) -> None:
        """They let the button go: their turn is over."""
        ears = self._reachable_ears(talker)
        if ears is not None and ears.turn_taking.by_hand:
            ears.turn_taking.release()

    def leave(self, talker: Talker) -> None:
        """Somebody has left, and what they were saying with them."""
        self._deaf.discard(talker)
        self._forget(talker)
        self._ears.pop(talker, None)

    def recollection(self) -> Recollection:
        """What was said, also after the end."""
        return Recollection(self._dialogue.notes, tuple(self._dialogue.said()))

    async def close(self) -> None:
        """End the conversation; nothing of it goes on afterwards."""
        self._closed = True
        self._turn = None
        await self._tasks.cancel()

    # The user's turn, step by step

    def _take(self, ears: Ears, step: Step) -> None:
        if step is Step.STARTED:
            self._begin_turn(ears)
            return
        if step is Step.STIRRED:
            if self._speaker.busy and self._may_begin(ears.talker):
                self._stage.send({"type": "yield"})
            return
        turn = self._turn_of(ears.talker)
        if turn is None:
            return
        if step is Step.TRANSCRIBE:
            turn.marks.restart(ears.speech_ended_s)
            turn.transcribing = self._tasks.spawn(self._transcribe(turn, ears, ears.recorder.samples()))
        elif step is Step.PAUSED:
            if turn is self._turn:
                self._stage.user_paused()
        elif step is Step.JUDGE:
            turn.judging = self._tasks.spawn(self._judge(turn, ears, ears.recorder.samples()))
        elif step is Step.RESUMED:
            turn.forget_work()
        else:
            ears.recorder.end()
            self._commit(turn)

    def _begin_turn(self, ears: Ears) -> None:
        talker, by_hand = ears.talker, ears.turn_taking.by_hand
        turn = UserTurn(self._next_number(), TurnMarks(self._clock), talker=talker, by_hand=by_hand)
        turn.may_be_echo = self._speaker.may_echo and not by_hand
        self._show_voice(talker, speaking=True)
        if not self._may_begin(talker):
            turn.beside = True
            self._beside[talker] = turn
            return
        if not self._speaker.take_back(turn, ears.turn_taking.voice_ms):
            self._speaker.cut(turn)
        self._turn = turn
        self._notes.stop()
        self._bearing.be(Activity.LISTENING)
        self._speaker.read_ahead()

    async def _transcribe(self, turn: UserTurn, ears: Ears, samples: Samples) -> None:
        try:
            heard = await self._heard(samples)
        except Exception as error:
            if self._is_under_way(turn):
                self._could_not_hear(turn, error)
            return
        if not self._is_under_way(turn):
            return
        turn.marks.mark(Mark.TRANSCRIPT)
        turn.text = self._addressed(turn, without_asides(heard), ears.turn_taking.voice_ms)
        if turn.text:
            self._caption_user(turn, final=False)
            if turn is self._turn:
                turn.reply = self._speaker.think(turn)
        for step in ears.turn_taking.transcribed(turn.text):
            self._take(ears, step)

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

    async def _judge(self, turn: UserTurn, ears: Ears, samples: Samples) -> None:
        judge = self._providers.turn_judge
        if judge is None:
            return
        try:
            async with asyncio.timeout(JUDGING_WITHIN_S):
                finished = await judge.finished(samples)
        except (ProviderError, TimeoutError) as error:
            log.warning("the end of a turn was not judged, silence decides: %s", type(error).__name__)
            return
        if self._is_under_way(turn):
            for step in ears.turn_taking.judged(finished):
                self._take(ears, step)

    def _addressed(self, turn: UserTurn, text: str, voice_ms: int) -> str:
        """The words an answer is owed to: "" for noise, humming along, and the avatar's own words come back."""
        # To a question the same sounds are an answer, and nobody presses a button to hum.
        over = turn.cut is not None and not turn.cut.is_asking and not turn.by_hand
        humming = (over or (turn.beside and not turn.by_hand)) and is_backchannel(text)
        blip = over and turn.continues is None and is_blip(text, voice_ms)
        echo = turn.may_be_echo and repeats(text, self._speaker.said)
        return "" if humming or blip or echo or not words_of(text) else text

    def _commit(self, turn: UserTurn) -> None:
        self._show_voice(turn.talker, speaking=False)
        if turn is not self._turn:
            del self._beside[turn.talker]
            if turn.text:
                self._answer_later(turn)
            return
        self._turn = None
        turn.marks.mark(Mark.TURN_DECIDED)
        if turn.text and turn.reply is None:
            # The floor fell to them after their words were known.
            turn.reply = self._speaker.think(turn)
        if turn.reply is not None:
            if turn.withheld is not None:
                turn.withheld.stop()
            self._answer(turn)
        elif turn.withheld is not None and turn.continues is not None:
            self._answer(turn.continues)
        elif turn.cut is not None:
            if turn.continues is not None:
                self._dialogue.user_said(turn.continues.whole_text, turn.talker.name)
            if not self._speaker.go_on(turn, self._next_number()):
                self._bearing.be(Activity.IDLE)
                self._answer_next()
        else:
            self._bearing.be(Activity.IDLE)
            self._answer_next()

    def _could_not_hear(self, turn: UserTurn, error: Exception) -> None:
        if isinstance(error, (ProviderError, TimeoutError)):
            log.warning("hearing failed: %s", error or type(error).__name__)
        else:
            log.error("hearing failed", exc_info=error)
        self._tell(turn.talker, phrases.HEARING.notice(str(error) if isinstance(error, ProviderError) else ""))
        if turn is not self._turn:
            self._forget(turn.talker)
            return
        self._drop_turn(turn.talker)
        self._say(phrases.HEARING.spoken)

    def _drop_turn(self, talker: Talker) -> None:
        """What `talker` was saying counts no more, nor what was being said by whoever had the floor."""
        turn, self._turn = self._turn, None
        self._stop_listening(talker)
        if turn is not None:
            self._stop_listening(turn.talker)
            if turn.text:
                self._caption_user(turn, final=True)
            turn.forget_work()
            if turn.continues is not None:
                self._dialogue.user_said(turn.continues.whole_text, turn.talker.name)
                turn.continues.forget_work()

    def _stop_listening(self, talker: Talker) -> None:
        if ears := self._ears.get(talker):
            ears.forget()
            self._show_voice(talker, speaking=False)
        if turn := self._beside.pop(talker, None):
            turn.forget_work()

    def _forget(self, talker: Talker) -> None:
        """What `talker` was saying counts no more; the others are not disturbed."""
        self._unanswered = deque(turn for turn in self._unanswered if turn.talker != talker)
        if self._turn is None or self._turn.talker != talker:
            self._stop_listening(talker)
            return
        self._drop_turn(talker)
        if not self._speaker.busy:
            self._bearing.be(Activity.IDLE)
            self._answer_next()

    async def _watch(self) -> None:
        """A microphone that is switched off in the middle of a sentence sends nothing at all: take that for silence.

        And whenever nobody waits for an answer, what was said longer ago becomes notes.
        """
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            # The tiny model only garbles what it is to note.
            if self._turn is None and not self._speaker.thinking and not self._providers.small_model:
                self._notes.consider()
            for talker, ears in list(self._ears.items()):
                missing_s = self._clock() - ears.heard_s
                if ears.turn_taking.speaking and missing_s > STARVED_AFTER_S:
                    self.hear(np.zeros(int(missing_s * HEARING_RATE_HZ), np.float32), talker)

    # Several talkers

    def _reachable_ears(self, talker: Talker) -> Ears | None:
        if not self._started or self._closed or talker in self._deaf:
            return None
        return self._ears_of(talker)

    def _ears_of(self, talker: Talker) -> Ears:
        if talker not in self._ears:
            turn_taking = TurnTaking(self._rules, judged=self._providers.turn_judge is not None)
            voice_activity = self._providers.voice_activity()
            self._ears[talker] = Ears(voice_activity, self._played, turn_taking, self._clock, talker)
        return self._ears[talker]

    def _may_begin(self, talker: Talker) -> bool:
        """Whether nobody else has the floor."""
        if self._turn is not None:
            return self._turn.talker == talker
        return self._speaker.answering in (None, talker)

    def _turn_of(self, talker: Talker) -> UserTurn | None:
        """What `talker` is saying. Who began beside somebody gets the floor as soon as it is free."""
        if self._turn is not None and self._turn.talker == talker:
            return self._turn
        turn = self._beside.get(talker)
        if turn is not None and self._turn is None and not self._speaker.busy:
            self._turn = self._beside.pop(talker)
            self._bearing.be(Activity.LISTENING)
        return turn

    def _is_under_way(self, turn: UserTurn) -> bool:
        return turn is self._turn or turn is self._beside.get(turn.talker)

    def _answer_later(self, turn: UserTurn) -> None:
        self._caption_user(turn, final=False)
        self._unanswered.append(turn)
        if len(self._unanswered) > MOST_WAITING:
            self._leave_unanswered(self._unanswered.popleft())

    def _answer_next(self) -> None:
        """The avatar is silent: answer who has waited longest, unless somebody speaks now."""
        if self._unanswered and self._turn is None and not self._speaker.busy:
            self._think_and_answer(self._unanswered.popleft())

    def _drop_unanswered(self) -> None:
        while self._unanswered:
            self._leave_unanswered(self._unanswered.popleft())

    def _leave_unanswered(self, turn: UserTurn) -> None:
        """It was heard, and gets no answer of its own."""
        self._caption_user(turn, final=True)
        self._dialogue.user_said(turn.text, turn.talker.name)

    def _tell(self, talker: Talker, event: dict[str, Any]) -> None:
        """Tell `talker` alone."""
        self._stage.send({**event, "to": talker.key} if self._several else event)

    def _show_voice(self, talker: Talker, *, speaking: bool) -> None:
        if self._several:
            self._stage.send({"type": "voice", "id": talker.key, "speaking": speaking})

    # Small things

    def _think_and_answer(self, turn: UserTurn) -> None:
        self._notes.stop()
        turn.marks.restart(self._clock())
        turn.marks.mark(Mark.TRANSCRIPT)
        turn.marks.mark(Mark.TURN_DECIDED)
        turn.reply = self._speaker.think(turn)
        self._answer(turn)

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
        said_by = {"id": turn.talker.key, "name": turn.talker.name} if turn.talker.name else {}
        self._stage.send(
            {"type": "caption", "who": "user", "turn": turn.number, "text": text, "final": final, **said_by}
        )
