"""Orders as the demo company's five channels send them: payloads for POST /api/v1/orders.

Order `index` of a `seed` is always the same, whatever was asked for before it, so a demonstration
can be cut into pieces and played by several processes. Plain data, no Django.
"""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from itertools import accumulate
from typing import Any

from config.demo import wishes
from config.demo.catalog import ProductSpec, popularity, products
from config.demo.countries import COUNTRIES
from config.demo.network import LOCATIONS
from config.demo.people import CUSTOMERS, CustomerSpec, customer

# Channel -> share of orders.
CHANNELS = {"web": 46, "mobile": 22, "marketplace": 17, "social": 6, "till": 9}
_LINES = (63, 21, 8, 4, 2, 1, 0.6, 0.4)  # percent of baskets with 1, 2 ... 8 lines
_QUANTITIES = {1: 88, 2: 9, 3: 2, 5: 1}
_METHODS = {
    "web": ("card", "card", "paypal", "klarna"),
    "mobile": ("apple_pay", "google_pay", "card"),
    "marketplace": ("marketplace",),
    "social": ("card", "paypal"),
    "till": ("terminal", "cash"),
}
_CAPTURED = {"marketplace", "till"}  # paid before we hear of it
_SHIPPING = {"standard": Decimal("4.90"), "express": Decimal("12.90")}
_FREE_FROM = Decimal(60)
_NOTES = (
    "Please leave with the neighbor.", "Geschenk – bitte ohne Rechnung", "Sonner chez la gardienne",
    "Ring twice 🔔", "Dejar en conserjería",
)  # fmt: skip
_CENT = Decimal("0.01")

Payload = dict[str, Any]


def orders(*, seed: int, start: int, count: int, now: datetime) -> Iterator[tuple[str, Payload]]:
    """Orders `start` .. `start + count - 1` as (channel code, payload), placed just before `now`.

    Money is text with two decimals, in EUR. External ids are unique per (seed, index).
    """
    for index in range(start, start + count):
        yield _order(seed, index, now)


def _order(seed: int, index: int, now: datetime) -> tuple[str, Payload]:
    rng = random.Random(f"order-{seed}-{index}")
    channel = rng.choices(list(CHANNELS), list(CHANNELS.values()))[0]
    # The square favors low numbers: some customers come again and again.
    buyer = customer(seed=seed, number=int(CUSTOMERS * rng.random() ** 2))
    included = buyer.country != "US"
    lines = _lines(rng, seed)
    subtotal = sum((line["gross"] for line in lines), Decimal(0))
    voucher = _voucher(rng, subtotal, lines)
    service = "express" if rng.random() < 0.12 else "standard"
    shipping = _shipping(channel, service, subtotal)
    rate = COUNTRIES[buyer.country].vat
    shipping_tax = _tax(shipping, rate, included)
    for line in lines:
        paid = line["gross"] - line["discount"] - voucher * line["gross"] / subtotal
        line["tax"] = _tax(paid, rate, included)
    taxes = shipping_tax + sum((line["tax"] for line in lines), Decimal(0))
    discounts = voucher + sum((line["discount"] for line in lines), Decimal(0))
    total = subtotal - discounts + shipping + (Decimal(0) if included else taxes)
    placed = now - timedelta(seconds=rng.randint(1, 90))
    payload = {
        "external_id": _external_id(channel, seed, index),
        "placed_at": placed.isoformat(timespec="seconds"),
        "currency": "EUR",
        "test": False,
        "tax_included": included,
        "customer": {"email": buyer.email, "name": buyer.name, "phone": buyer.phone},
        "shipping_address": _address(buyer),
        "billing_address": None,
        "delivery": {"method": "ship", "location": None, "service": service},
        "line_items": [_line_item(number, line) for number, line in enumerate(lines, start=1)],
        "discount_total": _text(discounts),
        "shipping_total": _text(shipping),
        "shipping_tax": _text(shipping_tax),
        "tax_total": _text(taxes),
        "total": _text(total),
        "payments": _payments(rng, channel, f"{seed}-{index}", total),
        "tags": ["voucher"] if voucher else [],
        "note": rng.choice(_NOTES) if rng.random() < 0.05 else "",
        "metadata": _metadata(rng, channel, buyer.country),
    }
    return channel, wishes.add(
        payload, seed=seed, index=index, channel=channel, country=buyer.country
    )


