"""Reads of orders: statuses computed from slices and ledgers, never stored."""

from collections.abc import Collection

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, QuerySet, Sum

from orders.models import NUMBER_BASE, Allocation, Order, Payment

S = Allocation.State
LEFT = {S.SHIPPED, S.DELIVERED, S.COLLECTED}
AT_WORK = {S.ACCEPTED, S.PICKED, S.PACKED, S.READY}


def with_states(orders: QuerySet[Order]) -> QuerySet[Order]:
    """Adds `slice_states`: the distinct states of the order's slices, in the same statement."""
    states = Allocation.objects.filter(order=OuterRef("pk")).values("state").distinct()
    return orders.annotate(slice_states=ArraySubquery(states))


def fulfillment_status(states: Collection[str]) -> str:
    """One word for where the units of an order are (cases 105 and 107)."""
    live = set(states) - {S.CANCELED}
    if not live:
        return "canceled" if states else "unrouted"
    if live <= {S.DELIVERED, S.COLLECTED}:
        return "delivered"
    if live <= LEFT:
        return "partially_delivered" if S.DELIVERED in live else "shipped"
    if live & LEFT:
        return "partially_shipped"
    if live & AT_WORK:
        return "in_progress"
    return "unrouted" if S.QUEUED in live else "routed"


def payment_status(order: Order) -> str:
    """One word for the money of an order, from its payments."""
    sums = order.payments.exclude(state=Payment.State.VOIDED).aggregate(
        amount=Sum("amount"), captured=Sum("captured"), refunded=Sum("refunded")
    )
    if sums["amount"] is None:
        return "voided" if order.payments.exists() else "none"
    if sums["refunded"]:
        return "refunded" if sums["refunded"] == sums["captured"] else "partially_refunded"
    if not sums["captured"]:
        return "authorized"
    return "paid" if sums["captured"] >= order.total else "partially_paid"


def by_reference(orders: QuerySet[Order], reference: str) -> Order:
    """The order with this external id, else with this number. Raises Order.DoesNotExist.

    The channel's own id comes first: a shop that counts 100001, 100002 means its own orders.
    """
    found = orders.filter(external_id=reference).first()
    return found or orders.get(pk=parse_number(reference) or 0)


def parse_number(text: str) -> int | None:
    """The id behind an order number such as M100001; None when it is not one."""
    digits = text.strip().upper().removeprefix("M")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        return None
    return int(digits) - NUMBER_BASE
