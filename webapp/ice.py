"""The ICE servers that browsers are told about."""

import json
from typing import Any


def parse_ice_servers(text: str) -> list[dict[str, Any]]:
    """Read the `ICE_SERVERS` setting.

    Raises `ValueError` with a sentence that says what is wrong with it.
    """
    try:
        servers = json.loads(text or "[]")
    except json.JSONDecodeError as error:
        raise ValueError(f"ICE_SERVERS is not JSON ({error}).") from error
    if not isinstance(servers, list):
        raise ValueError("ICE_SERVERS must be a JSON list of servers.")
    for server in servers:
        if not isinstance(server, dict) or "urls" not in server:
            raise ValueError('Each entry of ICE_SERVERS must be an object with "urls".')
        urls = server["urls"] if isinstance(server["urls"], list) else [server["urls"]]
        for url in urls:
            if not isinstance(url, str) or not url.startswith(("stun:", "stuns:", "turn:", "turns:")):
                raise ValueError(f"ICE_SERVERS holds {url!r}, which is no stun: or turn: address.")
            if url.startswith("turn") and not ("username" in server and "credential" in server):
                raise ValueError(f"ICE_SERVERS gives no username and credential for {url}.")
    return servers
