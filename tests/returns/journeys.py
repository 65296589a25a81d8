"""Short ways to what returns start from: an order in any money, and its units with the customer."""

import itertools
from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from config import outbox
from fulfillment import work
from fulfillment.models import FulfillmentOrder, Parcel
from inventory.models import Stock
from orders.models import Order
from returns import process
from returns.models import Return

_numbers = itertools.count(1)


def buy(company, *items, discount="0.00", shipping="0.00", currency="EUR", **changes) -> Order:
    """Place (sku, quantity, unit price[, discount of the line]) paid in full at once."""
    lines = [
        {
            "external_id": f"L{i}", "sku": sku, "name": sku.title(), "quantity": quantity,
            "unit_price": price, "discount": own[0] if own else "0.00", "tax": "0.00",
        }
        for i, (sku, quantity, price, *own) in enumerate(items)
    ]  # fmt: skip
    subtotal = sum(Decimal(line["unit_price"]) * line["quantity"] for line in lines)
    own = sum(Decimal(line["discount"]) for line in lines)
    off = Decimal(discount) + own
    total = str(subtotal - off + Decimal(shipping))
    money = {"discount_total": str(off), "shipping_total": shipping, "total": total,
             "currency": currency}  # fmt: skip
    payments = [{"reference": "pay-1", "method": "card", "state": "captured", "amount": total}]
    return company.place(**({"line_items": lines, "payments": payments} | money | changes))


def deliver(order: Order, *, units: int | None = None, at: datetime | None = None) -> Order:
    """Bring the order to the customer through the doors of stock points and carriers.

    units: of its single line only so many, the stock point has no time for the rest.
    """
    for task in work_of(order):
        if units is not None:
            keep = {task.lines.get(open=True).pk: units}
            work.refuse(fulfillment_order_id=task.pk, reason="too_busy", keep=keep, actor="lea")
        ship(task)
        if units is not None:
            break
    for parcel in order.parcels.filter(delivered_at=None):
        work.track(parcel_id=parcel.pk, status="delivered", at=at or timezone.now(), actor="dhl")
    order.refresh_from_db()
    return order


def work_of(order: Order) -> list[FulfillmentOrder]:
    """Who was asked for the order's units."""
    for topic in ("route", "work"):
        outbox.drain(topic)
    return list(order.fulfillment_orders.filter(state="new").order_by("id"))


def ship(task: FulfillmentOrder) -> Parcel:
    """Press every button until the parcel has left."""
    for button in (work.accept, work.pick_all, work.pack):
        button(fulfillment_order_id=task.pk, actor="lea")
    return work.ship(
        fulfillment_order_id=task.pk, carrier="DHL", actor="lea",
        tracking_number=f"JD00{next(_numbers):06}",
    ).parcel  # fmt: skip


def send_back(order: Order, **units: int) -> Return:
    """An approved return of units by SKU."""
    lines = [(order.lines.get(sku=sku).pk, quantity) for sku, quantity in units.items()]
    rma = process.request(order_id=order.pk, lines=lines, reason="unwanted", by="customer")
    return process.approve(return_id=rma.pk, actor="lea")


def arrive(rma: Return, location, **units: int) -> Return:
    """Units by SKU arrived at a stock point; all that were announced when none are named."""
    arrived = {
        line.pk: units.get(line.order_line.sku, 0) if units else line.expected
        for line in rma.lines.all()
    }
    return process.receive(return_id=rma.pk, location=location, arrived=arrived, actor="lea")


def come_back(order: Order, location, **units: int) -> Return:
    """A return that was approved and arrived whole."""
    return arrive(send_back(order, **units), location)


def grade(rma: Return, sku: str, **grades: int) -> Return:
    """Grade units of a SKU where the return first arrived."""
    line = rma.lines.get(order_line__sku=sku)
    return process.inspect(return_id=rma.pk, grades={line.pk: grades}, actor="lea")


def stock(sku: str, location) -> tuple[int, int, int, int]:
    """(on hand, reserved, unavailable, free) of a SKU at a stock point; zeros without a row."""
    row = Stock.objects.filter(product__sku=sku, location=location).first()
    return (row.on_hand, row.reserved, row.unavailable, row.free) if row else (0, 0, 0, 0)


def given_back(order: Order) -> Decimal:
    """All money that went back to the customer."""
    return sum((p.refunded for p in order.payments.all()), Decimal(0))
