"""Slips: what was said in a conversation, sealed and given to its page, so that another media worker can go on with it.

The server keeps nothing of what people say, so what has to survive a worker is kept by the one machine that shows it anyway.
The page can neither read a slip nor make one, and a slip is good for one avatar, one account and an hour.
"""

import json
import time
import zlib
from dataclasses import asdict, dataclass
from typing import Any, Final

from cryptography.fernet import InvalidToken

from realtime.agent import Attributed, Message, Recollection
from realtime.tokens import CLOCK_MAY_JUMP_S, LONGEST_SLIP
from webapp.providers.sealing import box

PURPOSE: Final = b"parlo.realtime.slip"
LIFETIME_S: Final = 3600
# What is older is left out. Letters take four bytes at most.
MOST_LETTERS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who may go on with a conversation. user: the account, None for a guest. room: its code, "" outside rooms."""

    avatar: str
    user: int | None
    room: str = ""


def seal_slip(bearer: Bearer, recollection: Recollection) -> str:
    """The slip of a conversation."""
    turns: list[list[str | None]] = []
    letters = len(recollection.notes)
    for turn in reversed(recollection.turns):
        said = turn["content"]
        letters += len(said)
        if letters > MOST_LETTERS:
            break
        turns.append([turn["role"], said, said.words if isinstance(said, Attributed) else None])
    content = {"bearer": asdict(bearer), "notes": recollection.notes[:MOST_LETTERS], "turns": turns[::-1]}
    return box(PURPOSE).encrypt(zlib.compress(json.dumps(content, ensure_ascii=False).encode())).decode()


def read_slip(slip: str, bearer: Bearer) -> Recollection | None:
    """What was said before, for this bearer; None for a slip that is forged, too old, or somebody else's."""
    if not slip or len(slip) > LONGEST_SLIP:
        return None
    try:
        sealed = box(PURPOSE)
        content: dict[str, Any] = json.loads(zlib.decompress(sealed.decrypt(slip)))
        # The clock of this machine may have been set since, forwards or back.
        if abs(time.time() - sealed.extract_timestamp(slip)) > LIFETIME_S + CLOCK_MAY_JUMP_S:
            return None
    except (InvalidToken, ValueError, zlib.error):
        return None
    if content["bearer"] != asdict(bearer):
        return None
    turns: list[Message] = [
        {"role": role, "content": text if words is None else Attributed(text, words)}
        for role, text, words in content["turns"]
    ]
    return Recollection(content["notes"], tuple(turns))
