"""Sentences to be spoken: the example sentences of WordNet, split into three parts that share none."""

import re
import zlib
from enum import StrEnum
from pathlib import Path
from typing import Final

FOLDER: Final = Path("/usr/share/wordnet")
FILES: Final = ("data.noun", "data.verb", "data.adj", "data.adv")
_EXAMPLE: Final = re.compile(r'; "([^"]+)"')
_SPEAKABLE: Final = re.compile(r"[A-Za-z' ,;:?!.-]+")
WORDS: Final = (5, 16)


class Part(StrEnum):
    """What sentences are for."""

    TRAIN = "train"
    CHOOSE = "choose"
    TEST = "test"


def sentences(part: Part) -> list[str]:
    """All sentences of a part, always in the same order.

    Raises FileNotFoundError where the Debian package wordnet-base is missing.
    """
    found: dict[str, None] = {}
    for name in FILES:
        for line in (FOLDER / name).read_text(encoding="ascii", errors="ignore").splitlines():
            for example in _EXAMPLE.findall(line):
                text = " ".join(example.split(";")[0].split())
                if _SPEAKABLE.fullmatch(text) and WORDS[0] <= len(text.split()) <= WORDS[1]:
                    found[text[0].upper() + text[1:].rstrip(" .,;:") + ("" if text[-1] in "?!" else ".")] = None
    return [text for text in found if _part(text) is part]


def _part(text: str) -> Part:
    draw = zlib.crc32(text.lower().encode()) % 20
    return Part.TEST if draw == 0 else Part.CHOOSE if draw == 1 else Part.TRAIN
