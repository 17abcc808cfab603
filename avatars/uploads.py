"""Looking at an upload without decoding it: the web process never runs a decoder on strangers' bytes."""

from pathlib import PurePath
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile

SIGNATURE_BYTES: Final = 32
VIDEO_TYPES: Final = frozenset({"mp4", "mov", "webm"})
DOCUMENT_SUFFIXES: Final = {".txt": "txt", ".text": "txt", ".md": "md", ".markdown": "md"}
HEIC_BRANDS: Final = frozenset({b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif"})


def picture_type(head: bytes) -> str | None:
    """Tell from a file's first bytes which picture it is: "jpg", "png", "webp", or None for anything else."""
    if head.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    return None


def video_type(head: bytes) -> str | None:
    """Tell from a file's first bytes which video it is: "mp4", "mov", "webm", or None for anything else."""
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "webm"
    if head[4:8] == b"ftyp":
        if head[8:12] in HEIC_BRANDS:
            return None
        return "mov" if head[8:12] == b"qt  " else "mp4"
    return "mov" if head[4:8] in {b"moov", b"mdat", b"wide"} else None


def check_picture(upload: "UploadedFile[Any]") -> str:
    """Return the type of an uploaded picture.

    Raises `ValidationError` with a sentence when it is empty, too large or no picture we read.
    """
    kind = check_source(upload)
    if kind in VIDEO_TYPES:
        raise ValidationError("This is a video. Choose a picture here: JPEG, PNG or WebP.", "not_an_image")
    return kind


def check_source(upload: "UploadedFile[Any]") -> str:
    """Return the type of an uploaded picture or video.

    Raises `ValidationError` with a sentence when it is empty, too large or nothing we read.
    """
    size = upload.size or 0
    if size == 0:
        raise ValidationError("This file is empty. Choose another one.", "empty")
    upload.seek(0)
    head = upload.read(SIGNATURE_BYTES)
    upload.seek(0)
    picture, video = picture_type(head), video_type(head)
    if head[4:8] == b"ftyp" and head[8:12] in HEIC_BRANDS:
        raise ValidationError("HEIC pictures cannot be read here. Save it as JPEG and try again.", "not_an_image")
    if picture is None and video is None:
        raise ValidationError(
            "This is no picture (JPEG, PNG, WebP) and no video (MP4, MOV, WebM). Choose another file.", "not_an_image"
        )
    limit, what = (settings.UPLOAD_LIMIT_BYTES, "pictures") if video is None else (settings.VIDEO_LIMIT_BYTES, "videos")
    if size > limit:
        raise ValidationError(
            f"This file has {size / 1024**2:.1f} MB; {what} may have up to {limit // 1024**2} MB. "
            "Choose a smaller one.",
            "too_large",
        )
    return picture or video or ""


def check_document(upload: "UploadedFile[Any]") -> str:
    """Return the type of an uploaded document: "pdf", "md" or "txt".

    Raises `ValidationError` with a sentence when it is empty, too large or nothing we read.
    """
    size = upload.size or 0
    if size == 0:
        raise ValidationError("This file is empty. Choose another one.", "empty")
    if size > settings.DOCUMENT_LIMIT_BYTES:
        limit = settings.DOCUMENT_LIMIT_BYTES // 1024**2
        raise ValidationError(
            f"This file has {size / 1024**2:.1f} MB; documents may have up to {limit} MB. Choose a smaller one.",
            "too_large",
        )
    upload.seek(0)
    head = upload.read(SIGNATURE_BYTES)
    upload.seek(0)
    suffix = PurePath(upload.name or "").suffix.lower()
    if head.startswith(b"%PDF-"):
        return "pdf"
    # Text in UTF-16 holds zeros, and says so in its first two bytes.
    binary = b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff"))
    if suffix not in DOCUMENT_SUFFIXES or binary:
        raise ValidationError(
            "This is no text (.txt), Markdown (.md) or PDF file. Save it as one of these and try again.", "wrong_type"
        )
    return DOCUMENT_SUFFIXES[suffix]
