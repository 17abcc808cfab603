"""Why a file is not an avatar we can play."""

from typing import ClassVar


class ImxError(Exception):
    """An `.imx` file was refused. `code` is for programs, the text is a sentence for people."""

    code: ClassVar[str] = "imx"

    @property
    def message(self) -> str:
        """The sentence: what is wrong and what to do."""
        return str(self)


class NotImx(ImxError):
    """The file is something else altogether."""

    code = "not_imx"


class ForeignImx(ImxError):
    """The file shares our extension and nothing else."""

    code = "foreign"


class TruncatedImx(ImxError):
    """The end of the file is missing."""

    code = "truncated"


class CorruptImx(ImxError):
    """The content is not what was written."""

    code = "corrupt"


class TooNewImx(ImxError):
    """The file was written by a later version of Parlo."""

    code = "too_new"


class OversizedImx(ImxError):
    """The file declares more than an avatar can need, and is not unpacked."""

    code = "bomb"


class UnsafeImx(ImxError):
    """A member's name or type reaches outside the file."""

    code = "unsafe"
