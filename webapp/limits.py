"""How often somebody may do what costs something."""

import time

from django.core.cache import cache


def within_limit(what: str, who: str | int, *, most: int, in_s: int) -> bool:
    """Count one more; tell whether `who` is still within `most` times in the current stretch of `in_s` seconds."""
    key = f"limit:{what}:{who}:{int(time.time()) // in_s}"
    cache.add(key, 0, 2 * in_s)
    try:
        return int(cache.incr(key)) <= most
    except ValueError:
        # It was dropped between the two calls, as a full cache does.
        return True
