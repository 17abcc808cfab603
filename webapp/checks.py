"""Checks of the settings: what is wrong with each, and what to write instead."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from webapp.certificate import fault_of
from webapp.ice import parse_addresses, parse_ports, read_url, urls_of

# Enough that nobody guesses it; it makes every credential.
SHORTEST_SECRET = 16


def _error(number: int, message: str, hint: str) -> Error:
    return Error(message, hint=hint, id=f"parlo.E{number:03}")


@register()
def ice_servers(**_: Any) -> list[CheckMessage]:
    """ICE_SERVERS can be read."""
    if not settings.ICE_SERVERS_ERROR:
        return []
    return [
        _error(
            1,
            settings.ICE_SERVERS_ERROR,
            "Write for example ICE_SERVERS=stun:turn.example.org:3478,turn:turn.example.org:3478 and the server's "
            'TURN_SECRET; or [{"urls":"turn:turn.example.org:3478","username":"…","credential":"…"}]',
        )
    ]


@register()
def ice_policies(**_: Any) -> list[CheckMessage]:
    """The policies are ones there are, and have the servers they need."""
    found: list[CheckMessage] = []
    urls = [read_url(url) for url in urls_of(settings.ICE_SERVERS)]
    if settings.ICE_POLICY not in {"all", "relay"}:
        found.append(_error(31, f"ICE_POLICY is {settings.ICE_POLICY!r}.", "Write ICE_POLICY=all or ICE_POLICY=relay."))
    elif settings.ICE_POLICY == "relay" and not any(url.relays for url in urls):
        message = "ICE_POLICY is relay, but ICE_SERVERS names no TURN server, so no browser could connect."
        found.append(_error(32, message, "Add a turn: address to ICE_SERVERS, or write ICE_POLICY=all."))
    policy = settings.MEDIA_ICE_POLICY
    if policy not in {"direct", "all", "relay"}:
        hint = "Write MEDIA_ICE_POLICY=direct, MEDIA_ICE_POLICY=all or MEDIA_ICE_POLICY=relay."
        found.append(_error(33, f"MEDIA_ICE_POLICY is {policy!r}.", hint))
    elif policy != "direct" and not any(url.for_media_worker and (url.relays or policy == "all") for url in urls):
        message = f"MEDIA_ICE_POLICY is {policy}, but ICE_SERVERS names no server that the media worker can use."
        hint = (
            "Name one it understands: turn:host:port (over UDP), turn:host:port?transport=tcp or turns:host:port (over TLS); "
            "the host by its name or its IPv4 address."
        )
        found.append(_error(34, message, hint))
    return found


@register()
def turn_secret(**_: Any) -> list[CheckMessage]:
    """The shared secret is one, is used, and gives credentials of a sensible life."""
    found: list[CheckMessage] = []
    if settings.TURN_SECRET and not any(read_url(url).relays for url in urls_of(settings.ICE_SERVERS)):
        message = "TURN_SECRET is set, but ICE_SERVERS names no TURN server."
        found.append(Warning(message, hint="Write ICE_SERVERS=turn:turn.example.org:3478", id="parlo.W010"))
    if 0 < len(settings.TURN_SECRET) < SHORTEST_SECRET:
        message = (
            f"TURN_SECRET has {len(settings.TURN_SECRET)} characters; whoever guesses it can use your TURN server."
        )
        found.append(Warning(message, hint="Make one with: openssl rand -hex 32", id="parlo.W011"))
    if not 60 <= settings.TURN_CREDENTIAL_S <= 86_400:
        message = f"TURN_CREDENTIAL_S is {settings.TURN_CREDENTIAL_S}."
        found.append(_error(35, message, "Choose from 60 seconds to 86400, which is a day."))
    return found


@register()
def media_ports(**_: Any) -> list[CheckMessage]:
    """The media worker's ports are a range, with room for all its conversations."""
    try:
        ports = parse_ports(settings.MEDIA_PORTS)
    except ValueError as error:
        return [_error(36, str(error), "Write for example MEDIA_PORTS=50000-50199, and open these ports for UDP.")]
    conversations = settings.MEDIA_WORKERS * settings.MEDIA_WORKER_CAPACITY
    if ports is None or len(ports) >= 2 * conversations:
        return []
    return [
        Warning(
            f"MEDIA_PORTS has {len(ports)} ports for {conversations} conversations. One takes a port for each address of "
            "this machine, and for a moment twice that when a page reconnects.",
            hint=f"Give it {4 * conversations} or more.",
            id="parlo.W012",
        )
    ]


@register()
def media_addresses(**_: Any) -> list[CheckMessage]:
    """The announced addresses are addresses."""
    try:
        parse_addresses(settings.MEDIA_ADDRESSES)
    except ValueError as error:
        return [_error(37, str(error), "Write the public address of this machine: MEDIA_ADDRESSES=203.0.113.7")]
    return []


