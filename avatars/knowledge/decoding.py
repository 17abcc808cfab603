"""A stranger's file to pages of text. Knows no Django: the builder runs it as a process of its own, with limits.

A PDF is a program in disguise, and a small file can ask for all memory or never end. So the process takes away its own
means before it opens one: so much memory, so much processor time, nothing written.
"""

import json
import re
import resource
import sys
import unicodedata
from pathlib import Path
from typing import Final

MOST_PAGES: Final = 200
MOST_LETTERS: Final = 200_000
MEMORY_BYTES: Final = 1024**3
PROCESSOR_S: Final = 60
# Less than a caption: what a scanner leaves beside its pictures, page numbers above all.
FEWEST_LETTERS: Final = 20
FEWEST_LETTERS_A_PAGE: Final = 3


class KnowledgeRefused(Exception):
    """A file that cannot be learnt from; `message` is a sentence for its owner."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def pages_of(path: Path) -> list[str]:
    """The text of a file, page by page; what has no pages is one. By its suffix: .pdf, .md or .txt.

    Raises KnowledgeRefused.
    """
    pages = [clean(page) for page in (_pdf_pages(path) if path.suffix == ".pdf" else [_text(path)])]
    letters = sum(map(len, pages))
    if letters > MOST_LETTERS:
        raise KnowledgeRefused(_too_long(letters))
    if path.suffix == ".pdf" and letters < max(FEWEST_LETTERS, FEWEST_LETTERS_A_PAGE * len(pages)):
        raise KnowledgeRefused(
            "There is no text in this PDF, only pictures of it, as a scanner makes them. "
            "Run it through text recognition (OCR) first."
        )
    if not letters:
        raise KnowledgeRefused("There is nothing to read in this file.")
    return pages


def clean(text: str) -> str:
    """Text without control characters and with words whole again that were parted at the end of a line."""
    text = unicodedata.normalize("NFKC", text).replace("\u00ad", "")
    text = re.sub(r"\r\n?|\u2028|\u2029|\f|\v", "\n", text)
    text = re.sub(r"(?<=[a-z])-\n(?=[a-z])", "", text)
    return "".join(
        letter
        for letter in text
        if letter in "\n\t" or unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Co", "Cn"}
    ).strip()


def _text(path: Path) -> str:
    data = path.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    else:
        encoding = "utf-8-sig"
        if b"\0" in data:
            raise KnowledgeRefused("This is no text. Choose a text, Markdown or PDF file.")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        # What was written before everybody agreed on UTF-8.
        return data.decode("cp1252", "replace")


def _pdf_pages(path: Path) -> list[str]:
    from pypdf import PdfReader

    try:
        reader = PdfReader(path, strict=False)
        # Some are locked against printing alone, with no password to open them.
        if reader.is_encrypted and not reader.decrypt(""):
            raise KnowledgeRefused("This PDF is locked with a password. Save it without one and try again.")
        count = len(reader.pages)
        if count > MOST_PAGES:
            raise KnowledgeRefused(f"This PDF has {count} pages; {MOST_PAGES} are the most. Split it.")
        pages: list[str] = []
        letters = 0
        for page in reader.pages:
            pages.append(page.extract_text())
            letters += len(pages[-1])
            if letters > 2 * MOST_LETTERS:
                raise KnowledgeRefused(_too_long(letters))
        return pages
    except KnowledgeRefused:
        raise
    except (MemoryError, RecursionError) as error:
        raise KnowledgeRefused("This PDF asks for more memory than it may have.") from error
    # A broken file makes its reader stumble in any way there is.
    except Exception as error:
        raise KnowledgeRefused("This PDF is damaged and cannot be read.") from error


def _too_long(letters: int) -> str:
    return f"This file has more than {letters // 1000 * 1000:,} letters; {MOST_LETTERS:,} are the most. Split it."


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_S, PROCESSOR_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # macOS has no limit of this kind.
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def main(path: str) -> None:
    """Write {"pages": [...]} or {"refused": "..."} to standard output, a pipe."""
    _limit()
    try:
        answer: dict[str, object] = {"pages": pages_of(Path(path))}
    except KnowledgeRefused as refusal:
        answer = {"refused": refusal.message}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1])
