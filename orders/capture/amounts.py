"""The money of an order on its way in: whether it adds up, and each line's own share."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from orders.money import rounded, share
from orders.problems import Problem

NOTHING = Decimal(0)


def check(order: Mapping[str, Any]) -> list[Problem]:
    """Whether the money adds up to the cent; every figure that does not is named."""
    currency = order["currency"]
    problems = _check_precision(order, currency)
    if problems:
        return problems
    for i, line in enumerate(order["line_items"]):
        if line["discount"] > line["quantity"] * line["unit_price"]:
            problems.append(Problem(f"/line_items/{i}/discount", "too_large",
                                    "is more than quantity x unit_price"))  # fmt: skip
    own = sum((line["discount"] for line in order["line_items"]), NOTHING)
    taxes = sum((line["tax"] for line in order["line_items"]), order["shipping_tax"])
    gross = subtotal(order)
    total = gross - order["discount_total"] + order["shipping_total"]
    total += NOTHING if order["tax_included"] else taxes
    wrong = {
        "/discount_total": None if own <= order["discount_total"] <= gross
        else f"must be between the lines' {own} and the subtotal {gross}",
        "/tax_total": None if order["tax_total"] == taxes
        else f"is {order['tax_total']}, the lines' and shipping's tax is {taxes}",
        "/total": None if order["total"] == total
        else f"is {order['total']}, the lines add up to {total}",
    }  # fmt: skip
    problems += [Problem(at, "does_not_add_up", words) for at, words in wrong.items() if words]
    return problems


def _check_precision(order: Mapping[str, Any], currency: str) -> list[Problem]:
    names = ("discount_total", "shipping_total", "shipping_tax", "tax_total", "total", "commission")
    amounts = {f"/{name}": order[name] for name in names if name in order}
    for i, line in enumerate(order["line_items"]):
        amounts |= {f"/line_items/{i}/{name}": line[name] for name in ("discount", "tax")}
    return [
        Problem(pointer, "too_precise", f"{amount} is finer than the smallest unit of {currency}")
        for pointer, amount in amounts.items()
        if amount != rounded(amount, currency)
    ]


def subtotal(order: Mapping[str, Any]) -> Decimal:
    """Quantity x unit price of all lines, before discounts."""
    gross = sum((x["quantity"] * x["unit_price"] for x in order["line_items"]), NOTHING)
    return rounded(gross, order["currency"])


def line_totals(order: Mapping[str, Any]) -> list[tuple[Decimal, Decimal]]:
    """(discount with its order-wide share, total the customer pays) of each line, in order."""
    currency, lines = order["currency"], order["line_items"]
    gross = [line["quantity"] * line["unit_price"] for line in lines]
    whole = [rounded(amount, currency) for amount in gross]
    if whole != gross:  # prices finer than a cent
        whole = share(sum(gross, NOTHING), gross, currency)
    own = [line["discount"] for line in lines]
    rest = order["discount_total"] - sum(own, NOTHING)
    extra = [NOTHING] * len(lines)
    if rest:
        extra = share(rest, [g - d for g, d in zip(whole, own, strict=True)], currency)
    taxes = [NOTHING if order["tax_included"] else line["tax"] for line in lines]
    return [(d + e, g - d - e + t) for g, d, e, t in zip(whole, own, extra, taxes, strict=True)]


def shared_out(
    amounts: Mapping[str, Decimal], weights: Sequence[Decimal], currency: str
) -> list[dict[str, Decimal]]:
    """Each amount of a bundle shared over its components by weight; the parts sum to the whole."""
    parts = {name: share(amount, weights, currency) for name, amount in amounts.items()}
    return [{name: parts[name][i] for name in parts} for i in range(len(weights))]
