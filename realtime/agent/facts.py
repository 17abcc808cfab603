"""A few facts about a user, drawn from a conversation for the next one."""

import re
from collections.abc import Sequence
from typing import Final

from realtime.agent.notes import transcript, written
from realtime.agent.protocols import LanguageModel, Recollection

MOST_FACTS: Final = 6
LONGEST_FACT: Final = 160
SHORTEST_FACT: Final = 14
MOST_LETTERS: Final = 1500
DRAW: Final = (
    "Read a conversation and write down what is worth knowing of the visitor the next time: their name, where they live,"
    " family, work, what they like, plan, or asked to be remembered. Only what the visitor said of themselves, nothing"
    " that they asked to be forgotten, no passwords and no numbers of cards or accounts. One fact a line, each a short"
    f" sentence that begins with “The visitor”, at most {MOST_FACTS} lines. Leave out what is known already. If there is"
    " nothing new, write NONE."
)
_BULLET: Final = re.compile(r"^\s*(?:[-*\u2022]|\d{1,2}[.)])\s*")


async def drawn_facts(
    mind: LanguageModel, known: Sequence[str], recollection: Recollection, most_letters: int
) -> list[str]:
    """New facts about the user. most_letters: how much of the end of the conversation is read.

    Raises ProviderError and TimeoutError.
    """
    said = transcript(recollection.turns)[-most_letters:]
    notes = f"Notes of its beginning:\n{recollection.notes}\n\n" if recollection.notes else ""
    material = f"Known already:\n{_lines(known)}\n\n{notes}The conversation:\n{said}\n\nNew facts, or NONE:"
    return facts_in(await written(mind, DRAW, material, MOST_LETTERS), known)


def facts_in(text: str, known: Sequence[str] = ()) -> list[str]:
    """The facts that a model wrote, one a line: each once, none that is known, none that is no sentence."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        fact = " ".join("".join(letter for letter in _BULLET.sub("", line) if letter.isprintable()).split())
        if not fact.lower().startswith("the visitor") or not SHORTEST_FACT < len(fact) <= LONGEST_FACT:
            continue
        found.setdefault(same(fact), fact)
    for old in known:
        found.pop(same(old), None)
    return list(found.values())[:MOST_FACTS]


def same(fact: str) -> str:
    """What two facts that say the same in the same words have in common."""
    return " ".join(re.findall(r"\w+", fact.casefold()))


def _lines(facts: Sequence[str]) -> str:
    return "\n".join(f"- {fact}" for fact in facts) or "Nothing."
