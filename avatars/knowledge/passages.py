"""Pages of text to passages: pieces short enough for the model of meaning, each whole in itself."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

# About 100 tokens; the model of meaning reads 128.
LONGEST_LETTERS: Final = 420
_HEADING: Final = re.compile(r"^#{1,6}\s+(.+?)\s*#*$")
_RULE: Final = re.compile(r"^[\s|:]*([-*_=][\s|:]*){3,}$")
_ITEM: Final = re.compile(r"^(?:[-*•+]|\d+[.)])\s+")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?…])\s+|(?<=[.!?…][\"')\]])\s+")
_ABBREVIATION: Final = re.compile(r"\b(?:mr|mrs|ms|dr|st|prof|vs|e\.g|i\.e|no|approx|[a-z])\.$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a file. heading: of the section it stands in, or "". page: from 1."""

    text: str
    page: int
    heading: str = ""

    @property
    def in_context(self) -> str:
        """The text with its heading, as the model of meaning and the language model read it."""
        return under(self.heading, self.text)


def under(heading: str, text: str) -> str:
    """A text with the heading it stands under, where there is one."""
    return f"{heading}: {text}" if heading else text


def cut(pages: Sequence[str]) -> list[Passage]:
    """Pages to passages, in their order. A heading goes with all that follows it, over pages."""
    heading = ""
    passages: list[Passage] = []
    for number, page in enumerate(pages, 1):
        waiting: list[str] = []
        for block in re.split(r"\n\s*\n", page):
            for line in _lines(block):
                if (found := _HEADING.match(line)) is not None:
                    passages += _packed(waiting, number, heading)
                    waiting, heading = [], found.group(1)[:120]
                else:
                    waiting.append(line)
        passages += _packed(waiting, number, heading)
    return passages


def _lines(block: str) -> Iterator[str]:
    """A block's headings, items and rows of tables, each a line; other lines are joined, as a file wraps them anywhere."""
    joined = ""
    for line in map(str.strip, block.splitlines()):
        if not line or _RULE.match(line):
            continue
        alone = _HEADING.match(line) or _ITEM.match(line) or line.startswith("|")
        if alone and joined:
            yield _ended(joined)
            joined = ""
        if _HEADING.match(line):
            yield line
        elif line.startswith("|"):
            yield _ended(", ".join(filter(None, (cell.strip() for cell in line.split("|")))))
        else:
            joined = f"{joined} {_ITEM.sub('', line)}".strip()
    if joined:
        yield _ended(joined)


def _ended(line: str) -> str:
    """A line that runs into no other when it is read aloud."""
    return line if line.endswith(tuple(".!?…:;,")) else f"{line}."


def _packed(lines: Sequence[str], page: int, heading: str) -> Iterator[Passage]:
    """Sentences put together as long as they fit."""
    text = ""
    for sentence in (part for line in lines for part in _short(line)):
        if text and len(text) + 1 + len(sentence) > LONGEST_LETTERS:
            yield Passage(text, page, heading)
            text = ""
        text = f"{text} {sentence}".strip()
    if any(letter.isalnum() for letter in text):
        yield Passage(text, page, heading)


def sentences(text: str) -> list[str]:
    """The sentences of a line."""
    found: list[str] = []
    for part in filter(None, _SENTENCE_END.split(" ".join(text.split()))):
        if found and _ABBREVIATION.search(found[-1]):
            found[-1] = f"{found[-1]} {part}"
        else:
            found.append(part)
    return found


def _short(line: str) -> Iterator[str]:
    """The sentences of a line, those cut that are longer than a passage."""
    for sentence in sentences(line):
        while len(sentence) > LONGEST_LETTERS:
            space = sentence.rfind(" ", 1, LONGEST_LETTERS)
            end = space if space > 0 else LONGEST_LETTERS
            yield sentence[:end]
            sentence = sentence[end:].lstrip()
        if sentence:
            yield sentence
