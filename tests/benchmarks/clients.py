"""Channels in processes of their own; without Django, so that a spawned process may import it."""

import http.client
import json
import time
import uuid
from datetime import UTC, datetime
from decimal import Decimal

MOST_BATCHES_PER_S = 6  # of one client


def payload(skus: list[str], name: str) -> dict:
    """A three-line order as the web shop posts it."""
    lines = [
        {"external_id": str(i), "sku": sku, "name": sku, "quantity": 1, "unit_price": "10.00",
         "discount": "0.00", "tax": "0.00"}
        for i, sku in enumerate(skus)
    ]  # fmt: skip
    total = str(Decimal("10.00") * len(lines) + Decimal("4.90"))
    return {
        "external_id": name, "placed_at": datetime.now(UTC).isoformat(), "currency": "EUR",
        "customer": {"email": f"{name[:8]}@example.org", "name": "Ana Živić", "phone": ""},
        "shipping_address": {"name": "Ana Živić", "line1": "1 rue de la République", "city": "Lyon",
                             "postcode": "69001", "country": "FR"},
        "line_items": lines, "shipping_total": "4.90", "total": total,
        "payments": [{"reference": "p", "method": "card", "amount": total, "state": "captured"}],
    }  # fmt: skip


def bulk_client(  # noqa: PLR0917  (a process takes them by position)
    port: int, key: str, skus: list[list[str]], size: int, seconds: float, out: object
) -> None:
    """A channel that posts many orders a call; puts (orders, seconds, refused, calls' ms).

    What it posts is made before the clock starts: a channel's own time is not ours.
    """
    http_client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    bodies = [
        json.dumps({"orders": [payload(skus[(c + n) % len(skus)], uuid.uuid4().hex)
                               for n in range(size)]}).encode()
        for c in range(int(seconds * MOST_BATCHES_PER_S) + 1)
    ]  # fmt: skip
    created, refused, times = 0, 0, []
    start = time.monotonic()
    for body in bodies:
        if time.monotonic() > start + seconds:
            break
        call = time.perf_counter()
        http_client.request(
            "POST", "/api/v1/orders/bulk", body, {**headers, "Idempotency-Key": uuid.uuid4().hex}
        )
        answer = json.loads(http_client.getresponse().read())
        times.append((time.perf_counter() - call) * 1000)
        created += answer["created"]
        refused += size - answer["created"]
    out.put((created, time.monotonic() - start, refused, times))  # type: ignore[attr-defined]


def client(port: int, key: str, skus: list[list[str]], seconds: float, out: object) -> None:
    """One closed-loop channel: posts the next order when it has its answer."""
    http_client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    times, refused = [], 0
    stop = time.monotonic() + seconds
    n = 0
    while time.monotonic() < stop:
        name = uuid.uuid4().hex
        body = json.dumps(payload(skus[n % len(skus)], name)).encode()
        start = time.perf_counter()
        http_client.request("POST", "/api/v1/orders", body, {**headers, "Idempotency-Key": name})
        answer = http_client.getresponse()
        answer.read()
        times.append((time.perf_counter() - start) * 1000)
        refused += answer.status != 201
        n += 1
    out.put((times, refused))  # type: ignore[attr-defined]
