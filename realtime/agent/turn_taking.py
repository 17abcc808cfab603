"""When does somebody begin to speak, and when have they finished? Pure rules over frames of 32 ms.

Work on an answer begins early, at the first breath of silence, and is thrown away when the speaker goes on; the answer
is let out late, behind a gate. So the gate costs no time, and may be generous where they seem not to have finished.
"""

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from realtime.agent.vad import FRAME_MS

# Sound comes later than the word that a button was let go.
TAIL_MS: Final = 160
# A sentence that stops after one of these goes on.
UNFINISHED_WORDS: Final = frozenset(
    re.findall(
        r"[\w']+",
        "a an the my your his her its our their this that these those of to for with at by from in on into about than "
        "as and or but because if when while what which who whose so like is are was were am be will would can could "
        "should i i'm you're we're they're not very um uh er",
    )
)
_LAST_WORD: Final = re.compile(r"([\w']+)\W*$")


class Step(Enum):
    """What to do now."""

    STIRRED = auto()  # there may be a voice over the avatar's: it lowers its own, until this is known
    STARTED = auto()  # somebody began to speak
    TRANSCRIBE = auto()  # the voice fades, or is silent: transcribe what was said, answer behind the gate
    PAUSED = auto()  # a breath
    JUDGE = auto()  # ask whether the tone was that of an end
    RESUMED = auto()  # they go on: forget the transcript and the answer
    COMMIT = auto()  # their turn is over: let the answer out


@dataclass(frozen=True, slots=True)
class Rules:
    """The thresholds. Probabilities 0..1; times count from the last voiced frame.

    transcribe_ms: one frame, for the detector is 50 ms behind. voice_fading: below that a hushed frame is taken for the
    end already, for so long as a voice fades.
    gate_plain_ms: where there is no judge of tone. longest_ms: then a turn is ended by force.
    """

    voice_on: float = 0.5
    voice_off: float = 0.35
    voice_fading: float = 0.7
    fading_ms: int = 128
    start_frames: int = 3
    stir_frames: int = 2
    barge_in_frames: int = 4
    barge_in_early_frames: int = 6
    barge_in_window: int = 7
    transcribe_ms: int = 32
    pause_ms: int = 96
    judge_ms: int = 192
    finished: float = 0.5
    gate_ms: int = 350
    gate_plain_ms: int = 550
    gate_hold_ms: int = 750
    longest_ms: int = 28_000


# Of each degree of patience: gate, gate without a judge of tone, and gate where more seems to come, in milliseconds.
GATES_MS: Final[Mapping[str, tuple[int, int, int]]] = {
    "short": (250, 400, 550),
    "normal": (350, 550, 750),
    "long": (700, 1000, 1500),
}


def rules_for(patience: str, longest_s: float) -> Rules:
    """The rules of an avatar that waits so patiently, and lets nobody go on for longer than that."""
    gate_ms, plain_ms, hold_ms = GATES_MS[patience]
    return Rules(gate_ms=gate_ms, gate_plain_ms=plain_ms, gate_hold_ms=hold_ms, longest_ms=round(longest_s * 1000))


