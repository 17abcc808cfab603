"""Text made fit to be spoken."""

import re
import unicodedata
from typing import Final

_LINK: Final = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_ADDRESS: Final = re.compile(r"https?://\S+")
_MARKUP: Final = re.compile(r"[*_`#~|<>{}\[\]\\^]+")
_SPACE: Final = re.compile(r"\s+")


def speakable(text: str) -> str:
    """The text without markup, links, pictographs and control characters. "" where nothing is left to say."""
    text = _LINK.sub(r"\1", text)
    text = _ADDRESS.sub(" a link ", text)
    text = _MARKUP.sub(" ", text)
    text = "".join(
        " " if unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Co", "So", "Sk"} else letter for letter in text
    )
    text = _SPACE.sub(" ", text).strip()
    return text if any(letter.isalnum() for letter in text) else ""
