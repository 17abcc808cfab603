"""How many tokens a text is, roughly: each model counts in its own way, and few say how."""

from math import ceil

_ASCII, _EAST_ASIAN = 0x80, 0x2E80


def tokens_in(text: str) -> int:
    """A token for every four letters of English, every two of other alphabets, and for every letter of East Asian ones."""
    quarters = sum(1 if letter < _ASCII else 2 if letter < _EAST_ASIAN else 4 for letter in map(ord, text))
    return ceil(quarters / 4)
