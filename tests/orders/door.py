"""The channels' door, as a channel uses it, and what every refusal must look like."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from config.models import IdempotencyKey, Job, OutboxRow
from inventory.models import Reservation, Stock, StockMovement
from orders.models import (
    Allocation,
    Customer,
    Order,
    OrderContact,
    OrderEvent,
    OrderLine,
    Payment,
)

URL = "/api/v1/orders"
TABLES = (Order, OrderLine, OrderContact, OrderEvent, Customer, Payment, Allocation, Reservation,
          StockMovement, OutboxRow, IdempotencyKey, Job)  # fmt: skip


def send(client, company, body: Any, *, content_type="application/json", url=URL, **headers):
    """POST a body: bytes as they are, anything else as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.generic(
        "POST", url, raw, content_type=content_type,
        headers={"Authorization": f"Bearer {company.web_key}", **headers},
    )  # fmt: skip


def read(client, company, url: str, key: str | None = None):
    """GET as the company's web channel, or with another key."""
    return client.get(url, headers={"Authorization": f"Bearer {key or company.web_key}"})


def problem(answer, status: int, code: str | None = None, *pointers: str) -> dict:
    """The answer is this problem, and points at exactly these places when any are given."""
    assert answer.status_code == status, answer.content[:500]
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["type"].endswith(f"/{body['code']}")
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == answer["X-Request-Id"]
    assert code is None or body["code"] == code, body
    found = [entry["pointer"] for entry in body["errors"]]
    assert not pointers or found == list(pointers), body
    assert all(entry["detail"] and entry["code"] for entry in body["errors"])
    return body


def rows() -> dict[str, int]:
    """How many rows the tables have that an order, an answer or a file would write."""
    reserved = sum(Stock.objects.values_list("reserved", flat=True))
    return {t.__name__: t.objects.count() for t in TABLES} | {"reserved": reserved}


def put(data: dict, path: str, value: Any) -> dict:
    """Set `value` at a JSON pointer inside the payload."""
    *way, last = [int(step) if step.isdigit() else step for step in path.strip("/").split("/")]
    place: Any = data
    for step in way:
        place = place[step]
    place[last] = value
    return data


@contextmanager
def quickly(seconds: float = 1.0) -> Iterator[None]:
    """What happens inside takes this thread no more CPU than this."""
    started = time.thread_time()
    yield
    assert time.thread_time() - started < seconds
