"""Signals of fraud, each with a score; their sum, at most 100, is the order's risk."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from config.geo import fold
from orders.validation.facts import Facts
from orders.validation.params import Params
from orders.validation.verdict import Finding

Found = Iterator[tuple[str, str]]  # (pointer, words)
BY = {"email": "/customer/email", "phone": "/customer/phone", "address": "/shipping_address"}


def find(order: Mapping[str, Any], params: Params, facts: Facts) -> list[Finding]:
    """Every signal that is on and seen, once."""
    found = []
    for code, look in SIGNALS.items():
        score = params[f"score_{code}"]
        seen = next(look(order, params, facts), None) if score else None
        if seen is not None:
            found.append(Finding("fraud", seen[0], code, seen[1], score))
    return found


def _many_orders(order: Mapping[str, Any], params: Params, facts: Facts) -> Found:
    for by, (hour, day) in facts.recent.items():
        if hour >= params["per_hour"]:
            yield BY[by], f"{hour} other orders with this {by} within an hour"
        elif day >= params["per_day"]:
            yield BY[by], f"{day} other orders with this {by} within a day"


def _countries(order: Mapping[str, Any], params: Params, facts: Facts) -> Found:
    bill = (order["billing_address"] or {}).get("country")
    ship = (order["shipping_address"] or {}).get("country")
    if bill and ship and bill != ship:
        yield "/billing_address/country", f"is {bill}, but it ships to {ship}"


def _high_value(order: Mapping[str, Any], params: Params, facts: Facts) -> Found:
    if order["currency"] == facts.currency and order["total"] >= params["high_value"]:
        yield "/total", f"is {params['high_value']} {facts.currency} or more"


def _first_express(order: Mapping[str, Any], params: Params, facts: Facts) -> Found:
    express = [order["delivery"], *order.get("deliveries", ())]
    if facts.first and any(one["service"] == "express" for one in express):
        yield "/delivery/service", "express for a first order"


def _many_units(order: Mapping[str, Any], params: Params, facts: Facts) -> Found:
    units: Counter[str] = Counter()
    for i, line in enumerate(order["line_items"]):
        units[line["sku"]] += line["quantity"]
        if units[line["sku"]] >= params["many_units"]:
            yield f"/line_items/{i}/quantity", f"{params['many_units']} or more units of one SKU"


def _names(order: Mapping[str, Any], params: Params, facts: Facts) -> Found:
    mailbox = fold(order["customer"]["email"].partition("@")[0]).replace(" ", "")
    name = order["customer"]["name"] or (order["shipping_address"] or {}).get("name", "")
    words = [word for word in fold(name).split() if len(word) > 2]
    if mailbox and words and not any(word[:5] in mailbox for word in words):
        yield "/customer/email", "does not look like the customer's name"


SIGNALS: dict[str, Callable[[Mapping[str, Any], Params, Facts], Found]] = {
    "many_orders": _many_orders,
    "countries": _countries,
    "high_value": _high_value,
    "first_express": _first_express,
    "many_units": _many_units,
    "names": _names,
}
