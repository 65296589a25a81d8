"""Whether the channel sells at our prices."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from orders.money import in_words
from orders.validation.facts import Facts
from orders.validation.params import Params
from orders.validation.verdict import Finding


def find(order: Mapping[str, Any], params: Params, facts: Facts) -> list[Finding]:
    """Lines whose unit price is zero, or further from the product's own than the tolerance.

    Products' prices are in the channel's currency; an order in another one is not compared.
    """
    return [
        Finding("price", f"/line_items/{i}/unit_price", code, words)
        for i, line in enumerate(order["line_items"])
        for code, words in _wrong(line, order["currency"], params, facts)
    ]


def _wrong(
    line: Mapping[str, Any], currency: str, params: Params, facts: Facts
) -> Iterator[tuple[str, str]]:
    price: Decimal = line["unit_price"]
    if not price:
        if not params["zero_allowed"]:
            yield "zero", "is zero"
        return
    product = facts.products.get(line["sku"])
    if product is None or not product.price or currency != facts.currency:
        return
    off = abs(price - product.price) / product.price * 100
    if off > params["tolerance_percent"]:
        ours = in_words(product.price, currency)
        where = "below" if price < product.price else "above"
        yield "differs", f"is {in_words(price, currency)}, {off:.0f} % {where} our {ours}"
