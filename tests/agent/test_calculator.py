"""Sums: what is known, what is refused, and that nothing else can happen."""

from contextlib import suppress
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from realtime.agent.calculator import DEEPEST, LONGEST_LETTERS, SumRefused, shown, spoken, work_out


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("12*7", "84"),
        ("0.1 + 0.2", "0.3"),
        ("2 + 3 * 4", "14"),
        ("(2 + 3) * 4 =", "20"),
        ("-2^2", "-4"),
        ("2^3^2", "512"),
        ("2 ** -1", "0.5"),
        ("8 - 3 - 2", "3"),
        ("15% * 80", "12"),
        ("1,250 / 5", "250"),
        ("sqrt(2)", "1.41421356237"),
        ("abs(3 - 5)", "2"),
        ("7 \u00d7 8", "56"),
        ("10^20", "1 times 10 to the power of 20"),
        ("1/3", "0.333333333333"),
        ("0.0", "0"),
    ],
)
def test_sums_are_worked_out(expression: str, result: str) -> None:
    assert shown(work_out(expression)) == result


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("12*7", "84"),
        ("123456789*2", "246913578"),
        ("1/3", "about 0.3333"),
        ("1000/7", "about 142.857"),
        ("0.5", "0.5"),
        ("0-12", "-12"),
        ("0", "0"),
    ],
)
def test_results_are_said_in_few_digits(expression: str, words: str) -> None:
    assert spoken(work_out(expression)) == words


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "no sum"),
        ("1 / 0", "divided by zero"),
        ("0 ^ 0", "no such number"),
        ("sqrt(0-1)", "no such number"),
        ("9 ^ 999", "too large"),
        ("9 ^ 9 ^ 9", "go up to"),
        ("(1 + 2", "stops in the middle"),
        ("1 2", "should have ended"),
        ("(1 2", "not closed"),
        ("1 +", "stops in the middle"),
        ("2 * / 3", "missing before"),
        ("__import__('os')", "no part of a sum"),
        ("x = 3", "no part of a sum"),
        ("(" * (DEEPEST + 2) + "1", "nested too deeply"),
        ("-" * 199 + "1", "nested too deeply"),
        ("1+" * LONGEST_LETTERS, "longer than"),
    ],
)
def test_what_is_no_sum_is_refused_in_words(expression: str, words: str) -> None:
    with pytest.raises(SumRefused, match=words):
        work_out(expression)


def _joined(pairs: Any) -> Any:
    def join(parts: tuple[tuple[str, Fraction], str, tuple[str, Fraction]]) -> tuple[str, Fraction]:
        (left, one), sign, (right, other) = parts
        value = {"+": one + other, "-": one - other, "*": one * other}[sign]
        return f"({left} {sign} {right})", value

    return st.tuples(pairs, st.sampled_from("+-*"), pairs).map(join)


_NUMBERS = st.integers(0, 999).map(lambda number: (str(number), Fraction(number)))
_SUMS = st.recursive(_NUMBERS, _joined, max_leaves=4)


@given(_SUMS)
def test_sums_are_right(case: tuple[str, Fraction]) -> None:
    expression, value = case
    assert Fraction(work_out(expression)) == value


@example("\x1f")
@example("1 + \x1c=\x85")
@given(st.text("0123456789.,+-*/^%() sqrtab", max_size=LONGEST_LETTERS) | st.text(max_size=LONGEST_LETTERS))
def test_any_text_is_worked_out_or_refused(text: str) -> None:
    with suppress(SumRefused):
        assert len(shown(work_out(text))) < 50
