"""What the agent needs from others: ears, a mind, a voice, and the stage that the session gives it."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

from avatars.engine.gestures import Named
from avatars.engine.performer import Activity, Playback
from avatars.engine.speech.spoken import Speech
from realtime.agent.cues import Cue, Trigger
from webapp.providers.endpoint import Endpoint

Samples = NDArray[np.float32]

HEARING_RATE_HZ: Final = 16_000

# Seconds of a clock that never goes back, the one asyncio's own timers run on.
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Talker:
    """Somebody who may talk to the avatar. key: tells them apart; name: "" in a conversation of two."""

    key: str = ""
    name: str = ""


class Attributed(str):
    """What people said, each with their name before it, as the language model reads it. words: without the names."""

    words: str

    def __new__(cls, text: str, words: str) -> "Attributed":
        """Keep both."""
        attributed = super().__new__(cls, text)
        attributed.words = words
        return attributed


class Message(TypedDict):
    """One message of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


class ProviderError(RuntimeError):
    """A provider failed. The text is one sentence fit for a visitor, without addresses or keys."""


class ReplyCutShort(Exception):
    """The reply ended at the length limit and not at an end of its own."""


class SpeechToText(Protocol):
    """Sound to words."""

    async def transcribe(self, samples: Samples) -> str:
        """The words in (n,) float32 samples at `HEARING_RATE_HZ`, "" where there are none. Raises ProviderError."""
        ...


class LanguageModel(Protocol):
    """Messages to a reply."""

    def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        """The reply in pieces of text as they are made; closing the generator ends the work.

        Raises ProviderError, and ReplyCutShort at its end where the model was stopped in the middle of a sentence.
        """
        ...

    async def prepare(self, messages: Sequence[Message]) -> None:
        """Read ahead what will not change any more, where that saves time later. Never raises."""
        ...


class Meaning(Protocol):
    """Texts to vectors that tell what they mean."""

    async def embed(self, texts: Sequence[str]) -> Samples:
        """(n, d) vectors of length 1: texts that mean alike have a product near 1. Raises ProviderError."""
        ...


class TextToSpeech(Protocol):
    """Words to sound."""

    def speak(self, text: str, voice: str) -> AsyncGenerator[Speech, None]:
        """The spoken text in one or more pieces. Raises ProviderError."""
        ...


class VoiceActivity(Protocol):
    """Tells voice from other sound, frame by frame; holds the state of one microphone."""

    def probability(self, frame: Samples) -> float:
        """How likely the next frame, (512,) samples, holds a voice: 0..1. Takes well below a millisecond."""
        ...

    def reset(self) -> None:
        """Forget what was heard."""
        ...


class TurnJudge(Protocol):
    """Hears in the tone whether somebody has finished."""

    async def finished(self, samples: Samples) -> float:
        """How likely the turn that ends with these samples is complete: 0..1. Raises ProviderError."""
        ...


class Stage(Protocol):
    """The avatar as its agent sees it. Every call comes from the event loop and returns at once."""

    def play(self, turn: int, speech: Speech) -> None:
        """Queue speech of a turn."""
        ...

    def interrupt(self) -> Playback:
        """Fall silent, drop the queue, and say how much of which turn was heard."""
        ...

    def playback(self) -> Playback:
        """How much of which turn has been heard."""
        ...

    def queued_ms(self) -> int:
        """How much sound is waiting, including what is being prepared."""
        ...

    def left_s(self, turn: int) -> float | None:
        """When the first frame that says something of a turn left for the visitors; None before that is known."""
        ...

    def set_activity(self, activity: Activity) -> None:
        """How the avatar should hold itself."""
        ...

    def play_gesture(self, cue: Cue) -> None:
        """Begin a gesture. Raises `UnknownGesture`."""
        ...

    def user_paused(self) -> None:
        """The user, who is being listened to, has paused."""
        ...

    def hang_up(self) -> None:
        """End the call: the avatar has said goodbye."""
        ...

    def send(self, event: dict[str, Any]) -> None:
        """Send an event to every browser, or with `to`, a talker's key, to that one alone."""
        ...


