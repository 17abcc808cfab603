"""The fourth kind of agent: one model hears and speaks. Ears, mind and voice stand by for when it fails."""

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from avatars.engine.directions import without_directions
from avatars.engine.performer import Activity
from avatars.engine.speech.spoken import Speech
from realtime.agent import phrases
from realtime.agent.agent import CHECK_EVERY_S, STARVED_AFTER_S, TEXT_LETTERS, Agent
from realtime.agent.bearing import Bearing
from realtime.agent.cues import Cue, Triggers
from realtime.agent.dialogue import NOTES, system_prompt
from realtime.agent.ears import Ears
from realtime.agent.echo_guard import PlayedSound
from realtime.agent.latency import TurnMarks
from realtime.agent.notes import transcript
from realtime.agent.parts import Parts
from realtime.agent.protocols import (
    HEARING_RATE_HZ,
    AgentSettings,
    Clock,
    Message,
    ProviderError,
    Providers,
    Recollection,
    Samples,
    Stage,
    Talker,
)
from realtime.agent.providers.openai_realtime import RealtimeLine, calls_of, sound_of
from realtime.agent.providers.resampling import Resampler
from realtime.agent.reply import Reply, Theatre
from realtime.agent.sentences import Passage
from realtime.agent.standby import Standby
from realtime.agent.tool_use import MOST_ROUNDS
from realtime.agent.tools import Card, Farewell, ToolCall, toolbox_for
from realtime.agent.turn_taking import Step, TurnTaking
from realtime.agent.user_turn import ALONE
from realtime.taskset import TaskSet
from webapp.providers.endpoint import Endpoint

log = logging.getLogger(__name__)

# So long an answer may take to begin, or to go on.
SOUND_WITHIN_S: Final = 10.0
RESUMED: Final = "The conversation goes on. Said so far:"
# Sound that waits to be sent while the line is slow; more is dropped.
WAITING_FRAMES: Final = 250
LONGEST_ANSWER_S: Final = 180.0
LETTERS_A_SECOND: Final = 15.0
# Of what was said, so much is known here for what is to be remembered of the user.
TURNS_KEPT: Final = 100


