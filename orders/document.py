"""The canonical payload of a stored order: what its channel would have to send to get it.

Units are as bought: what was canceled, shipped or returned since does not change them. Amounts are
the order's of today. Three things are not told apart any more once an order is stored: a line's own
discount and its share of the order's (`discount` is both, as `capture.line_totals` computes it),
the phone of the customer and of the address, and the codes of gift cards. The customer's name is
the newest that we know. Coordinates are left out: they follow from the address.
"""

from collections.abc import Mapping
from typing import Any

from orders.models import (
    DeliveryGroup,
    Order,
    OrderBundle,
    OrderContact,
    OrderLine,
    Payment,
)

SHIP = Order.Delivery.SHIP
ADDRESS = ("name", "line1", "line2", "city", "region", "postcode", "country", "phone")
PAYS = (Payment.State.PENDING, Payment.State.AUTHORIZED, Payment.State.CAPTURED)
AMOUNTS = ("discount_total", "shipping_total", "shipping_tax", "tax_total", "total")


def as_payload(order: Order) -> dict[str, Any]:
    """The order as orders.payload.validated() reads it: Decimals, datetimes, dates.

    Bundles are one line each, delivery groups are `deliveries`; voided, expired and failed payments
    are left out, and so is every optional field that has its default. Takes five statements, one
    more where delivery groups go to stores.
    """
    order = _read(order)
    contact = getattr(order, "contact", None) or OrderContact(order=order)
    groups = list(order.delivery_groups.all())
    payload = {
        "external_id": order.external_id,
        "placed_at": order.placed_at,
        "currency": order.currency,
        "test": order.test,
        "tax_included": order.tax_included,
        "customer": _customer(order, contact),
        "shipping_address": _address(contact),
        "billing_address": dict(contact.billing) or None,
        "delivery": _delivery(order),
        "line_items": _lines(order),
        **{name: getattr(order, name) for name in AMOUNTS},
        "payments": [_payment(row) for row in order.payments.all() if row.state in PAYS],
        "tags": list(order.tags),
        "note": contact.note,
        "metadata": dict(order.metadata),
        "basket": None,
    }
    chosen = {
        "commission": order.commission,
        "gift": order.gift,
        "gift_message": contact.gift_message,
        "ship_together": order.ship_together,
        "wanted_on": order.wanted_on,
        "ship_by": order.ship_by,
        "deliver_by": order.deliver_by,
        "sold_at": order.sold_at and order.sold_at.code,
        "changed_at": order.channel_changed_at,
        "deliveries": [_group(group) for group in groups],
    }
    return payload | {name: value for name, value in chosen.items() if value}


def _customer(order: Order, contact: OrderContact) -> dict[str, str]:
    name = order.customer.name if order.customer else ""
    return {"email": contact.email, "name": name or contact.name, "phone": contact.phone}


def _read(order: Order) -> Order:
    beside = ("contact", "customer", "pickup_location", "sold_at")
    rows = ("lines", "bundles", "delivery_groups__pickup_location", "payments")
    return Order.objects.select_related(*beside).prefetch_related(*rows).get(pk=order.pk)


def _address(row: OrderContact | DeliveryGroup) -> dict[str, Any] | None:
    """None where nothing of an address is known: names and phones alone are no address."""
    address = {name: getattr(row, name) for name in ADDRESS}
    known = any(value for name, value in address.items() if name not in {"name", "phone"})
    return address if known else None


def _delivery(row: Order | DeliveryGroup) -> dict[str, Any]:
    store = row.pickup_location
    return {"method": row.delivery, "location": store and store.code, "service": row.service}


def _group(group: DeliveryGroup) -> dict[str, Any]:
    return {
        **_delivery(group),
        "key": group.key,
        "address": _address(group),
        "wanted_on": group.wanted_on,
        "gift": group.gift,
        "gift_message": group.gift_message,
    }


def _lines(order: Order) -> list[dict[str, Any]]:
    """What the customer bought, by position; a bundle stands for its components."""
    keys = {group.pk: group.key for group in order.delivery_groups.all()}
    first = {line.bundle_id: line for line in order.lines.all()}
    bought: dict[int, tuple[OrderLine | OrderBundle, OrderLine]] = {
        line.position: (line, line) for line in order.lines.all() if line.bundle_id is None
    }
    bought |= {kit.position: (kit, first[kit.pk]) for kit in order.bundles.all()}
    return [_line(row, way, keys) for _, (row, way) in sorted(bought.items())]


def _line(row: OrderLine | OrderBundle, way: OrderLine, keys: Mapping[int, str]) -> dict[str, Any]:
    fields = ("external_id", "sku", "name", "quantity", "unit_price", "discount", "tax")
    line = {name: getattr(row, name) for name in fields}
    if way.group_id is not None:
        line["delivery"] = keys[way.group_id]
    if way.together:
        line["together"] = way.together
    return line


def _payment(row: Payment) -> dict[str, Any]:
    payment = {name: getattr(row, name) for name in ("reference", "method", "amount", "state")}
    if row.expires_at:
        payment["expires_at"] = row.expires_at
    return payment
