"""Checks of the settings: what is wrong with each, and what to write instead."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register


def _error(number: int, message: str, hint: str) -> Error:
    return Error(message, hint=hint, id=f"parlo.E{number:03}")


@register()
def ice_servers(**_: Any) -> list[CheckMessage]:
    """ICE_SERVERS can be read."""
    if not settings.ICE_SERVERS_ERROR:
        return []
    return [
        _error(1, settings.ICE_SERVERS_ERROR, 'Write for example ICE_SERVERS=[{"urls":"stun:stun.example.org:3478"}]')
    ]


@register()
def provider_urls(**_: Any) -> list[CheckMessage]:
    """Each remote provider is a web address with what it needs beside it."""
    found: list[CheckMessage] = []
    for name in ("LLM_URL", "STT_URL", "TTS_URL"):
        url = getattr(settings, name)
        if not url:
            continue
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            found.append(_error(2, f"{name} is {url!r}, which is no web address.", f"Write {name}=http://host:port/v1"))
        model = name.replace("_URL", "_MODEL")
        if not getattr(settings, model):
            found.append(_error(3, f"{name} is set, but {model} is empty.", f"Name the model in {model}."))
    return found


@register()
def ports(**_: Any) -> list[CheckMessage]:
    """Ports are ports, and no two are the same."""
    found: list[CheckMessage] = []
    for name in ("PORT", "BRAIN_PORT"):
        if not 1 <= getattr(settings, name) <= 65535:
            found.append(_error(4, f"{name} is {getattr(settings, name)}.", f"Choose {name} from 1 to 65535."))
    if settings.PORT == settings.BRAIN_PORT and not settings.LLM_URL:
        found.append(_error(5, f"PORT and BRAIN_PORT are both {settings.PORT}.", "Give BRAIN_PORT another number."))
    return found


@register()
def data_dir(**_: Any) -> list[CheckMessage]:
    """The data directory can be written."""
    if os.access(settings.PARLO_DATA_DIR, os.W_OK | os.X_OK):
        return []
    return [
        _error(
            6,
            f"PARLO_DATA_DIR ({settings.PARLO_DATA_DIR}) cannot be written.",
            "Make it writable for the user that runs Parlo, or name another directory.",
        )
    ]


@register()
def tts_rate(**_: Any) -> list[CheckMessage]:
    """The rate of a remote voice is one that sound has."""
    if 8_000 <= settings.TTS_RATE_HZ <= 48_000:
        return []
    return [_error(7, f"TTS_RATE_HZ is {settings.TTS_RATE_HZ}.", "Write the rate of the samples, 8000 to 48000.")]


@register()
def media_workers(**_: Any) -> list[CheckMessage]:
    """There is at least one media worker with room for at least one conversation."""
    found: list[CheckMessage] = []
    for name, most in (("MEDIA_WORKERS", 64), ("MEDIA_WORKER_CAPACITY", 1000)):
        if not 1 <= getattr(settings, name) <= most:
            found.append(_error(8, f"{name} is {getattr(settings, name)}.", f"Choose {name} from 1 to {most}."))
    return found


@register()
def model_files(**_: Any) -> list[CheckMessage]:
    """Every model that is named is there."""
    return [
        _error(9, f"{name} names {path}, which is not there.", f"Correct {name}, or leave it empty.")
        for name in ("LLM_GGUF_PATH", "WHISPER_MODEL_DIR", "SMART_TURN_MODEL")
        if (path := getattr(settings, name)) and path != "off" and not Path(path).exists()
    ]


@register()
def valkey_url(**_: Any) -> list[CheckMessage]:
    """REDIS_URL names a server."""
    if not settings.REDIS_URL or settings.REDIS_URL.startswith(("redis://", "rediss://", "unix://")):
        return []
    return [_error(10, "REDIS_URL is no redis:// address.", "Write REDIS_URL=redis://host:6379/0, or leave it empty.")]


@register()
def reachable_from_outside(**_: Any) -> list[CheckMessage]:
    """Browsers allow the microphone on https and on localhost only."""
    if settings.BIND in {"127.0.0.1", "::1", "localhost"} or settings.BEHIND_TLS_PROXY:
        return []
    return [
        Warning(
            f"Parlo listens on {settings.BIND} without TLS: browsers on other machines will refuse it the microphone.",
            hint="Put a proxy with TLS before it and set BEHIND_TLS_PROXY=on.",
            id="parlo.W001",
        )
    ]


@register()
def wide_open_hosts(**_: Any) -> list[CheckMessage]:
    """ALLOWED_HOSTS names hosts."""
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [
        Warning(
            "ALLOWED_HOSTS is *, so any site can pose as this one.",
            hint="List the names people use.",
            id="parlo.W002",
        )
    ]