class TurnTaking:
    """Feed it one probability a frame, and the answers to what it asked for; it returns the steps to take, in order.

    by_hand: a button that is pressed and let go begins and ends turns, and no voice does.
    """

    def __init__(self, rules: Rules | None = None, *, judged: bool = True) -> None:
        self.rules = rules or Rules()
        self._has_judge = judged
        self.by_hand = False
        self._recent: deque[bool] = deque(maxlen=self.rules.barge_in_window)
        self.reset()

    def reset(self) -> None:
        """Nobody is speaking."""
        self._recent.clear()
        self._stirred = False
        self.speaking = False
        self.silence_ms = 0
        self.spoken_ms = 0
        self._hushed_ms = 0
        self._forget()

    def _forget(self) -> None:
        self._asked_words = self._asked_tone = self._paused = self._forced = self._released = False
        self._text: str | None = None
        self._finished: float | None = None

    @property
    def onset_frames(self) -> int:
        """After STARTED: how many frames ago the first voiced frame came, counting itself."""
        flags = list(self._recent)
        return len(flags) - flags.index(True) if True in flags else 0

    def press(self) -> list[Step]:
        """The button was pressed."""
        going_on = self.speaking
        if going_on and not self._released:
            return []
        asked = self._asked_words
        self._forget()
        self.silence_ms = 0
        if going_on:
            return [Step.RESUMED] if asked else []
        self.speaking, self.spoken_ms = True, 0
        return [Step.STARTED]

    def release(self) -> None:
        """The button was let go: the turn ends without a gate, as soon as the last of its sound has come."""
        self._released = self.speaking

    @property
    def voice_ms(self) -> int:
        """From the first voiced frame of the utterance to its last."""
        return self.spoken_ms - self.silence_ms

    def frame(
        self, probability: float, *, hushed: bool = False, avatar_speaking: bool = False, avatar_began: bool = False
    ) -> list[Step]:
        """Take the next frame.

        hushed: it is far below what is said. avatar_speaking: the avatar can be heard now; avatar_began: since less than
        a moment.
        """
        if self.by_hand:
            return self._frame_by_hand() if self.speaking else []
        if not self.speaking:
            self._recent.append(probability >= self.rules.voice_on)
            if not self._onset(avatar_speaking, avatar_began):
                return [Step.STIRRED] if self._stirs(avatar_speaking) else []
            self._stirred = False
            self._forget()
            self.speaking, self.silence_ms = True, 0
            self.spoken_ms = self.onset_frames * FRAME_MS
            return [Step.STARTED]
        self.spoken_ms += FRAME_MS
        if self._forced:
            return self._ready()
        # Once a moment was taken for the end, only a clear voice undoes that.
        voiced = probability >= (self.rules.voice_on if self._asked_words else self.rules.voice_off)
        self._hushed_ms = self._hushed_ms + FRAME_MS if hushed and probability < self.rules.voice_fading else 0
        fading = 0 < self._hushed_ms <= self.rules.fading_ms
        steps: list[Step] = []
        if voiced:
            self.silence_ms = 0
            if self._asked_words and not fading:
                self._forget()
                steps.append(Step.RESUMED)
        else:
            self.silence_ms += FRAME_MS
        if self.spoken_ms >= self.rules.longest_ms:
            self._forced = True
        if not self._asked_words and (self._forced or fading or self.silence_ms >= self.rules.transcribe_ms):
            self._asked_words = True
            steps.append(Step.TRANSCRIBE)
        if not self._paused and self.silence_ms >= self.rules.pause_ms:
            self._paused = True
            steps.append(Step.PAUSED)
        if self._has_judge and not self._asked_tone and self.silence_ms >= self.rules.judge_ms:
            self._asked_tone = True
            steps.append(Step.JUDGE)
        return steps + self._ready()

    def _frame_by_hand(self) -> list[Step]:
        self.spoken_ms += FRAME_MS
        if self._released:
            self.silence_ms += FRAME_MS
        if not self._forced and (self.silence_ms >= TAIL_MS or self.spoken_ms >= self.rules.longest_ms):
            self._released = self._forced = self._asked_words = True
            return [Step.TRANSCRIBE]
        return self._ready()

    def transcribed(self, text: str) -> list[Step]:
        """The words asked for by TRANSCRIBE."""
        if not self.speaking or not self._asked_words:
            return []
        self._text = text
        return self._ready()

    def judged(self, finished: float) -> list[Step]:
        """The answer to JUDGE, 0..1."""
        if not self.speaking or not self._asked_tone:
            return []
        self._finished = finished
        return self._ready()

    @property
    def gate_ms(self) -> int:
        """How long the silence has to last, by what is known now."""
        if self._text is not None and not sounds_complete(self._text):
            return self.rules.gate_hold_ms
        if not self._has_judge:
            return self.rules.gate_plain_ms
        if self._finished is not None and self._finished >= self.rules.finished:
            return self.rules.gate_ms
        return self.rules.gate_hold_ms

    def _ready(self) -> list[Step]:
        if self._text is None or not (self._forced or self.silence_ms >= self.gate_ms):
            return []
        self.speaking = False
        self._recent.clear()
        self._forget()
        return [Step.COMMIT]

    def _stirs(self, avatar_speaking: bool) -> bool:
        """Whether voiced frames follow each other now, for the first time since there were none."""
        if not any(self._recent):
            self._stirred = False
        flags = list(self._recent)[-self.rules.stir_frames :]
        if self._stirred or not avatar_speaking or len(flags) < self.rules.stir_frames or not all(flags):
            return False
        self._stirred = True
        return True

    def _onset(self, avatar_speaking: bool, avatar_began: bool) -> bool:
        flags = list(self._recent)
        if not avatar_speaking:
            return len(flags) >= self.rules.start_frames and all(flags[-self.rules.start_frames :])
        needed = self.rules.barge_in_early_frames if avatar_began else self.rules.barge_in_frames
        return sum(flags) >= needed


def sounds_complete(text: str) -> bool:
    """Whether words could be all that somebody had to say: they do not trail off or stop at "the" or "and"."""
    text = text.strip()
    if text.endswith(("...", "…", ",", "-")):
        return False
    last = _LAST_WORD.search(text.lower())
    # "Who are you?" and "what is it like?" end on such words and are questions all the same.
    return text.endswith("?") or last is None or last.group(1) not in UNFINISHED_WORDS
