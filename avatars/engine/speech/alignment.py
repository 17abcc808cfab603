"""From phoneme letters with durations to phones with times."""

from collections.abc import Sequence
from typing import Final

from avatars.engine.speech.phones import LENGTH_MARK, SILENCE, STRESS_MARKS, phones_of
from avatars.engine.speech.spoken import Phone

PAUSE_S: Final = 0.12


def align(letters: str, durations_s: Sequence[float], start_s: float = 0.0) -> list[Phone]:
    """Phones from letters and the time each takes, one after the other from `start_s`.

    A stress mark gives its time to the vowel after it, as does a short space; a long space and punctuation are silence.
    """
    if len(letters) != len(durations_s):
        raise ValueError(f"{len(letters)} letters, but {len(durations_s)} durations.")
    phones: list[Phone] = []
    now, lent_s, stress = start_s, 0.0, 0
    for letter, duration_s in zip(letters, durations_s, strict=True):
        if letter in STRESS_MARKS:
            stress, lent_s = STRESS_MARKS[letter], lent_s + duration_s
            continue
        if letter == LENGTH_MARK and phones:
            last = phones.pop()
            now = last.end_s + duration_s
            phones.append(Phone(last.symbol, last.start_s, now, last.stress))
            continue
        shares = phones_of(letter)
        if shares is None:
            if duration_s + lent_s > PAUSE_S:
                phones.append(Phone(SILENCE, now, now + duration_s + lent_s))
                now, lent_s = now + duration_s + lent_s, 0.0
            else:
                lent_s += duration_s
            continue
        whole_s = duration_s + lent_s
        for symbol, share in shares:
            phones.append(Phone(symbol, now, now + whole_s * share, stress))
            now += whole_s * share
        lent_s, stress = 0.0, 0
    if lent_s > 0:
        phones.append(Phone(SILENCE, now, now + lent_s))
    return phones
