"""Looking at an upload without decoding it: the web process never runs a picture decoder on strangers' bytes."""

from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile

SIGNATURE_BYTES: Final = 32


def picture_type(head: bytes) -> str | None:
    """Tell from a file's first bytes which picture it is: "jpg", "png", "webp", or None for anything else."""
    if head.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    return None


def check_picture(upload: "UploadedFile[Any]") -> str:
    """Return the type of an uploaded picture.

    Raises `ValidationError` with a sentence when it is empty, too large or no picture we read.
    """
    size = upload.size or 0
    if size == 0:
        raise ValidationError("This file is empty. Choose another picture.", "empty")
    limit_mb = settings.UPLOAD_LIMIT_BYTES // 1024**2
    if size > settings.UPLOAD_LIMIT_BYTES:
        raise ValidationError(
            f"This file has {size / 1024**2:.1f} MB; pictures may have up to {limit_mb} MB. Choose a smaller one.",
            "too_large",
        )
    upload.seek(0)
    head = upload.read(SIGNATURE_BYTES)
    upload.seek(0)
    kind = picture_type(head)
    if kind is None:
        if head[4:8] == b"ftyp" and head[8:12] in {b"heic", b"heix", b"mif1", b"hevc"}:
            raise ValidationError("HEIC pictures cannot be read here. Save it as JPEG and try again.", "not_an_image")
        raise ValidationError("This is no JPEG, PNG or WebP picture. Choose another file.", "not_an_image")
    return kind
