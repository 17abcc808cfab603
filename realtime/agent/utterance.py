"""What kind of utterance some words are: an answer is not owed to all of them."""

import re
from typing import Final

# Letters and digits of any language.
_WORDS: Final = re.compile(r"(?:[^\W_]|')+")
_ASIDE: Final = re.compile(r"\[[^\]]*\]|\([^)]*\)|[♪♫]+")
# Listeners say these to keep somebody talking.
_BACKCHANNEL: Final = frozenset(
    re.findall(r"\w+", "mm mhm mhmm mmhm mmhmm hm hmm uh uhhuh um huh ah oh yeah yes yep okay ok right sure aha")
)
LONGEST_BACKCHANNEL: Final = 2
# What is shorter is a noise, whatever a transcriber makes of it, but for words that are as short and mean it.
SHORTEST_SPEECH_MS: Final = 300
_HALT: Final = frozenset({"stop", "wait", "no", "hey", "quiet", "enough"})
ECHO_WORDS: Final = 0.8


def words_of(text: str) -> list[str]:
    """The words in lower case."""
    return _WORDS.findall(text.lower().replace("-", ""))


def without_asides(text: str) -> str:
    """Text without what a transcriber writes about sounds that are no words, as in "[music]"."""
    return _ASIDE.sub(" ", text).strip()


def is_backchannel(text: str) -> bool:
    """Whether somebody only hums along, as in "mm-hm" and "okay, yeah"."""
    words = words_of(text)
    return 0 < len(words) <= LONGEST_BACKCHANNEL and all(word in _BACKCHANNEL for word in words)


def is_blip(text: str, voice_ms: int) -> bool:
    """Whether a sound of this length is too short to be meant as speech."""
    return voice_ms < SHORTEST_SPEECH_MS and not _HALT.intersection(words_of(text))


def repeats(text: str, said: str) -> bool:
    """Whether what was heard are the avatar's own words of a moment ago."""
    words = words_of(text)
    if not words:
        return False
    known = words_of(said)
    if len(words) < 3:
        # One or two common words prove nothing unless they stand together.
        return len(words) == 2 and f" {words[0]} {words[1]} " in f" {' '.join(known)} "
    known_set = set(known)
    return sum(word in known_set for word in words) / len(words) >= ECHO_WORDS