@dataclass(slots=True)
class StreamedReply(Reply):
    """A reply whose sound and words come from outside. item: the server's name of it."""

    item: str = ""
    _sound: asyncio.Queue[Samples | None] = field(default_factory=asyncio.Queue)
    _words: str = ""

    def add_sound(self, samples: Samples) -> None:
        """What follows of the sound."""
        self._sound.put_nowait(samples)

    def add_words(self, words: str) -> None:
        """What follows of the words; they come a little before their sound."""
        self._words += words

    def end(self) -> None:
        """All has come."""
        self._sound.put_nowait(None)

    async def run(self) -> None:
        """Let the sound out as it comes, and follow it. Raises TimeoutError where it does not go on."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._speak_stream())
            tasks.create_task(self._follow())

    async def _speak_stream(self) -> None:
        parts = Parts()
        while True:
            async with asyncio.timeout(SOUND_WITHIN_S):
                samples = await self._sound.get()
            if samples is None:
                break
            if part := parts.push(samples):
                self._part(part, int(part.duration_s * LETTERS_A_SECOND))
        if part := parts.rest(np.zeros(0, np.float32)):
            self._part(part, len(self._words))
        elif self._words:
            self.recital.begin(self._words.strip())
        self._complete()

    def _part(self, part: Speech, letters: int) -> None:
        """Let out some sound, with about as many letters as are spoken in it: nobody says which belong to it."""
        end = self._words.find(" ", letters)
        end = len(self._words) if end < 0 else end
        words, self._words = self._words[:end].strip(), self._words[end:]
        cues = self._cues(Passage(words))
        self._play(replace(part, text=words), lambda: self.recital.begin(words, cues))


class SpeechToSpeechAgent:
    """Has the methods of `Agent`, which takes over, with a word of apology, where the line cannot be opened or breaks."""

    def __init__(
        self,
        settings: AgentSettings,
        providers: Providers,
        stage: Stage,
        endpoint: Endpoint,
        *,
        clock: Clock = time.monotonic,
    ) -> None:
        self._settings, self._providers, self._stage, self._clock = settings, providers, stage, clock
        self._line = RealtimeLine(endpoint)
        self._tasks = TaskSet("a speech-to-speech agent")
        self._bearing = Bearing(stage)
        played = PlayedSound()
        self._theatre = Theatre(
            providers,
            stage,
            self._bearing,
            played,
            clock,
            settings.voice,
            Triggers(settings.triggers),
            Standby(clock),
            settings.gestures,
        )
        self._turn_taking = TurnTaking(judged=False)
        self._ears = Ears(providers.voice_activity(), played, self._turn_taking, clock, ALONE)
        self._resampler = Resampler(HEARING_RATE_HZ)
        self._microphone: asyncio.Queue[Samples] = asyncio.Queue(WAITING_FRAMES)
        self._outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._reply: StreamedReply | None = None
        self._marks = TurnMarks(clock)
        self._turn = 0
        self._turn_of_item: dict[str, int] = {}
        self._answer_due_s: float | None = None
        self._stand_in: Agent | None = None
        # Of what was cut, more may still come.
        self._cut_item: str | None = None
        self._toolbox = toolbox_for(settings)
        self._calling: asyncio.Task[None] | None = None
        self._rounds = 0
        self._leaving = False
        self._said: deque[Message] = deque(settings.resumed.turns if settings.resumed else (), TURNS_KEPT)
        self._open = self._started = self._closed = False

    # What the session calls

    async def start(self) -> None:
        """Open the line; the greeting is said as soon as it stands."""
        if self._started or self._closed:
            return
        self._started = True
        self._bearing.be(Activity.IDLE)
        self._tasks.spawn(self._converse())

    def hear(self, samples: Samples, talker: Talker = ALONE) -> None:
        """The microphone's next samples: (n,) float32, mono, at `HEARING_RATE_HZ`, any length. Returns at once."""
        if self._stand_in is not None:
            self._stand_in.hear(samples, talker)
            return
        if not self._open:
            return
        was_speaking = self._turn_taking.speaking
        sent = samples
        over = False
        try:
            for step in self._ears.hear(samples, self._stage.playback):
                if step is Step.STARTED:
                    self._user_started()
                    # With what lies before the first word, which was withheld.
                    sent = self._ears.recorder.samples()
                elif step is Step.STIRRED:
                    self._stage.send({"type": "yield"})
                elif step is Step.PAUSED:
                    self._stage.user_paused()
                elif step is Step.TRANSCRIBE:
                    # Nobody waits for words here: the silence alone ends the turn.
                    over = Step.COMMIT in self._turn_taking.transcribed("")
                elif step is Step.COMMIT:
                    over = True
                if over:
                    self._ears.recorder.end()
        except Exception as error:
            self._tasks.spawn(self._fail(error))
            return
        heard = was_speaking or self._turn_taking.speaking
        # While the avatar can be heard the server gets silence, or it would take the avatar's own voice for the user's.
        quiet = not heard and (self._turn_taking.by_hand or self._stage.playback().turn is not None)
        self._send_sound(np.zeros_like(samples) if quiet else sent)
        if over and self._turn_taking.by_hand:
            # The server hears the end by silence alone.
            self._send_sound(np.zeros(HEARING_RATE_HZ, np.float32))

    def read(self, text: str, talker: Talker = ALONE) -> None:
        """The user typed something instead of saying it."""
        if self._stand_in is not None:
            self._stand_in.read(text, talker)
            return
        text = text.strip()
        if not self._open or not text:
            return
        if len(text) > TEXT_LETTERS:
            self._stage.send(phrases.TOO_LONG.notice())
            return
        self._cut()
        self._turn += 1
        self._marks.restart(self._clock())
        self._caption_user(self._turn, text)
        content = [{"type": "input_text", "text": text}]
        self._send(type="conversation.item.create", item={"type": "message", "role": "user", "content": content})
        self._ask_to_speak()

    def interrupt(self, talker: Talker = ALONE) -> None:
        """The user wants the avatar to be silent."""
        if self._stand_in is not None:
            self._stand_in.interrupt(talker)
        elif self._open:
            self._cut()
            self._answer_due_s = None
            self._bearing.be(Activity.IDLE)

    def push_to_talk(self, on: bool, talker: Talker = ALONE) -> None:
        """From now on nothing is sent but what is said while a button is held, or all again."""
        if self._stand_in is not None:
            self._stand_in.push_to_talk(on, talker)
        elif self._turn_taking.by_hand != on:
            self._ears.forget()
            self._turn_taking.by_hand = on

    def press(self, talker: Talker = ALONE) -> None:
        """The user holds the button."""
        if self._stand_in is not None:
            self._stand_in.press(talker)
        elif self._open and self._turn_taking.by_hand and Step.STARTED in self._ears.press():
            self._user_started()

    def release(self, talker: Talker = ALONE) -> None:
        """The user lets the button go."""
        if self._stand_in is not None:
            self._stand_in.release(talker)
        elif self._turn_taking.by_hand:
            self._turn_taking.release()

    def leave(self, talker: Talker) -> None:
        """The user has left."""
        if self._stand_in is not None:
            self._stand_in.leave(talker)

    def recollection(self) -> Recollection:
        """What was said, also after the end; the server alone knows what is older than that."""
        rest = self._stand_in.recollection() if self._stand_in is not None else Recollection("", ())
        return replace(rest, turns=(*self._said, *rest.turns))

    async def close(self) -> None:
        """End the conversation."""
        self._closed, self._open = True, False
        await self._tasks.cancel()
        await self._line.close()
        if self._stand_in is not None:
            await self._stand_in.close()

    # The line

    def _instructions(self) -> str:
        """Who the model is, and what was said before it came."""
        who, resumed = system_prompt(self._settings), self._settings.resumed
        if resumed is None:
            return who
        notes = f"{NOTES} {resumed.notes}\n" if resumed.notes else ""
        return f"{who}\n{notes}{RESUMED}\n{transcript(resumed.turns)}"

    async def _converse(self) -> None:
        try:
            await self._line.open(self._instructions(), self._toolbox.functions())
            self._open = True
            if self._settings.resumed is None and (greeting := self._settings.greeting.strip()):
                self._ask_to_speak(instructions=f'Greet the user with exactly these words and no others: "{greeting}"')
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send_all())
                tasks.create_task(self._send_microphone())
                tasks.create_task(self._watch())
                tasks.create_task(self._listen())
        except* Exception as group:
            await self._fail(_first(group))

    async def _listen(self) -> None:
        async for event in self._line.events():
            self._take(event)
        raise ProviderError("The speech-to-speech model hung up.")

    async def _send_all(self) -> None:
        while True:
            await self._line.send(**await self._outbox.get())

    async def _send_microphone(self) -> None:
        while True:
            await self._line.send_sound(self._resampler.push(await self._microphone.get()))

    async def _watch(self) -> None:
        """Notice an answer that does not come, and a microphone that is switched off in the middle of a sentence."""
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            if self._turn_taking.speaking and self._clock() - self._ears.heard_s > STARVED_AFTER_S:
                # A second of silence, by which the server hears the end as well.
                self.hear(np.zeros(HEARING_RATE_HZ, np.float32))
            if self._answer_due_s is not None and self._clock() > self._answer_due_s:
                raise ProviderError("The speech-to-speech model did not answer in time.")

    def _take(self, event: dict[str, Any]) -> None:
        """Act on one event of the server; those of newer versions that nobody knows yet are left alone."""
        kind = event["type"]
        item = event.get("item_id") if isinstance(event.get("item_id"), str) else ""
        if kind in {"response.output_audio.delta", "response.audio.delta"}:
            reply = self._reply_of(item)
            if reply is not None:
                reply.add_sound(sound_of(event))
        elif kind in {"response.output_audio_transcript.delta", "response.audio_transcript.delta"}:
            reply = self._reply_of(item)
            if reply is not None and isinstance(event.get("delta"), str):
                reply.add_words(event["delta"])
        elif kind == "response.done":
            self._response_done(event.get("response"))
        elif kind == "input_audio_buffer.speech_started":
            self._turn_of_item[item or ""] = self._turn
        elif kind == "input_audio_buffer.speech_stopped":
            self._marks.restart(self._ears.speech_ended_s)
            self._answer_due_s = self._clock() + SOUND_WITHIN_S
            self._bearing.be(Activity.THINKING)
        elif kind == "conversation.item.input_audio_transcription.completed":
            text = event.get("transcript")
            if isinstance(text, str) and text.strip():
                self._caption_user(self._turn_of_item.pop(item or "", self._turn), text.strip())
        elif kind == "error":
            log.warning("the speech-to-speech model reports an error: %s", _code(event.get("error")))

    def _reply_of(self, item: str | None) -> StreamedReply | None:
        """The reply that an item belongs to, begun with its first sound; None for one that was cut."""
        self._answer_due_s = None
        if self._reply is not None and (self._reply.item == item or not self._reply.item):
            self._reply.item = item or ""
            return self._reply
        if self._reply is not None or (item and item == self._cut_item):
            return None
        reply = self._reply = StreamedReply(self._theatre, self._turn, [], (), self._marks, item=item or "")
        reply.release()
        reply.task = self._tasks.spawn(self._perform(reply))
        return reply

    def _response_done(self, response: Any) -> None:
        self._answer_due_s = None
        status = response.get("status") if isinstance(response, dict) else None
        spoke = self._reply is not None
        if self._reply is not None:
            self._reply.end()
        elif status == "failed":
            raise ProviderError("The speech-to-speech model could not answer.")
        if status == "completed" and (calls := calls_of(response)):
            self._calling = self._tasks.spawn(self._call(calls, spoke=spoke))
        elif self._leaving and not spoke:
            self._stage.hang_up()

    async def _call(self, calls: list[tuple[str, ToolCall]], *, spoke: bool) -> None:
        """Do what the model wants done, tell it what became of that, and let it go on."""
        self._rounds += 1
        for call_id, call in calls:
            done = await self._toolbox.call(call)
            self._do(done.deed)
            result = {"type": "function_call_output", "call_id": call_id, "output": done.told}
            self._send(type="conversation.item.create", item=result)
        if self._reply is not None and self._reply.task is not None:
            # One thing after the other is heard.
            await asyncio.wait([self._reply.task])
        if self._leaving and spoke:
            # It has said goodbye already.
            self._stage.hang_up()
        elif self._rounds > MOST_ROUNDS:
            self._ask_to_speak(tool_choice="none")
        else:
            self._ask_to_speak()

    def _do(self, deed: str | None) -> None:
        if isinstance(deed, Card):
            self._stage.send({"type": "card", "turn": self._turn, "title": deed.link.title, "url": deed.link.url})
        elif isinstance(deed, Farewell):
            self._leaving = True
        elif deed is not None:
            for direction in without_directions(deed, self._settings.gestures)[1]:
                self._stage.play_gesture(Cue(direction.gesture))

    async def _perform(self, reply: StreamedReply) -> None:
        try:
            async with asyncio.timeout(LONGEST_ANSWER_S):
                await reply.run()
        except (TimeoutError, ExceptionGroup):
            await self._fail(ProviderError("The speech-to-speech model stopped in the middle of its answer."))
            return
        if reply is self._reply:
            self._reply = None
            self._heard(reply)
            self._bearing.be(Activity.IDLE)
            if self._leaving and (self._calling is None or self._calling.done()):
                self._stage.hang_up()

    # The user

    def _user_started(self) -> None:
        self._cut()
        self._turn += 1
        self._answer_due_s = None
        self._bearing.be(Activity.LISTENING)

    def _cut(self) -> None:
        """Silence the avatar, and tell the server how much was heard. What it was doing is given up."""
        reply, self._reply = self._reply, None
        self._rounds, self._leaving = 0, False
        if self._calling is not None:
            self._calling.cancel()
        if reply is None:
            return
        reply.stop()
        playback = self._stage.interrupt()
        heard_ms = playback.heard_ms if playback.turn == reply.turn else reply.recital.heard_ms
        reply.recital.heard_ms = max(reply.recital.heard_ms, heard_ms)
        self._cut_item = reply.item
        self._heard(reply)
        self._stage.send({"type": "interrupted", "turn": reply.turn, "text": reply.recital.heard_text()})
        self._send(type="response.cancel")
        if reply.item:
            self._send(
                type="conversation.item.truncate", item_id=reply.item, content_index=0, audio_end_ms=int(heard_ms)
            )

    def _ask_to_speak(self, **how: str) -> None:
        self._answer_due_s = self._clock() + SOUND_WITHIN_S
        self._bearing.be(Activity.THINKING)
        self._send(type="response.create", **({"response": how} if how else {}))

    def _send(self, **event: Any) -> None:
        self._outbox.put_nowait(event)

    def _send_sound(self, samples: Samples) -> None:
        if not self._microphone.full():
            self._microphone.put_nowait(np.asarray(samples, np.float32))

    def _heard(self, reply: StreamedReply) -> None:
        """The user heard this much of it."""
        if text := reply.recital.heard_text():
            self._said.append({"role": "assistant", "content": text})

    def _caption_user(self, turn: int, text: str) -> None:
        self._said.append({"role": "user", "content": text})
        self._stage.send({"type": "caption", "who": "user", "turn": turn, "text": text, "final": True})
        if cue := self._theatre.triggers.by_user(text):
            self._stage.play_gesture(cue)

    # When it fails

    async def _fail(self, error: BaseException) -> None:
        """Let ears, mind and voice take over: from the beginning, or with a word of apology."""
        if self._closed or self._stand_in is not None:
            return
        sentence = str(error) if isinstance(error, ProviderError) else ""
        log.warning("speech to speech fails, the usual providers take over: %s", sentence or type(error).__name__)
        if not sentence:
            log.error("speech to speech failed", exc_info=error)
        begun = self._open
        self._cut()
        self._open = False
        resumed = None if begun else self._settings.resumed
        if resumed is not None:
            self._said.clear()
        greeting = phrases.LINE_LOST.spoken if begun else self._settings.greeting
        self._stage.send(phrases.LINE_LOST.notice())
        settings = replace(self._settings, greeting=greeting, resumed=resumed)
        self._stand_in = Agent(settings, self._providers, self._stage, clock=self._clock, turns=self._turn)
        await self._stand_in.start()
        self._stand_in.push_to_talk(self._turn_taking.by_hand)
        await self._line.close()


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    """The first of the exceptions, a sentence for people before all others."""
    leaves = list(_leaves(group))
    return next((leaf for leaf in leaves if isinstance(leaf, ProviderError)), leaves[0])


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _code(error: Any) -> str:
    """What a server calls its error; never its text, which may quote what was said."""
    code = error.get("code") or error.get("type") if isinstance(error, dict) else None
    return str(code)[:60] if code else "of no name"
