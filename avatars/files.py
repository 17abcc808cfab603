"""Answering with a stored file."""

import re
from pathlib import PurePath

from django.db.models.fields.files import FieldFile
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def _span(header: str, size: int) -> tuple[int, int] | None:
    """Read a single-range header into (first, past the last); None for what is ignored.

    Raises `ValueError` for a range outside the file.
    """
    match = RANGE.fullmatch(header.strip())
    if not match or not (match[1] or match[2]):
        return None
    if not match[1]:
        start, stop = max(0, size - int(match[2])), size
    else:
        start, stop = int(match[1]), min(size, int(match[2]) + 1 if match[2] else size)
    if start >= stop:
        raise ValueError
    return start, stop


def answer_file(request: HttpRequest, file: FieldFile, content_type: str, *, download_as: str = "") -> HttpResponseBase:
    """Answer with a stored file: entity tag, conditional requests, one byte range.

    Files are a few megabytes at most, so they are read whole; every published version has a name of its own, which
    makes the name the entity tag. Raises `Http404` when it is gone.
    """
    if not file.name:
        raise Http404
    tag = f'"{PurePath(file.name).stem}"'
    # Browsers may keep it but ask again each time, so that a page made private is private at once.
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Accept-Ranges": "bytes"}
    if tag in request.headers.get("If-None-Match", ""):
        return HttpResponse(status=304, headers=headers)
    if download_as:
        headers["Content-Disposition"] = f'attachment; filename="{download_as}"'
    try:
        with file.open("rb") as opened:
            content = opened.read()
    except FileNotFoundError as error:
        raise Http404 from error
    asked = request.headers.get("Range", "")
    if asked and request.headers.get("If-Range", tag) == tag:
        try:
            span = _span(asked, len(content))
        except ValueError:
            return HttpResponse(status=416, headers={"Content-Range": f"bytes */{len(content)}"})
        if span:
            headers["Content-Range"] = f"bytes {span[0]}-{span[1] - 1}/{len(content)}"
            return HttpResponse(content[span[0] : span[1]], content_type=content_type, status=206, headers=headers)
    return HttpResponse(content, content_type=content_type, headers=headers)
