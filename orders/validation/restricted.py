"""What may not be sold to everybody, nor sent everywhere or by every means."""

from collections.abc import Iterator, Mapping
from typing import Any

from orders.models import Order
from orders.validation.facts import Facts, Listed
from orders.validation.params import Params
from orders.validation.verdict import Finding

YES = frozenset({"true", "yes"})


def find(order: Mapping[str, Any], params: Params, facts: Facts) -> list[Finding]:
    """Lines under an age limit without its proof, and dangerous goods sent as they may not be."""
    return [
        Finding("restricted", f"/line_items/{i}", code, words)
        for i, line in enumerate(order["line_items"])
        if (product := facts.products.get(line["sku"]))
        for code, words in _wrong(order, line, product, params)
    ]


def _wrong(
    order: Mapping[str, Any], line: Mapping[str, Any], product: Listed, params: Params
) -> Iterator[tuple[str, str]]:
    delivery, address = _way(order, line)
    counter = delivery["method"] != Order.Delivery.SHIP and params["age_at_counter"]
    if product.age_limit and not counter and not _is_proven(order, product.age_limit, params):
        yield "age", f"is sold from {product.age_limit} years on, and no age is proven"
    if product.dangerous_goods and delivery["method"] != Order.Delivery.PICKUP:
        country = (address or {}).get("country")
        if delivery["service"] == "express" and not params["dangerous_express"]:
            yield "dangerous_express", f"{product.dangerous_goods} may not go by express"
        if country in params["dangerous_not_to"]:
            yield "dangerous_country", f"{product.dangerous_goods} may not be sent to {country}"


def _way(
    order: Mapping[str, Any], line: Mapping[str, Any]
) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
    """How the line reaches the customer, and where."""
    for group in order.get("deliveries", ()):
        if group["key"] == line.get("delivery"):
            return group, group["address"]
    return order["delivery"], order["shipping_address"]


def _is_proven(order: Mapping[str, Any], limit: int, params: Params) -> bool:
    """The channel says so in metadata: true, or the age in years."""
    proof = order["metadata"].get(params["age_proof"]) if params["age_proof"] else None
    if isinstance(proof, bool):
        return proof
    text = str(proof).strip().lower()
    return text in YES or (len(text) <= 3 and text.isdecimal() and int(text) >= limit)