@lru_cache(maxsize=4)
def _demand(seed: int) -> tuple[tuple[ProductSpec, ...], list[float]]:
    """All products and, beside them, the running sum of their popularity."""
    goods = products(seed=seed)
    weights = popularity(seed=seed)
    return goods, list(accumulate(weights[product.sku] for product in goods))


def _lines(rng: random.Random, seed: int) -> list[dict[str, Any]]:
    goods, sums = _demand(seed)
    wanted = rng.choices(range(1, len(_LINES) + 1), _LINES)[0]
    basket: dict[str, ProductSpec] = {}
    while len(basket) < wanted:
        product = rng.choices(goods, cum_weights=sums)[0]
        basket[product.sku] = product
    lines = []
    for product in basket.values():
        quantity = rng.choices(list(_QUANTITIES), list(_QUANTITIES.values()))[0]
        gross = quantity * product.price
        percent = rng.choice((10, 20, 30, 50)) if rng.random() < 0.15 else 0
        discount = _rounded(gross * percent / 100)
        lines.append(
            {"product": product, "quantity": quantity, "gross": gross, "discount": discount}
        )
    return lines


def _voucher(rng: random.Random, subtotal: Decimal, lines: list[dict[str, Any]]) -> Decimal:
    """An amount off the whole order, in one order of twelve, never with reduced lines."""
    if any(line["discount"] for line in lines) or subtotal < 40 or rng.random() > 1 / 12:
        return Decimal(0)
    return Decimal(rng.choice(("5.00", "10.00")))


def _shipping(channel: str, service: str, subtotal: Decimal) -> Decimal:
    if channel == "till" or (service == "standard" and subtotal >= _FREE_FROM):
        return Decimal(0)
    return _SHIPPING[service]


def _tax(amount: Decimal, rate: Decimal, included: bool) -> Decimal:
    """The tax inside an amount, or on top of it."""
    return _rounded(amount * rate / (1 + rate) if included else amount * rate)


def _line_item(number: int, line: dict[str, Any]) -> Payload:
    product: ProductSpec = line["product"]
    return {
        "external_id": str(number),
        "sku": product.sku,
        "name": product.name,
        "quantity": line["quantity"],
        "unit_price": _text(product.price),
        "discount": _text(line["discount"]),
        "tax": _text(line["tax"]),
    }


def _payments(rng: random.Random, channel: str, key: str, total: Decimal) -> list[Payload]:
    """One payment; now and then a gift card pays the first part."""
    state = "captured" if channel in _CAPTURED else "authorized"
    payments = [{"reference": f"pay-{channel}-{key}", "method": rng.choice(_METHODS[channel])}]
    amounts = [total]
    if channel in {"web", "mobile"} and total > 50 and rng.random() < 0.06:
        payments.insert(0, {"reference": f"gift-{channel}-{key}", "method": "gift_card"})
        amounts = [Decimal(25), total - 25]
    return [
        {**payment, "amount": _text(amount), "state": state}
        for payment, amount in zip(payments, amounts, strict=True)
    ]


def _external_id(channel: str, seed: int, index: int) -> str:
    """The channel's own style; the seed is apart from the index, so no two pairs meet."""
    if channel == "web":
        return f"#{1001 + index}" if seed == 1 else f"#{seed}-{1001 + index}"
    if channel == "till":
        return f"R{seed:03d}-{index:07d}"
    prefix = {"mobile": "APP", "marketplace": "MP-2026", "social": "IG"}[channel]
    return f"{prefix}-{seed:03d}-{index:07d}"


def _metadata(rng: random.Random, channel: str, country: str) -> Payload:
    if channel == "till":
        stores = [spec for spec in LOCATIONS if spec.kind == "store"]
        near = [spec.code for spec in stores if spec.country == country]
        return {
            "store": rng.choice(near or [spec.code for spec in stores]),
            "till": str(rng.randint(1, 4)),
        }
    if channel == "social":
        return {"campaign": rng.choice(("autumn-looks", "gift-guide", "creator-week"))}
    return {}


def _address(buyer: CustomerSpec) -> Payload:
    return {
        "name": buyer.name,
        "line1": buyer.line1,
        "line2": buyer.line2,
        "city": buyer.city,
        "region": buyer.region,
        "postcode": buyer.postcode,
        "country": buyer.country,
        "phone": buyer.phone,
    }


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_UP)


def _text(amount: Decimal) -> str:
    return f"{amount:.2f}"
