"""What the benchmark of bad networks makes of what it heard."""

import numpy as np
import pytest

from benchmarks.bench_network import QUIET_S, misheard, utterances
from realtime.agent.protocols import HEARING_RATE_HZ


@pytest.mark.parametrize(
    ("said", "heard", "expected"),
    [
        ("The old ferry.", "the old ferry", 0),
        ("The old ferry stopped.", "The old fairy stopped", 1),
        ("It took them eleven weeks,", "It took them 11 weeks", 0),
        ("my neighbours", "my neighbors", 0),
        ("one two three", "", 3),
        ("one two", "one and two", 1),
        ("one two three four", "two three four five", 2),
        ("", "hello", 1),
    ],
)
def test_words_that_were_misheard_are_counted(said: str, heard: str, expected: int) -> None:
    assert misheard(said, heard) == expected


def test_utterances_are_what_lies_between_silences() -> None:
    def tone(seconds: float) -> np.ndarray:
        return np.full(int(seconds * HEARING_RATE_HZ), 0.3, np.float32)

    def silence(seconds: float) -> np.ndarray:
        return np.zeros(int(seconds * HEARING_RATE_HZ), np.float32)

    tape = np.concatenate([silence(1), tone(2), silence(QUIET_S / 2), tone(1), silence(3), tone(1.5), silence(1)])
    lengths_s = [len(part) / HEARING_RATE_HZ for part in utterances(tape)]
    assert lengths_s == pytest.approx([3 + QUIET_S / 2, 1.5], abs=0.5)
    assert utterances(silence(2)) == []
