"""Reads of orders: statuses computed from slices and ledgers, never stored."""

from collections.abc import Collection
from decimal import Decimal
from functools import cache
from typing import NamedTuple

import pycountry
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db.models import DecimalField, OuterRef, QuerySet
from django.db.models.expressions import RawSQL

from orders.models import NUMBER_BASE, Allocation, Order
from orders.money import minor_unit

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


class PaymentSums(NamedTuple):
    """The money of an order, in its currency: sums over its payments.

    troubled: payments that failed or expired. coming: authorized or asked for, not captured.
    at_the_door: to be paid on delivery. settled: given back because less is owed. off: what the
    canceled units cost, without shipping.
    """

    payments: Decimal
    troubled: Decimal
    captured: Decimal
    refunded: Decimal
    charged_back: Decimal
    coming: Decimal
    at_the_door: Decimal
    settled: Decimal
    off: Decimal


# In one expression, so that a page of orders is one statement; `off` counts the units that are
# kept from the first, as orders.money.of_units does.
_SUMS = """(
SELECT ARRAY[paid.payments, paid.troubled, paid.captured, paid.refunded, paid.charged_back,
             paid.coming, paid.at_the_door, settled.amount, canceled.amount]
  FROM (SELECT count(*)::numeric AS payments,
               (count(*) FILTER (WHERE p.state IN ('failed', 'expired')))::numeric AS troubled,
               coalesce(sum(p.captured), 0) AS captured, coalesce(sum(p.refunded), 0) AS refunded,
               coalesce(sum(p.charged_back), 0) AS charged_back,
               coalesce(sum(CASE p.state WHEN 'authorized' THEN p.amount - p.captured
                                         WHEN 'pending' THEN 0 ELSE p.capturing END), 0) AS coming,
               coalesce(sum(p.amount - p.captured) FILTER (WHERE p.state = 'pending'), 0)
                   AS at_the_door
          FROM orders_payment p WHERE p.order_id = orders_order.id) paid,
       (SELECT coalesce(sum(f.amount), 0) AS amount
          FROM orders_refund f JOIN orders_payment p ON p.id = f.payment_id
         WHERE p.order_id = orders_order.id AND f.key LIKE 'settle:%%' AND f.state <> 'errored'
       ) settled,
       (SELECT coalesce(sum(c.total - (c.kept * div(c.units, c.quantity)
                            + least(c.kept, mod(c.units, c.quantity))) * c.unit), 0) AS amount
          FROM (SELECT l.total, l.quantity, m.unit, round(l.total / m.unit) AS units,
                       l.quantity - sum(a.quantity) AS kept
                  FROM orders_allocation a JOIN orders_orderline l ON l.id = a.line_id,
                       (SELECT CASE WHEN orders_order.currency = ANY(%s) THEN 1
                                    WHEN orders_order.currency = ANY(%s) THEN 0.001
                                    WHEN orders_order.currency = ANY(%s) THEN 0.0001
                                    ELSE 0.01 END AS unit) m
                 WHERE a.order_id = orders_order.id AND a.state = 'canceled'
                 GROUP BY l.id, m.unit) c) canceled
)"""


@cache
def _currencies() -> tuple[list[str], list[str], list[str]]:
    """Currencies with no, three and four decimals."""
    codes = [currency.alpha_3 for currency in pycountry.currencies]
    units = {code: minor_unit(code) for code in sorted(codes)}
    none, three, four = (
        [code for code, unit in units.items() if unit == Decimal(1).scaleb(-places)]
        for places in (0, 3, 4)
    )
    return none, three, four


def with_payment_sums(orders: QuerySet[Order]) -> QuerySet[Order]:
    """Adds `payment_sums`, which payment_status() reads, in the same statement."""
    field = ArrayField(DecimalField(max_digits=18, decimal_places=4))
    return orders.annotate(payment_sums=RawSQL(_SUMS, list(_currencies()), output_field=field))


def payment_status(order: Order) -> str:
    """One word for the money of an order, from its payments and what it costs now."""
    given = getattr(order, "payment_sums", None)
    if given is None:
        mine = with_payment_sums(Order.objects.filter(pk=order.pk))
        given = mine.get().payment_sums  # type: ignore[attr-defined]
    sums = PaymentSums(*given)
    if not sums.payments:
        return "none"
    due = Decimal(0) if order.state == Order.State.CANCELED else order.total - sums.off
    kept = sums.captured - sums.charged_back - sums.settled
    if (sums.troubled or sums.charged_back) and kept + sums.coming + sums.at_the_door < due:
        return "payment_problem"
    if sums.captured - sums.charged_back - sums.refunded > due:
        return "overcharged"
    if sums.refunded:
        return "refunded" if sums.refunded == sums.captured else "partially_refunded"
    if sums.captured:
        return "paid" if kept >= due else "partially_paid"
    return _uncaptured(sums)


def _uncaptured(sums: PaymentSums) -> str:
    if sums.coming:
        return "authorized"
    return "pending" if sums.at_the_door else "voided"


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
