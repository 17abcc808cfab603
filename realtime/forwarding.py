"""The server that passes rooms on to many viewers, as the settings tell of it."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from realtime.rtc import JanusServer


def is_forwarding() -> bool:
    """Whether those who only watch a room are served by a Janus."""
    return bool(settings.JANUS_URL)


def janus_server() -> JanusServer | None:
    """Where it is and what it wants to be told; None where there is none."""
    # Only a media worker has use for it: the web process stays without WebRTC.
    from realtime.rtc import JanusServer

    if not is_forwarding():
        return None
    return JanusServer(
        settings.JANUS_URL,
        settings.JANUS_API_SECRET,
        settings.JANUS_ADMIN_KEY,
        hmac.digest(settings.SECRET_KEY.encode(), b"janus", hashlib.sha256),
        settings.JANUS_RTP_HOST,
    )
