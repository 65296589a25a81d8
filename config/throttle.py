"""How often a key may call in a minute, and an address may call without one.

Counted in the broker's Valkey or Redis by one atomic script, so that many processes together let
pass exactly the limit. When it is away, everything passes: the limits protect others from one
caller, and are no reason to refuse all.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import redis
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from redis.backoff import NoBackoff
from redis.retry import Retry
from rest_framework.throttling import BaseThrottle

WINDOW = 60  # seconds, from a caller's first request on
PATIENCE = 0.25  # seconds for an answer; longer than ever needed nearby
SILENCE = 5.0  # seconds in which a server that was away is not asked again
_COUNT = """
local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {n, redis.call('PTTL', KEYS[1])}
"""

log = logging.getLogger(__name__)
_away_until = 0.0


@dataclass(frozen=True)
class Rate:
    """Where a caller stands: `reset` is the seconds until it may call `limit` times again."""

    limit: int
    used: int
    reset: int

    @property
    def left(self) -> int:
        return max(self.limit - self.used, 0)

    @property
    def over(self) -> bool:
        return self.used > self.limit


def of_key(request: HttpRequest, prefix: str, limit: int | None) -> Rate | None:
    """Count one request of an API key; its answer will tell the rate. None: not counted."""
    rate = count(f"key:{prefix}", limit or settings.API_RATE_PER_MINUTE)
    request.rate = rate  # type: ignore[attr-defined]
    return rate


def of_stranger(request: Any) -> Rate | None:
    """Count one request that was refused because nobody knows its caller, by address."""
    address = BaseThrottle().get_ident(request)
    return count(f"stranger:{address}", settings.API_STRANGERS_PER_MINUTE)


def count(who: str, limit: int) -> Rate | None:
    """Count one request of a caller; None when nothing counts."""
    global _away_until  # noqa: PLW0603  (of this process, like its connection)
    if not settings.RATE_LIMIT_URL or time.monotonic() < _away_until:
        return None
    try:
        used, left = _script(settings.RATE_LIMIT_URL)(
            keys=[f"rate:{who}"], args=[int(WINDOW * 1000)]
        )
    except redis.RedisError as error:
        log.warning("rate limits are not counted: %s", error)
        _away_until = time.monotonic() + SILENCE
        return None
    return Rate(limit, used, max(math.ceil(left / 1000), 1))


@cache
def _script(url: str) -> Callable[..., list[int]]:
    client = redis.Redis.from_url(
        url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE,
        retry=Retry(NoBackoff(), 1),  # a server that was started again closed our connections
    )  # fmt: skip
    return client.register_script(_COUNT)


class RateHeaders:
    """Middleware: every answer to a key says how often it may still call."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        rate: Rate | None = getattr(request, "rate", None)
        if rate is not None:
            response["RateLimit-Limit"] = str(rate.limit)
            response["RateLimit-Remaining"] = str(rate.left)
            response["RateLimit-Reset"] = str(rate.reset)
        return response
