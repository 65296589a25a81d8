"""What an order's customer owes, what has left, and what is secured for it."""

from collections.abc import Collection
from decimal import Decimal

from django.db.models import Sum

from orders.models import Allocation, Order, Payment, Refund
from orders.money import of_units

S, P = Allocation.State, Payment.State
NOTHING = Decimal(0)
LEFT = (S.SHIPPED, S.DELIVERED, S.COLLECTED)
ARRIVED = (S.DELIVERED, S.COLLECTED)
GONE = (*LEFT, S.CANCELED)
SETTLE = "settle:"  # keys of refunds for what was taken off the order


def amount_due(order: Order) -> Decimal:
    """What the customer owes for everything not canceled: units' own shares, and shipping.

    Shipping is owed unless every unit was canceled. Returns are refunds of their own and are not
    taken off here: they refund what was captured.
    """
    return _worth(order, canceled=True, states=(S.CANCELED,))


def worth(order: Order, states: Collection[str]) -> Decimal:
    """What the units in these states cost, with all of the shipping as soon as there is one."""
    return _worth(order, canceled=False, states=states)


def _worth(order: Order, *, canceled: bool, states: Collection[str]) -> Decimal:
    counted: dict[int, int] = dict(
        order.allocations.filter(state__in=states)
        .order_by()
        .values_list("line_id")
        .annotate(units=Sum("quantity"))
    )
    total, units = NOTHING, 0
    for line in order.lines.all():
        count = counted.get(line.pk, 0)
        count = line.quantity - count if canceled else count
        units += count
        total += of_units(
            line.total, quantity=line.quantity, first=0, count=count, currency=order.currency
        )
    return total + (shipping(order) if units else NOTHING)


def shipping(order: Order) -> Decimal:
    """What the customer pays for shipping, tax included."""
    return order.shipping_total + (NOTHING if order.tax_included else order.shipping_tax)


def gross_captured(order: Order) -> Decimal:
    """All that was captured, given back or not."""
    return order.payments.aggregate(c=Sum("captured"))["c"] or NOTHING


def settled(order: Order) -> Decimal:
    """What was given back because less is owed; gestures and returns are not."""
    given = Refund.objects.filter(payment__order=order, key__startswith=SETTLE)
    return given.exclude(state=Refund.State.ERRORED).aggregate(s=Sum("amount"))["s"] or NOTHING


def kept(order: Order) -> Decimal:
    """Captured for what is owed: without what was settled, or taken back by a customer's bank."""
    sums = order.payments.aggregate(captured=Sum("captured"), back=Sum("charged_back"))
    return (sums["captured"] or NOTHING) - (sums["back"] or NOTHING) - settled(order)


def open_amount(payment: Payment) -> Decimal:
    """What may still come from a payment: asked for, authorized, or to be paid at the door."""
    if payment.state in {P.AUTHORIZED, P.PENDING}:
        return payment.amount - payment.captured
    return payment.capturing


def balance(order: Order) -> Decimal:
    """What the customer still owes: due, minus what is captured or can be. Below zero: too much."""
    coming = sum((open_amount(payment) for payment in order.payments.all()), NOTHING)
    return amount_due(order) - kept(order) - coming