@register()
def janus(**_: Any) -> list[CheckMessage]:
    """JANUS_URL is the address of a WebSocket, and makes sense for a room."""
    if not settings.JANUS_URL:
        return []
    found: list[CheckMessage] = []
    parts = urlsplit(settings.JANUS_URL)
    if parts.scheme not in {"ws", "wss"} or not parts.hostname:
        message = f"JANUS_URL is {settings.JANUS_URL!r}, which is no address of a WebSocket."
        found.append(_error(40, message, "Write the address of Janus's WebSocket API: JANUS_URL=ws://127.0.0.1:8188"))
    if settings.JANUS_MOST_VIEWERS < 1:
        message = f"JANUS_MOST_VIEWERS is {settings.JANUS_MOST_VIEWERS}."
        found.append(_error(41, message, "Write how many may watch one room, or leave JANUS_URL empty."))
    if not settings.JANUS_ADMIN_KEY:
        message = (
            "JANUS_ADMIN_KEY is empty: what a media worker leaves in Janus when it dies stays until Janus is restarted."
        )
        hint = "Choose an admin_key in janus.plugin.streaming.jcfg, and write it here too."
        found.append(Warning(message, hint=hint, id="parlo.W013"))
    return found


@register()
def provider_urls(**_: Any) -> list[CheckMessage]:
    """Each remote provider is a web address with what it needs beside it."""
    found: list[CheckMessage] = []
    for name in ("LLM_URL", "STT_URL", "TTS_URL", "REALTIME_URL"):
        url = getattr(settings, name)
        if not url:
            continue
        parts = urlsplit(url)
        schemes = {"http", "https", "ws", "wss"} if name == "REALTIME_URL" else {"http", "https"}
        if parts.scheme not in schemes or not parts.hostname:
            found.append(_error(2, f"{name} is {url!r}, which is no web address.", f"Write {name}=http://host:port/v1"))
        model = name.replace("_URL", "_MODEL")
        if not getattr(settings, model):
            found.append(_error(3, f"{name} is set, but {model} is empty.", f"Name the model in {model}."))
    return found


@register()
def creator_providers(**_: Any) -> list[CheckMessage]:
    """CREATOR_PROVIDERS is one of its three words."""
    if settings.CREATOR_PROVIDERS in {"off", "public", "any"}:
        return []
    return [
        _error(
            11,
            f"CREATOR_PROVIDERS is {settings.CREATOR_PROVIDERS!r}.",
            "Write off, public or any; .env.example says what each means.",
        )
    ]


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
def whisper_model(**_: Any) -> list[CheckMessage]:
    """WHISPER_MODEL is one of the two that can be had, and the other language has ears for it."""
    found: list[CheckMessage] = []
    if settings.WHISPER_MODEL not in {"", "tiny", "base"}:
        found.append(_error(12, f"WHISPER_MODEL is {settings.WHISPER_MODEL!r}.", "Write tiny or base."))
    own_ears = settings.STT_URL or settings.WHISPER_MODEL_DIR or settings.WHISPER_MODEL == "base"
    if settings.STT_LANGUAGE not in {"", "en"} and not own_ears:
        found.append(
            _error(
                13,
                f"STT_LANGUAGE is {settings.STT_LANGUAGE!r}, and Whisper tiny hears English only.",
                "Write WHISPER_MODEL=base (make whisper-base), or set STT_URL.",
            )
        )
    return found


@register()
def valkey_url(**_: Any) -> list[CheckMessage]:
    """REDIS_URL names a server."""
    if not settings.REDIS_URL or settings.REDIS_URL.startswith(("redis://", "rediss://", "unix://")):
        return []
    return [_error(10, "REDIS_URL is no redis:// address.", "Write REDIS_URL=redis://host:6379/0, or leave it empty.")]


@register()
def reachable_from_outside(**_: Any) -> list[CheckMessage]:
    """Browsers allow the microphone on https and on localhost only."""
    local = settings.BIND in {"127.0.0.1", "::1", "localhost"}
    if local or settings.BEHIND_TLS_PROXY or settings.TLS_CERTIFICATE:
        return []
    return [
        Warning(
            f"Parlo listens on {settings.BIND} without TLS: browsers on other machines will refuse it the microphone.",
            hint="Put a proxy with TLS before it and set BEHIND_TLS_PROXY=on; or, in a local network, use: make lan",
            id="parlo.W001",
        )
    ]


@register()
def certificate(**_: Any) -> list[CheckMessage]:
    """The certificate and its key are there, belong together and are still good."""
    if not settings.TLS_CERTIFICATE and not settings.TLS_KEY:
        return []
    if not (settings.TLS_CERTIFICATE and settings.TLS_KEY):
        return [_error(38, "Only one of TLS_CERTIFICATE and TLS_KEY is set.", "Name both files, or neither.")]
    fault = fault_of(Path(settings.TLS_CERTIFICATE), Path(settings.TLS_KEY))
    hint = "Renew it where it comes from; one of Parlo's own is made with: manage.py lan --only-certificate"
    return [_error(39, fault, hint)] if fault else []


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
