"""Sums: arithmetic as people write it, read by a parser of its own and never run as a program."""

import re
from decimal import Context, Decimal, DecimalException, DivisionByZero, InvalidOperation, Overflow
from typing import Final

LONGEST_LETTERS: Final = 200
DEEPEST: Final = 30
LARGEST_EXPONENT: Final = 1000
SHOWN_DIGITS: Final = 12
SPOKEN_DIGITS: Final = 4
# Written out up to here; what is larger or smaller is told as a power of ten.
LONGEST_WRITTEN: Final = 15

_CONTEXT: Final = Context(prec=40, Emax=300, Emin=-300, traps=[DivisionByZero, InvalidOperation, Overflow])
_TOKEN: Final = re.compile(
    r"\s*(?:(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d*)?|\.\d+)"
    r"|(sqrt|abs|\*\*|[-+*/^()%\u00d7\u00f7\u2212\u00b7\u221a]))"
)
_SAME: Final = {"\u00d7": "*", "\u00b7": "*", "\u00f7": "/", "\u2212": "-", "**": "^", "\u221a": "sqrt"}


class SumRefused(ValueError):
    """It cannot be worked out. The text is a sentence."""


def work_out(expression: str) -> Decimal:
    """The result, in 40 digits. Raises SumRefused.

    Known are + - * / ^, parentheses, sqrt and abs, and % as in 15% * 80.
    """
    if len(expression) > LONGEST_LETTERS:
        raise SumRefused(f"The sum is longer than {LONGEST_LETTERS} letters.")
    reader = _Reader(_tokens(expression.lower()))
    try:
        value = reader.sum(0)
        if reader.next is not None:
            raise SumRefused(f"“{reader.next}” stands where the sum should have ended.")
        return value
    except DivisionByZero as error:
        raise SumRefused("Nothing can be divided by zero.") from error
    except Overflow as error:
        raise SumRefused("The result is too large.") from error
    except DecimalException as error:
        raise SumRefused("There is no such number.") from error


def shown(value: Decimal, digits: int = SHOWN_DIGITS) -> str:
    """A number in at most so many digits, with a power of ten where it is very large or very small."""
    rounded = _rounded(value, digits)
    if not rounded:
        return "0"
    if -LONGEST_WRITTEN < rounded.adjusted() < LONGEST_WRITTEN:
        text = f"{rounded:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa = f"{rounded.scaleb(-rounded.adjusted()):f}".rstrip("0").rstrip(".")
    # In words, for this is read aloud.
    return f"{mantissa} times 10 to the power of {rounded.adjusted()}"


def spoken(value: Decimal) -> str:
    """The same for ears: whole numbers as they are, others to a few places."""
    exact = shown(value)
    near = shown(_rounded(value, max(SPOKEN_DIGITS, value.adjusted() + SPOKEN_DIGITS)))
    return exact if near == exact else f"about {near}"


def _rounded(value: Decimal, digits: int) -> Decimal:
    return Context(prec=digits, Emax=400, Emin=-400).plus(value)


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    at, text = 0, " ".join(text.split()).rstrip(" =?")
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise SumRefused(f"“{text[at:].split()[0][:20]}” is no part of a sum.")
        number, sign = match.groups()
        tokens.append(number.replace(",", "") if number else _SAME.get(sign, sign))
        at = match.end()
    if not tokens:
        raise SumRefused("There is no sum.")
    return tokens


class _Reader:
    """Reads tokens from left to right. depth: how many parentheses and signs it stands in."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def next(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def sum(self, depth: int) -> Decimal:
        value = self._product(depth)
        while self.next in ("+", "-"):
            value = (_CONTEXT.add if self._take() == "+" else _CONTEXT.subtract)(value, self._product(depth))
        return value

    def _product(self, depth: int) -> Decimal:
        value = self._signed(depth)
        while self.next in ("*", "/"):
            value = (_CONTEXT.multiply if self._take() == "*" else _CONTEXT.divide)(value, self._signed(depth))
        return value

    def _signed(self, depth: int) -> Decimal:
        if depth > DEEPEST:
            raise SumRefused("The sum is nested too deeply.")
        if self.next in ("+", "-"):
            return (_CONTEXT.plus if self._take() == "+" else _CONTEXT.minus)(self._signed(depth + 1))
        return self._power(depth)

    def _power(self, depth: int) -> Decimal:
        base = self._percent(depth)
        if self.next != "^":
            return base
        self._take()
        exponent = self._signed(depth + 1)
        if abs(exponent) > LARGEST_EXPONENT:
            raise SumRefused(f"Exponents go up to {LARGEST_EXPONENT}.")
        return _CONTEXT.power(base, exponent)

    def _percent(self, depth: int) -> Decimal:
        value = self._number(depth)
        while self.next == "%":
            self._take()
            value = _CONTEXT.divide(value, Decimal(100))
        return value

    def _number(self, depth: int) -> Decimal:
        part = self._take()
        if part == "(":
            value = self.sum(depth + 1)
            if self._take() != ")":
                raise SumRefused("A parenthesis is not closed.")
            return value
        if part == "sqrt":
            return _CONTEXT.sqrt(self._number(depth + 1))
        if part == "abs":
            return _CONTEXT.abs(self._number(depth + 1))
        if part[0].isdigit() or part[0] == ".":
            return _CONTEXT.plus(Decimal(part))
        raise SumRefused(f"A number is missing before “{part}”.")

    def _take(self) -> str:
        part = self.next
        if part is None:
            raise SumRefused("The sum stops in the middle.")
        self._at += 1
        return part
