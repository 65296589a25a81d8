"""When the money of an order is no longer sure: what has not left is held until it is."""

from decimal import Decimal

from django.db.models import Q

from orders import events, holds
from orders.models import Hold, Order
from orders.payments.due import GONE, balance

BALANCE = "balance"  # handle of the hold for what an edit made dearer


def handle_of(payment_id: int) -> str:
    """The handle of the hold that a payment's trouble opens."""
    return f"payment:{payment_id}"


def review(order: Order, *, actor: str, handle: str = "", reason: str = "") -> Decimal:
    """Look at a locked order's money again; returns the balance.

    As long as something is owed and units have not left, a reason opens the hold of its handle
    (anew, when it was resolved). As soon as nothing is owed, every such hold is resolved.
    """
    owed = balance(order)
    if owed <= 0:
        ours = Q(handle=BALANCE) | Q(handle__startswith="payment:")
        for hold in order.holds.filter(ours, state=Hold.State.OPEN, type=Hold.Type.PAYMENT):
            holds.resolve(hold_id=hold.pk, actor=actor)
    elif reason and _may_ship(order):
        holds.place(
            order_id=order.pk, type=Hold.Type.PAYMENT, handle=handle, reason=reason, actor=actor,
            data={"owed": str(owed)}, again=True,
        )  # fmt: skip
    return owed


def _may_ship(order: Order) -> bool:
    is_open = order.state == Order.State.OPEN
    return is_open and order.allocations.exclude(state__in=GONE).exists()


def ask_for(order: Order, owed: Decimal, *, actor: str) -> None:
    """The customer is to pay what a change of the order made it dearer."""
    events.record(order.pk, "payment.due", actor=actor, amount=str(owed))
