"""A warehouse management system that takes its work as JSON over HTTP."""

import json
from collections.abc import Mapping
from typing import Any

import requests

from inventory.models import Location

TIMEOUT = (3, 10)  # seconds to connect, and between bytes of the answer
MAX_ANSWER = 64 * 1024
MAX_REFERENCE = 100


class NotTaken(Exception):
    """The system answered, but not that it has the message."""

    def __init__(self, status: int, words: str) -> None:
        self.status, self.words = status, words[:300]
        super().__init__(f"the WMS answered {status}: {self.words}".rstrip(": "))


class Wms:
    """POSTs the message to the stock point's WMS address; any 2xx means that it has it.

    The key goes along as `Idempotency-Key`, so that a repeat after a lost answer is recognized.
    An answer `{"reference": "..."}` is kept as the system's own number of the work.
    """

    def send(self, *, location: Location, message: Mapping[str, Any], key: str) -> str:
        with requests.post(
            location.wms_url,
            json=message,
            headers={"Idempotency-Key": key, "User-Agent": "maestro-oms"},
            timeout=TIMEOUT,
            allow_redirects=False,  # a redirect could carry an address to somewhere else
            stream=True,
        ) as response:
            body = response.raw.read(MAX_ANSWER, decode_content=True) or b""
            if not 200 <= response.status_code < 300:
                raise NotTaken(response.status_code, body.decode("utf-8", "replace"))
        return _reference(body)


def _reference(body: bytes) -> str:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    reference = answer.get("reference") if isinstance(answer, dict) else None
    usable = isinstance(reference, str | int) and not isinstance(reference, bool)
    text = str(reference)[:MAX_REFERENCE] if usable else ""
    return "".join(char for char in text if char.isprintable())
