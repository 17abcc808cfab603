"""Avatar codes: A, two digits, three letters, four digits."""

import re
import secrets
from typing import Final

CODE_LENGTH: Final = 10
CODE_PATTERN: Final = re.compile(r"A\d{2}[B-DF-HJ-NP-TV-Z]{3}\d{4}")

# No vowels, so that no words arise, and no Q, which reads as O.
LETTERS: Final = "BCDFGHJKLMNPRSTVWXYZ"
DIGITS: Final = "0123456789"
UNWELCOME_LETTERS: Final = frozenset(
    {"KKK", "FCK", "FKN", "FKR", "CNT", "DCK", "PRC", "TWT", "NGR", "NGG", "SLT", "SHT"}
)
UNWELCOME_DIGITS: Final = frozenset({"1488", "8814", "6969", "0069", "1939", "1933"})


def new_code() -> str:
    """Draw a code that cannot be guessed from others and spells nothing unwelcome.

    Uniqueness is the database's to keep.
    """
    while True:
        letters = "".join(secrets.choice(LETTERS) for _ in range(3))
        tail = "".join(secrets.choice(DIGITS) for _ in range(4))
        head = "".join(secrets.choice(DIGITS) for _ in range(2))
        if letters not in UNWELCOME_LETTERS and tail not in UNWELCOME_DIGITS and head != "88":
            return f"A{head}{letters}{tail}"
