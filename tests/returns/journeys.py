"""Short ways to what returns start from: an order in any money, and its units with the customer."""

import itertools
from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from fulfillment.models import FulfillmentOrder, Parcel, ParcelLine
from inventory import ledger
from inventory.models import Reservation, Stock
from orders import lifecycle
from orders.models import Allocation, Order
from returns import process
from returns.models import Return

S = Allocation.State
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
    """Bring the order's units (or so many of its first slice) to the customer."""
    slices = list(order.allocations.exclude(state__in=lifecycle.ENDED).order_by("id"))
    if units is not None:
        slices = [slices[0] if slices[0].quantity == units
                  else lifecycle.split_slice(slices[0], quantity=units)]  # fmt: skip
    for piece in slices:
        _hand_over(order, piece, at or timezone.now())
    lifecycle.close_if_ended(lifecycle.lock(order.pk), actor="test")
    order.refresh_from_db()
    return order


def _hand_over(order: Order, piece: Allocation, at: datetime) -> None:
    claim = Reservation.objects.get(pk=piece.reservation_id)
    task = FulfillmentOrder.objects.create(order=order, location_id=claim.location_id, state="done")
    for state in (S.ALLOCATED, S.ACCEPTED, S.PICKED, S.PACKED):
        lifecycle.move_slices([piece], state, queue="", location_id=claim.location_id)
    lifecycle.move_slices([piece], S.SHIPPED, reservation_id=None)
    parcel = Parcel.objects.create(
        fulfillment_order=task, order=order, location_id=claim.location_id, carrier="DHL",
        tracking_number=f"T{next(_numbers)}", delivered_at=at,
    )  # fmt: skip
    ParcelLine.objects.create(parcel=parcel, allocation=piece, quantity=piece.quantity)
    ledger.take([(claim.pk, f"sale:{piece.pk}")], cause_type="parcel", cause_id=parcel.pk,
                actor="test")  # fmt: skip
    lifecycle.move_slices([piece], S.DELIVERED)


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
