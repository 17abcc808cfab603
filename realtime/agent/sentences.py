"""From a stream of text to pieces that can be spoken one after the other."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from avatars.engine.directions import Direction, past_direction, without_directions
from avatars.engine.gestures import Named
from realtime.agent.turn_taking import UNFINISHED_WORDS

LONGEST_PIECE: Final = 240
# In a hurry a piece may end in mid sentence: behind so many words where the next begins a phrase, or when so many are there.
BREATH_AFTER_WORDS: Final = 3
BREATH_AT_WORDS: Final = 5
LATEST_BREATH_WORDS: Final = 8
# An end that is no farther away is worth more than the time.
END_WITHIN_WORDS: Final = 12
# A reader would take a breath before these.
_PHRASE_STARTS: Final = frozenset(
    re.findall(r"\w+", "and but or because so which who that when while where if as with for in on at from about after")
)
_CLAUSE_END: Final = re.compile(r"(?<=[,;:.!?…])[\"')\]]*\s")
_SENTENCE_END: Final = re.compile(r"[.!?…]+[\"')\]]*\s|\n")
_WHOLE_WORD: Final = re.compile(r"\S+(?=\s)")
_DIRECTION: Final = re.compile(r"\[[^\]]*\]")
_ABBREVIATION: Final = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|st|prof|vs|e\.g|i\.e|etc|no)|\b[a-z])\.$|^\s*\d+\.$", re.IGNORECASE
)
_MARKUP: Final = (
    (re.compile(r"```.*?(```|$)", re.DOTALL), " "),
    (re.compile(r"!?\[([^\]]*)\]\([^)]*\)"), r"\1"),
    (re.compile(r"https?://\S+"), "the link"),
    (re.compile(r"<[^<>]{0,80}>"), " "),
    (re.compile(r"^\s*(?:[-*•+]|\d+[.)]|#{1,6}|>)\s+", re.MULTILINE), ""),
    (re.compile(r"[*_`~#|\\^]+"), ""),
)


def spoken_form(text: str) -> str:
    """Text without what has no sound: emoji, markdown, addresses, line breaks."""
    for pattern, instead in _MARKUP:
        text = pattern.sub(instead, text)
    kept = (
        " " if unicodedata.category(letter) in {"So", "Sk", "Cc", "Cf", "Cs", "Co", "Cn"} else letter for letter in text
    )
    return re.sub(r"\s+", " ", "".join(kept)).strip()


def has_words(text: str) -> bool:
    """Whether anything in the text can be said."""
    return any(letter.isalnum() for letter in text)


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece in spoken form and the stage directions in it; "" where directions stand behind the last word."""

    text: str
    directions: tuple[Direction, ...] = ()


class Splitter:
    """Takes the text as it comes and gives pieces as soon as they can be spoken: first a clause, then sentences.

    In a hurry it does not wait for their ends.

    most_sentences: the text ends after so many. `finish` gives the rest; a rest without an end is dropped
    where whole sentences were given before and `cut_short` says that the writer was stopped. own: recorded gestures of
    the avatar, which may be written in it.
    """

    def __init__(self, most_sentences: int, own: Sequence[Named] = ()) -> None:
        self._left = most_sentences
        self._own = own
        self._waiting = ""
        self._pending: tuple[Direction, ...] = ()
        self._given = 0
        self._sentences = 0

    @property
    def full(self) -> bool:
        """Nothing more will be taken."""
        return self._sentences >= self._left

    def push(self, text: str, *, hurried: bool = False) -> Iterator[Passage]:
        """Add text; the pieces that can be spoken now. hurried: the avatar is silent, or soon will be."""
        self._waiting += text
        while not self.full:
            end = self._end(hurried)
            if end is None:
                return
            given = self._given
            yield from self._take(end)
            hurried = hurried and self._given == given

    def finish(self, *, cut_short: bool = False) -> Iterator[Passage]:
        """The text is over."""
        rest = self._waiting
        whole = rest.rstrip().endswith((".", "!", "?", "…", '"', "'", ")", "]"))
        if not self.full and rest.strip() and (whole or not cut_short or not self._sentences):
            yield from self._take(len(rest))
        if self._pending:
            yield Passage("", self._pending)
            self._pending = ()

    def _take(self, end: int) -> Iterator[Passage]:
        taken, self._waiting = self._waiting[:end], self._waiting[end:]
        raw, directions = without_directions(taken, self._own)
        piece = spoken_form(raw)
        if not has_words(piece):
            self._pending += directions
            return
        directions, self._pending = (*self._pending, *directions), ()
        self._given += 1
        if raw.endswith("\n") or piece.rstrip("\"')]").endswith((".", "!", "?", "…")):
            self._sentences += 1
        yield Passage(piece, directions)

    def _end(self, hurried: bool) -> int | None:
        """Where the next piece ends, None where that cannot be told yet."""
        end = self._break()
        if hurried and (end is None or len(self._waiting[:end].split()) > END_WITHIN_WORDS):
            end = _breath(self._waiting[:end]) or end
        return None if end is None else past_direction(self._waiting, end)

    def _break(self) -> int | None:
        text = self._waiting
        sentence = next((m.end() for m in _SENTENCE_END.finditer(text) if self._ends(text[: m.end()])), None)
        if (len(text) if sentence is None else sentence) > LONGEST_PIECE:
            return _last_break(text[:LONGEST_PIECE])
        if self._given == 0 and (clause := self._first_clause(text)) is not None:
            return clause if sentence is None else min(clause, sentence)
        return sentence

    @staticmethod
    def _ends(text: str) -> bool:
        return has_words(text) and not _ABBREVIATION.search(text.rstrip())

    def _first_clause(self, text: str) -> int | None:
        for match in _CLAUSE_END.finditer(text):
            before = text[: match.end()].rstrip()
            if len(before.split()) >= (1 if before[-1] in ".!?…" else 2) and self._ends(before):
                return match.end()
        return None


def _breath(text: str) -> int | None:
    """Where a reader would take a breath in a sentence whose end has not come yet; None while its words are too few."""
    plain = _DIRECTION.sub(lambda found: " " * len(found.group()), text)
    words = list(_WHOLE_WORD.finditer(plain))
    ends = [
        count
        for count in range(BREATH_AFTER_WORDS, min(len(words), LATEST_BREATH_WORDS) + 1)
        if words[count - 1].group().lower() not in UNFINISHED_WORDS
    ]
    before_phrases = [count for count in ends if count < len(words) and words[count].group().lower() in _PHRASE_STARTS]
    if before_phrases:
        return words[before_phrases[-1] - 1].end()
    return words[ends[-1] - 1].end() if ends and len(words) >= BREATH_AT_WORDS else None


def _last_break(text: str) -> int:
    """Where to cut an endless sentence: after its last comma, else at its last space."""
    comma = max(text.rfind(mark) for mark in ",;:")
    if comma > len(text) // 3:
        return comma + 1
    space = text.rfind(" ")
    return space + 1 if space > 0 else len(text)
