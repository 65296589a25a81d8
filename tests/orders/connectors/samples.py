"""Samples of Shopify's formats, changed copies of them, and what every payload must fulfill."""

import copy
import csv
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from orders.connectors.base import CannotMap, Mapped
from orders.connectors.shopify_csv import read

FOLDER = Path(__file__).parents[2] / "samples" / "shopify"
WEBHOOKS = sorted(path.name for path in FOLDER.glob("*.json"))
FILES = sorted(path.name for path in FOLDER.glob("*.csv"))
KEYS = {
    "external_id", "placed_at", "currency", "test", "tax_included", "customer", "shipping_address",
    "billing_address", "delivery", "line_items", "discount_total", "shipping_total",
    "shipping_tax", "tax_total", "total", "payments", "tags", "note", "metadata",
}  # fmt: skip


def webhook(name: str = "order_simple_eur.json") -> dict[str, Any]:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def changed(name: str, **changes: Any) -> dict[str, Any]:
    """A sample with values put at paths: `line_items__0__sku="X"`."""
    document = webhook(name)
    for path, value in changes.items():
        *way, last = [int(step) if step.isdigit() else step for step in path.split("__")]
        place: Any = document
        for step in way:
            place = place[step]
        place[last] = copy.deepcopy(value)
    return document


def file(name: str = "orders_export.csv") -> bytes:
    return (FOLDER / name).read_bytes()


def table(change: Callable[[list[dict[str, str]]], Any], name: str = "orders_export.csv") -> bytes:
    """A sample file whose rows (by column title) were changed."""
    rows = list(csv.DictReader(io.StringIO(file(name).decode(), newline="")))
    titles = list(rows[0])
    change(rows)
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, titles, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def results(content: bytes, **options: Any) -> list[Mapped | CannotMap]:
    return list(read(io.BytesIO(content), **options))


def mapped(content: bytes, **options: Any) -> dict[str, dict[str, Any]]:
    """Payloads by order name; fails on any order that cannot be mapped."""
    found = {}
    for result in results(content, **options):
        if isinstance(result, CannotMap):
            raise result
        found[result.source_id] = result.payload
    return found


def refused(content: bytes) -> dict[str, CannotMap]:
    return {r.source_id: r for r in results(content) if isinstance(r, CannotMap)}


def told(error: CannotMap) -> list[tuple[str, str]]:
    """(where, why) of every problem."""
    return [(problem.field, problem.reason) for problem in error.problems]


def assert_adds_up(payload: dict[str, Any]) -> None:
    """The rule that the API checks to the minor unit, and the shape it reads."""
    assert set(payload) - {"changed_at"} == KEYS
    json.dumps(payload, allow_nan=False)
    lines = payload["line_items"]
    goods = sum(line["quantity"] * Decimal(line["unit_price"]) for line in lines)
    tax = sum(Decimal(line["tax"]) for line in lines) + Decimal(payload["shipping_tax"])
    assert Decimal(payload["tax_total"]) == tax
    assert sum(Decimal(line["discount"]) for line in lines) <= Decimal(payload["discount_total"])
    total = goods - Decimal(payload["discount_total"]) + Decimal(payload["shipping_total"])
    assert Decimal(payload["total"]) == total + (0 if payload["tax_included"] else tax)


def assert_taken(payload: dict[str, Any]) -> None:
    """The API's own serializer and the checks of capture find nothing wrong."""
    from orders import capture
    from orders.payload import OrderPayload

    serializer = OrderPayload(data=payload)
    assert serializer.is_valid(), serializer.errors
    assert capture.check(serializer.validated_data) == []
