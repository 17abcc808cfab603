"""How often one visitor may do what costs the server something."""

import time
from collections.abc import Mapping
from typing import Any

from django.core.cache import cache


async def too_often(scope: Mapping[str, Any], what: str, a_minute: int) -> bool:
    """Count one more of these by the client of this WebSocket, and say whether it is too many within this minute."""
    client = scope.get("client") or ("", 0)
    key = f"{what}:{client[0]}:{int(time.time() // 60)}"
    await cache.aadd(key, 0, 120)
    return bool(await cache.aincr(key) > a_minute)