@dataclass(frozen=True, slots=True)
class Providers:
    """Everything an agent works with; most of it is shared by all sessions of a process.

    voice_activity: makes one for each session. turn_judge: None is the silence rule alone.
    meaning: finds written answers; None where there is no model for that.
    fallback_ears, fallback_minds, fallback_voices: asked in this order when the first fails. The local voice is the last
    of the voices, unless it is the first already: there is always one that can apologise.
    small_model: a few words of instruction must do. reply_sentences: a reply is cut after so many.
    history_tokens: how much of the conversation the model is told again each turn. knowledge_letters: and how much of
    what the avatar knows from files.
    demo_brain, fallback_demo: whether the tiny model thinks, or would where the first mind fails.
    conversing: where speech goes in and comes out, in place of ears, mind and voice; None is the usual way.
    """

    speech_to_text: SpeechToText
    language_model: LanguageModel
    text_to_speech: TextToSpeech
    voice_activity: Callable[[], VoiceActivity]
    turn_judge: TurnJudge | None = None
    meaning: Meaning | None = None
    fallback_ears: tuple[SpeechToText, ...] = ()
    fallback_minds: tuple[LanguageModel, ...] = ()
    fallback_voices: tuple[TextToSpeech, ...] = ()
    small_model: bool = False
    reply_sentences: int = 6
    history_tokens: int = 1500
    knowledge_letters: int = 1500
    demo_brain: bool = False
    fallback_demo: bool = False
    conversing: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class WrittenPair:
    """Ways of asking one thing, and what is then answered word for word."""

    questions: tuple[str, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class KnownPassage:
    """A stretch of a file. page: from 1; 0 where the file has no pages. heading: what it stands under, or ""."""

    text: str
    file: str
    page: int = 0
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What an avatar knows from files. vectors: (n, d), what each of the n passages means, of length 1."""

    passages: tuple[KnownPassage, ...]
    vectors: Samples = field(compare=False)


@dataclass(frozen=True, slots=True)
class Link:
    """A page that an avatar may show. url: https."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Recollection:
    """A conversation as its agent remembers it. notes: of its beginning, where that was folded."""

    notes: str
    turns: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Who the avatar is.

    persona: the creator's words for the model. voice: a style of the local voice, or the name of a remote one.
    pairs: answers that its owner wrote. triggers: words that set off gestures. several: it meets more than one person.
    knowledge: None where it has no files. patience: how long a silence ends a turn, "short", "normal" or "long".
    longest_turn_s: a turn is ended by force after so long. tools: the names of those its owner switched on.
    links: what it may show. time_zone: the visitor's, as in "Europe/Berlin"; "" where it is not known.
    gestures: the recorded ones that its face has.
    memories: what it knows of the visitor from earlier conversations. resumed: what was said before in this one, on another
    machine; then it does not greet.
    """

    persona: str = ""
    greeting: str = ""
    voice: str = "heart"
    name: str = ""
    pairs: tuple[WrittenPair, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    several: bool = False
    knowledge: Knowledge | None = None
    patience: str = "normal"
    longest_turn_s: float = 28.0
    tools: frozenset[str] = frozenset()
    links: tuple[Link, ...] = ()
    time_zone: str = ""
    gestures: tuple[Named, ...] = ()
    memories: tuple[str, ...] = ()
    resumed: Recollection | None = None


class Converser(Protocol):
    """An agent as its session sees it. Every method is called on the event loop; none but `start` and `close` waits."""

    async def start(self) -> None:
        """Begin the conversation."""
        ...

    def hear(self, samples: Samples, talker: Talker) -> None:
        """The next samples of somebody's microphone: (n,) float32, mono, at `HEARING_RATE_HZ`, any length."""
        ...

    def read(self, text: str, talker: Talker) -> None:
        """Somebody typed something instead of saying it."""
        ...

    def interrupt(self, talker: Talker) -> None:
        """Somebody wants the avatar to be silent."""
        ...

    def push_to_talk(self, on: bool, talker: Talker) -> None:
        """From now on a button begins and ends what they say, or their voice does."""
        ...

    def press(self, talker: Talker) -> None:
        """They hold the button."""
        ...

    def release(self, talker: Talker) -> None:
        """They let the button go."""
        ...

    def leave(self, talker: Talker) -> None:
        """Somebody has left, and what they were saying with them."""
        ...

    def recollection(self) -> Recollection:
        """What was said, also after the end."""
        ...

    async def close(self) -> None:
        """End the conversation; nothing of it goes on afterwards."""
        ...
