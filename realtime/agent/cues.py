"""Words that set off gestures: which, said by whom."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Cue:
    """A gesture to be played, by its name, and while who speaks it stops."""

    gesture: str
    stop_on_user_speech: bool = False
    stop_on_agent_speech: bool = False


class SaidBy(StrEnum):
    """Whose words count."""

    AVATAR = "avatar"
    USER = "user"
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class Trigger:
    """Words or phrases, and the gesture that they set off."""

    words: tuple[str, ...]
    cue: Cue
    said_by: SaidBy = SaidBy.AVATAR


class Triggers:
    """The triggers of one avatar."""

    def __init__(self, triggers: Sequence[Trigger]) -> None:
        self._by_avatar = [_Ear.of(trigger) for trigger in triggers if trigger.said_by is not SaidBy.USER]
        self._by_user = [_Ear.of(trigger) for trigger in triggers if trigger.said_by is not SaidBy.AVATAR]

    def by_user(self, text: str) -> Cue | None:
        """What the user's words set off: what belongs to the first of them that does."""
        heard = sorted(_heard(self._by_user, text), key=lambda found: found[1])
        return heard[0][0] if heard else None

    def by_avatar(self, text: str) -> list[tuple[Cue, float]]:
        """What the avatar's words set off, each once, with the share of the text's letters before them."""
        return list(_heard(self._by_avatar, text))


@dataclass(frozen=True, slots=True)
class _Ear:
    cue: Cue
    pattern: re.Pattern[str]

    @classmethod
    def of(cls, trigger: Trigger) -> "_Ear":
        phrases = (r"\s+".join(re.escape(word) for word in phrase.split()) for phrase in trigger.words)
        # Longest first: of "thank you" and "thank" both begin at one place.
        either = "|".join(sorted((phrase for phrase in phrases if phrase), key=len, reverse=True))
        return cls(trigger.cue, re.compile(rf"(?<!\w)(?:{either})(?!\w)" if either else r"(?!)", re.IGNORECASE))


def _heard(ears: Sequence[_Ear], text: str) -> Iterator[tuple[Cue, float]]:
    for ear in ears:
        if match := ear.pattern.search(text):
            yield ear.cue, match.start() / len(text)
