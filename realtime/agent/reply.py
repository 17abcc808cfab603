"""One reply of the avatar: text comes in, pieces are spoken, and nothing is let out before the gate opens."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

import structlog

from avatars.engine.gestures import Named
from avatars.engine.performer import Activity
from avatars.engine.speech.spoken import Speech
from realtime.agent import phrases
from realtime.agent.bearing import Bearing
from realtime.agent.cues import Cue, Triggers
from realtime.agent.echo_guard import PlayedSound
from realtime.agent.knowledge import Found, Informed
from realtime.agent.latency import Mark, TurnMarks
from realtime.agent.phrases import Failure
from realtime.agent.protocols import (
    Clock,
    LanguageModel,
    Message,
    ProviderError,
    Providers,
    ReplyCutShort,
    Stage,
    TextToSpeech,
)
from realtime.agent.recital import Recital
from realtime.agent.sentences import Passage, Splitter
from realtime.agent.standby import Standby
from realtime.agent.tools import Card, Deed, Farewell
from realtime.agent.written_answers import Written

log = logging.getLogger(__name__)

_Item = TypeVar("_Item")

FIRST_TEXT_WITHIN_S: Final = 15.0
# Where another mind stands by.
FIRST_TEXT_BEFORE_OTHERS_S: Final = 6.0
MORE_TEXT_WITHIN_S: Final = 10.0
SOUND_WITHIN_S: Final = 20.0
LOOK_EVERY_S: Final = 0.04
# Before the gate opens all may be in vain; after it, a long answer is not spoken minutes ahead.
PIECES_BEFORE_GATE: Final = 2
AHEAD_MS: Final = 15_000
# Until then the gate is closed, and words are better gathered to whole clauses.
HURRIED_AFTER_S: Final = 0.25
# With so little left to say, the next words are needed.
RUNNING_DRY_MS: Final = 300
# More sentences than anybody writes.
WHOLE: Final = 1000


@dataclass(frozen=True, slots=True)
class Known:
    """A mind that has one thing to say."""

    text: str

    async def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        """Say it."""
        yield self.text

    async def prepare(self, messages: Sequence[Message]) -> None:
        """Nothing to prepare."""


@dataclass(frozen=True, slots=True)
class Theatre:
    """What every reply of a session shares. gestures: the recorded ones of the avatar."""

    providers: Providers
    stage: Stage
    bearing: Bearing
    played: PlayedSound
    clock: Clock
    voice: str
    triggers: Triggers
    standby: Standby
    gestures: Sequence[Named] = ()


@dataclass(slots=True)
class Reply:
    """Run `run` as a task; `release` opens the gate. Cancel the task to end it early.

    turn: the number its sound carries. minds: who may think of it, in the order to ask them.
    marks: None where nobody waits for it, as with a greeting. shown_as: the turn that the page knows it by.
    before: what was said of it already, where it goes on after a cut. known: the pieces that are known already.
    ends_call: the avatar hangs up when it was heard to its end. thought_through: no more words will come.
    """

    theatre: Theatre
    turn: int
    minds: list[LanguageModel]
    messages: Sequence[Message]
    marks: TurnMarks | None = None
    sentences: int = WHOLE
    recital: Recital = field(default_factory=Recital)
    shown_as: int | None = None
    before: str = ""
    known: Sequence[Passage] = ()
    ends_call: bool = False
    thought_through: bool = False
    released_s: float | None = None
    task: asyncio.Task[None] | None = None
    _gate: asyncio.Event = field(default_factory=asyncio.Event)
    _pieces: asyncio.Queue[Passage | None] = field(default_factory=asyncio.Queue)
    _held: list[Callable[[], None]] = field(default_factory=list)
    _voices: list[TextToSpeech] = field(default_factory=list)
    _given: list[Passage] = field(default_factory=list)
    _cued: set[Cue] = field(default_factory=set)
    _acted: bool = False
    _caption: str = ""
    _found: Found | None = None
    _sounding: bool = False
    _seen: bool = False
    _stopped: bool = False
    _unspoken: int = 0

    @classmethod
    def thought(cls, theatre: Theatre, turn: int, messages: Sequence[Message], marks: TurnMarks) -> "Reply":
        """A reply of the language model."""
        providers = theatre.providers
        minds = theatre.standby.order(providers.language_model, *providers.fallback_minds)
        return cls(theatre, turn, minds, messages, marks, providers.reply_sentences)

    @classmethod
    def fixed(cls, theatre: Theatre, turn: int, text: str) -> "Reply":
        """Words that are known already."""

        return cls(theatre, turn, [Known(text)], ())

    @property
    def sounding(self) -> bool:
        """Whether any of it was given to the stage."""
        return self._sounding

    def stop(self) -> None:
        """End it, wherever it is. Nothing of it reaches the stage or the page any more."""
        self._stopped = True
        if self.task is not None:
            self.task.cancel()

    @property
    def shown_turn(self) -> int:
        """The turn that the page knows it by: the sound of what goes on after a cut has a number of its own."""
        return self.turn if self.shown_as is None else self.shown_as

    def rest(self, turn: int) -> "Reply | None":
        """What was not heard of it, from the beginning of the piece that was cut; None where all was heard."""
        count = self.recital.heard_pieces()
        if not any(passage.text for passage in self._given[count:]):
            return None
        before = " ".join([self.before, *(passage.text for passage in self._given[:count])]).strip()
        rest = Reply(self.theatre, turn, [], (), shown_as=self.shown_turn, before=before, known=self._given[count:])
        rest._cued, rest._found, rest.ends_call = set(self._cued), self._found, self.ends_call
        return rest

    @property
    def is_asking(self) -> bool:
        """Whether most of a question has been heard, and nothing after it."""
        begun = [piece for piece in self.recital.pieces if piece.start_ms < self.recital.heard_ms]
        if not begun or not begun[-1].text.endswith("?"):
            return False
        return self.recital.heard_ms - begun[-1].start_ms >= begun[-1].duration_ms / 2

    def caption(self) -> str:
        """The text of every piece that has begun to sound."""
        return f"{self.before} {self.recital.caption()}".strip()

    def heard_text(self) -> str:
        """The words that have been heard."""
        return f"{self.before} {self.recital.heard_text()}".strip()

    async def run(self) -> None:
        """Think, speak, and follow the playback until the last word was heard. Failures are told, not raised."""
        # Of this task and those it starts; the session is in their context already.
        structlog.contextvars.bind_contextvars(turn=self.turn)
        providers = self.theatre.providers
        self._voices = self.theatre.standby.order(providers.text_to_speech, *providers.fallback_voices)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._think())
            tasks.create_task(self._speak())
            tasks.create_task(self._follow())

    def release(self) -> None:
        """The turn is the avatar's: let out what is ready, and the rest as it comes."""
        self.released_s = self.theatre.clock()
        self._gate.set()
        held, self._held = self._held, []
        for action in held:
            action()
        if not self._sounding:
            self.theatre.bearing.be(Activity.THINKING)

    def withhold(self) -> None:
        """Close the gate again, as long as nothing has sounded."""
        self.released_s = None
        self._gate.clear()

    async def _think(self) -> None:
        failure: Failure | None = None
        for passage in self.known:
            self._give(passage)
        while self.minds:
            mind = self.minds.pop(0)
            failure = await self._ask(mind)
            if failure is None:
                self.theatre.standby.did_well(mind)
                break
            self.theatre.standby.failed(mind)
            if self._has_words:
                # Its beginning was given out; another mind would begin again.
                break
        if failure is not None and failure.spoken:
            self._give(Passage(failure.spoken))
        self._pieces.put_nowait(None)
        self.thought_through = True

    async def _ask(self, mind: LanguageModel) -> Failure | None:
        """Give out what one mind says. What went wrong, if anything; it is told then."""
        splitter = Splitter(self.sentences, self.theatre.gestures)
        failure: Failure | None = None
        cut_short = False
        first_s = FIRST_TEXT_BEFORE_OTHERS_S if self.minds else FIRST_TEXT_WITHIN_S
        try:
            async with aclosing(_timed(mind.reply(self.messages), first_s, MORE_TEXT_WITHIN_S)) as texts:
                async for text in texts:
                    if isinstance(text, Deed):
                        self._do(text)
                        continue
                    self._mark(Mark.FIRST_TOKEN)
                    if isinstance(text, Written):
                        splitter = Splitter(WHOLE, self.theatre.gestures)
                    if isinstance(text, Informed):
                        self._found = text.found
                    for passage in splitter.push(text, hurried=self._hurried):
                        self._give(passage)
                    if splitter.full:
                        break
        except ReplyCutShort:
            cut_short = True
        except (ProviderError, TimeoutError) as error:
            failure = phrases.THOUGHT_LOST if self._has_words else self._stand_in or phrases.THINKING
            self._notice(failure, error)
        except Exception as error:
            failure = phrases.INTERNAL
            self._notice(failure, error)
        if failure is not None:
            self.ends_call = False
        # Where an apology follows, or another mind begins anew, a scrap would only confuse.
        if failure is None or self._has_words:
            for passage in splitter.finish(cut_short=cut_short or failure is not None):
                self._give(passage)
        # A nod is an answer, and so is what was asked for.
        if failure is None and not self._has_words and not self._acted:
            failure = self._stand_in or phrases.NO_ANSWER
            self._notice(failure)
        return failure

    @property
    def _stand_in(self) -> Failure | None:
        """What to tell where another mind answers now; None where there is none left."""
        if not self.minds:
            return None
        return phrases.STAND_IN_DEMO if self.theatre.providers.fallback_demo else phrases.STAND_IN

    @property
    def _has_words(self) -> bool:
        return any(passage.text for passage in self._given)

    @property
    def _hurried(self) -> bool:
        """Whether the avatar is silent, or will be in a moment, unless it is given some words."""
        if not self._has_words:
            return self.marks is None or self.marks.passed_s() > HURRIED_AFTER_S
        return not self._unspoken and self._gate.is_set() and self.theatre.stage.queued_ms() < RUNNING_DRY_MS

    def _give(self, passage: Passage) -> None:
        # Small models fall into repeating themselves.
        if passage.text and any(passage.text == given.text for given in self._given):
            return
        self._given.append(passage)
        self._acted = self._acted or bool(passage.directions)
        self._unspoken += 1
        self._pieces.put_nowait(passage)

    def _do(self, deed: Deed) -> None:
        """Let something happen; what the page shows waits for the gate as the words do."""
        self._acted = True
        if isinstance(deed, Card):
            card = {"type": "card", "turn": self.shown_turn, "title": deed.link.title, "url": deed.link.url}
            self._let_out(partial(self._send, card))
        elif isinstance(deed, Farewell):
            self.ends_call = True

    def _cues(self, passage: Passage) -> list[tuple[Cue, float]]:
        """The gestures that go with a passage: those written in it, and those its words set off for the first time."""
        written = [(Cue(direction.gesture), direction.share) for direction in passage.directions]
        set_off = [(cue, at) for cue, at in self.theatre.triggers.by_avatar(passage.text) if cue not in self._cued]
        self._cued.update(cue for cue, _ in set_off)
        return written + set_off

    async def _speak(self) -> None:
        count = 0
        while (passage := await self._pieces.get()) is not None:
            if count >= PIECES_BEFORE_GATE:
                await self._gate.wait()
            if self._gate.is_set() and (too_early_ms := self.theatre.stage.queued_ms() - AHEAD_MS) > 0:
                await asyncio.sleep(too_early_ms / 1000)
            count += 1
            await self._say(passage.text, self._cues(passage))
            self._unspoken -= 1
        self._let_out(self._complete)

    async def _say(self, text: str, cues: list[tuple[Cue, float]]) -> None:
        """Speak one piece with the first voice that can; where none can, it is only shown."""
        while text and self._voices:
            begun = False
            try:
                sound = _timed(self._voices[0].speak(text, self.theatre.voice), SOUND_WITHIN_S, SOUND_WITHIN_S)
                async with aclosing(sound) as parts:
                    async for speech in parts:
                        self._let_out(
                            partial(self._play, speech, None if begun else partial(self.recital.begin, text, cues))
                        )
                        begun = True
                self.theatre.standby.did_well(self._voices[0])
                return
            except Exception as error:
                self.theatre.standby.failed(self._voices.pop(0))
                self._notice(phrases.VOICE if self._voices else phrases.VOICELESS, error)
                if begun:
                    # Its beginning was heard; said again by another voice it would only confuse.
                    return
        self._let_out(partial(self.recital.begin, text, cues))

    async def _follow(self) -> None:
        """Send each caption when its first word sounds, until all is heard."""
        stage, recital = self.theatre.stage, self.recital
        # A task that is cancelled may have one more step before it.
        while not self._stopped:
            await self._gate.wait()
            playback = stage.playback()
            mine = playback.heard_ms if playback.turn == self.turn else None
            over = recital.observe(mine, stage.queued_ms(), self.theatre.clock())
            for cue in recital.due():
                stage.play_gesture(cue)
            if self.marks is not None and not self._seen and (left_s := stage.left_s(self.turn)) is not None:
                self._seen = True
                self.marks.mark(Mark.FIRST_FRAME, left_s)
                self._send(self.marks.event(self.turn))
            caption = self.caption()
            if over or caption != self._caption:
                self._caption = caption
                self._send(self.caption_event(caption, final=over))
            if over:
                return
            await asyncio.sleep(LOOK_EVERY_S)

    def caption_event(self, text: str, *, final: bool) -> dict[str, Any]:
        """The event that shows this text as what was said so far."""
        event = {"type": "caption", "who": "avatar", "turn": self.shown_turn, "text": text, "final": final}
        if self._found is not None and (sources := self._found.cited(text)):
            event["sources"] = sources
        return event

    def _play(self, speech: Speech, begin: Callable[[], None] | None) -> None:
        stage = self.theatre.stage
        if not self._sounding:
            self._sounding = True
            self._mark(Mark.FIRST_AUDIO)
            self.theatre.bearing.be(Activity.SPEAKING)
        if begin is not None:
            begin()
        self.recital.extend(speech.duration_s * 1000)
        self.theatre.played.add(self.turn, speech.samples)
        stage.play(self.turn, speech)

    def _complete(self) -> None:
        self.recital.complete = True

    def _let_out(self, action: Callable[[], None]) -> None:
        if self._stopped:
            return
        if self._gate.is_set():
            action()
        else:
            self._held.append(action)

    def _notice(self, failure: Failure, error: BaseException | None = None) -> None:
        if isinstance(error, ProviderError):
            log.warning("%s: %s", failure.code, error)
        elif error is not None:
            log.warning("%s", failure.code, exc_info=error)
        own_words = failure in (phrases.VOICE, phrases.STAND_IN, phrases.STAND_IN_DEMO)
        message = str(error) if isinstance(error, ProviderError) and not own_words else ""
        self._let_out(partial(self._send, failure.notice(message)))

    def _mark(self, mark: Mark) -> None:
        if self.marks is not None:
            self.marks.mark(mark)

    def _send(self, event: dict[str, Any]) -> None:
        self.theatre.stage.send(event)


async def _timed(items: AsyncGenerator[_Item, None], first_s: float, more_s: float) -> AsyncGenerator[_Item, None]:
    """The same items; TimeoutError where the first or a later one is waited for too long."""
    async with aclosing(items):
        within_s = first_s
        while True:
            try:
                async with asyncio.timeout(within_s):
                    item = await anext(items)
            except StopAsyncIteration:
                return
            yield item
            within_s = more_s
