"""The phones Parlo knows, the mouth each one aims at, and how written phonemes become them.

The targets are amplitudes of the face controls; they follow the opening of real continuous speech, which is far smaller
than that of single vowels spoken with care.
"""

from dataclasses import dataclass
from typing import Final

SILENCE: Final = "SIL"


@dataclass(frozen=True, slots=True)
class Target:
    """What a phone aims at. Weights say how firmly, for the jaw, the lips and the rounding."""

    jaw: float
    upper_lip: float
    lower_lip: float
    wide: float
    round: float
    tongue: float = 0.0
    jaw_weight: float = 1.0
    lip_weight: float = 1.0
    round_weight: float = 1.0


_STOP: Final = Target(0.12, 0.14, 0.18, 0.18, 0, tongue=0.7, jaw_weight=1.3)
_HISS: Final = Target(0.05, 0.18, 0.22, 0.40, 0, tongue=0.2, jaw_weight=2.4, lip_weight=1.3)
_HUSH: Final = Target(0.08, 0.18, 0.20, 0, 0.60, tongue=0.2, jaw_weight=2.2, lip_weight=1.2, round_weight=1.5)
_BACK: Final = Target(0.20, 0.12, 0.14, 0.10, 0, jaw_weight=0.7, lip_weight=0.6, round_weight=0.6)
_LIPS: Final = Target(0.10, 0.0, 0.0, 0.05, 0, lip_weight=1.2, round_weight=0.4)
_TEETH: Final = Target(0.10, 0.05, 0.0, 0.10, 0, lip_weight=1.2, round_weight=0.5)
_TIP: Final = Target(0.14, 0.14, 0.20, 0.15, 0, tongue=0.8)

TARGETS: Final[dict[str, Target]] = {
    SILENCE: Target(0, 0, 0, 0, 0, round_weight=0.5),
    **{"AA": Target(0.78, 0.20, 0.22, 0.05, 0), "AE": Target(0.62, 0.32, 0.28, 0.35, 0)},
    **{"AH": Target(0.30, 0.12, 0.14, 0.05, 0), "EH": Target(0.42, 0.24, 0.24, 0.40, 0)},
    **{"IH": Target(0.20, 0.18, 0.20, 0.40, 0), "IY": Target(0.12, 0.24, 0.28, 0.70, 0)},
    **{"AO": Target(0.55, 0.08, 0.12, 0, 0.55), "OW": Target(0.34, 0.02, 0.08, 0, 0.78, round_weight=2.0)},
    **{"UH": Target(0.22, 0.04, 0.08, 0, 0.55), "UW": Target(0.14, -0.04, 0.04, 0, 1.0, round_weight=2.5)},
    **{"ER": Target(0.22, 0.12, 0.14, 0, 0.40), "R": Target(0.14, 0.06, 0.10, 0, 0.50)},
    **{"W": Target(0.08, -0.06, 0.02, 0, 1.0, round_weight=2.5), "Y": Target(0.10, 0.16, 0.20, 0.50, 0)},
    **{"P": _LIPS, "B": _LIPS, "M": _LIPS, "F": _TEETH, "V": _TEETH, "TH": _TIP, "DH": _TIP},
    **{"T": _STOP, "D": _STOP, "N": _STOP, "L": _TIP, "S": _HISS, "Z": _HISS},
    **{"SH": _HUSH, "ZH": _HUSH, "CH": _HUSH, "JH": _HUSH, "K": _BACK, "G": _BACK, "NG": _BACK},
    "HH": Target(0.20, 0.12, 0.14, 0.10, 0, jaw_weight=0.5, lip_weight=0.5, round_weight=0.4),
}
BILABIALS: Final = frozenset({"P", "B", "M"})
LABIODENTALS: Final = frozenset({"F", "V"})
VOWELS: Final = frozenset({"AA", "AE", "AH", "EH", "IH", "IY", "AO", "OW", "UH", "UW", "ER"})
OPEN_VOWELS: Final = frozenset({"AA", "AE", "AO"})

_DIPHTHONGS: Final[dict[str, tuple[tuple[str, float], ...]]] = {
    **{"A": (("EH", 0.5), ("IH", 0.5)), "I": (("AA", 0.55), ("IH", 0.45)), "O": (("OW", 1.0),), "Q": (("OW", 1.0),)},
    **{"W": (("AA", 0.55), ("UW", 0.45)), "Y": (("AO", 0.55), ("IH", 0.45))},
}
_SINGLES: Final[dict[str, str]] = {
    **{"ɑ": "AA", "a": "AA", "ɒ": "AA", "æ": "AE", "ʌ": "AH", "ə": "AH", "ɐ": "AH", "ᵊ": "AH", "ɛ": "EH", "e": "EH"},
    **{"ɜ": "ER", "ɚ": "ER", "ɝ": "ER", "ɪ": "IH", "ᵻ": "IH", "ɨ": "IH", "i": "IY", "ɔ": "AO", "o": "OW", "ʊ": "UH"},
    **{"u": "UW", "p": "P", "b": "B", "m": "M", "f": "F", "v": "V", "θ": "TH", "ð": "DH", "t": "T", "d": "D", "ɾ": "D"},
    **{"T": "D", "n": "N", "l": "L", "s": "S", "z": "Z", "ʃ": "SH", "ʒ": "ZH", "ʧ": "CH", "ʤ": "JH", "k": "K"},
    **{"ɡ": "G", "g": "G", "ŋ": "NG", "h": "HH", "ʔ": "HH", "ɹ": "R", "r": "R", "w": "W", "j": "Y"},
}
STRESS_MARKS: Final = {"ˈ": 2, "ˌ": 1}
LENGTH_MARK: Final = "ː"


def phones_of(symbol: str) -> tuple[tuple[str, float], ...] | None:
    """The phones of one phoneme letter with their shares of its time; None for a letter that is not sounded."""
    if symbol in _DIPHTHONGS:
        return _DIPHTHONGS[symbol]
    return ((_SINGLES[symbol], 1.0),) if symbol in _SINGLES else None
