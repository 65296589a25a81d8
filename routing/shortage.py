"""Claims exceed what is there (a count, a feed, a refusal): the newest orders give way."""

from collections import defaultdict
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from config import outbox
from inventory import transfers
from inventory.ledger import hot
from inventory.models import Location, Stock
from orders import baskets, events, lifecycle
from orders.models import Allocation, Order
from routing import queues
from routing.queues import Wait

S = Allocation.State

# Units that somebody holds in his hands already (picked and later) are not taken from him.
_CLAIMED = """
SELECT id, order_id, short FROM (
    SELECT a.id, a.order_id, s.reserved - (s.on_hand - s.unavailable) AS short,
           sum(a.quantity) OVER (ORDER BY a.order_id DESC, a.id DESC) - a.quantity AS newer
      FROM inventory_stock s
      JOIN inventory_reservation r USING (product_id, location_id)
      JOIN orders_allocation a ON a.reservation_id = r.id
     WHERE s.product_id = %(product)s AND s.location_id = %(location)s
       AND s.reserved > s.on_hand - s.unavailable
       AND a.state IN ('queued', 'allocated', 'accepted')) AS claim
 WHERE newer < short ORDER BY order_id DESC, id DESC
"""


def requeue(*, stock: int, product: int, location: int, work: int, actor: str) -> list[int]:
    """Take claims from the newest slices until the rest is covered; their orders are routed anew.

    Who has not bought gives way before any order does: a hot sale, baskets, transfers to be sent.
    Orders are locked in id order before any stock, and routed by rows of work of their own: one
    transaction that routed several would take stock rows out of order. `stock` is the id of the
    row of product and location, `work` the one of the work that asks.
    Returns the ids of the orders that lost a claim.
    """
    with transaction.atomic(savepoint=False):
        orders = {order for _, order, _ in _newest(product, location)}
        lock(orders)
        _spare_orders(product, location, actor=actor)
        giving, short = _giving_way(product, location, orders)
        if short > 0 and _newest(product, location):  # others stand in for who got away meanwhile
            row = {"product": product, "location": location}
            outbox.put(topic="shortage", subject=stock, cause=f"again:{work}", payload=row)
        if not giving:
            return []
        place = Location.objects.get(pk=location)
        _take_claims(giving, reason=f"the stock at {place.name} fell short", actor=actor)
        losers = tell(giving, place, reason="shortage", actor=actor)
        outbox.put_many(
            ("route", order, f"shortage:{work}", {"event": "shortage"}) for order in losers
        )
    return losers


def _spare_orders(product: int, location: int, *, actor: str) -> None:
    for give_way in (hot.give_way, baskets.give_way, transfers.give_way):
        units = _short(product, location)
        if units <= 0:
            return
        give_way(product=product, location=location, units=units, actor=actor)


def _short(product: int, location: int) -> int:
    """Units claimed beyond what is there."""
    row = Stock.objects.filter(product=product, location=location).first()
    return 0 if row is None else row.reserved - (row.on_hand - row.unavailable)


def _newest(product: int, location: int) -> list[tuple[int, int, int]]:
    """(slice, order, units short) of the newest claims that cover what is short."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIMED, {"product": product, "location": location})
        return cursor.fetchall()


def lock(orders: set[int]) -> None:
    """Lock orders in id order."""
    list(
        Order.objects.select_for_update(of=("self",), no_key=True)
        .filter(pk__in=orders)
        .order_by("pk")
        .values_list("pk")
    )


def _giving_way(product: int, location: int, locked: set[int]) -> tuple[list[Allocation], int]:
    """Slices of locked orders that give way, cut to what is short; and what is short still."""
    rows = _newest(product, location)  # again: much may have happened before the locks
    pieces = Allocation.objects.in_bulk([pk for pk, order, _ in rows if order in locked])
    short = rows[0][2] if rows else 0
    giving = []
    for piece in sorted(pieces.values(), key=lambda one: (-one.order_id, -one.pk)):
        too_big = piece.quantity > short
        giving.append(lifecycle.split_slice(piece, quantity=short) if too_big else piece)
        short -= giving[-1].quantity
        if short <= 0:
            break
    return giving, short


def _take_claims(giving: list[Allocation], *, reason: str, actor: str) -> None:
    waits = [Wait(piece, Allocation.Queue.ROUTING, reason, keeps=False) for piece in giving]
    queues.end_claims(waits, actor=actor, reason="shortage")
    queues.put(waits, now=timezone.now())


def tell(giving: list[Allocation], place: Location, *, reason: str, actor: str) -> list[int]:
    """Record per order what a place gives up; returns the orders' ids."""
    by_order: dict[int, list[Allocation]] = defaultdict(list)
    for piece in giving:
        by_order[piece.order_id].append(piece)
    told: list[tuple[int, str, dict[str, Any]]] = [
        (order, "allocation.requeued", {
            "location": place.code, "reason": reason,
            "slices": [piece.pk for piece in pieces],
            "units": sum(piece.quantity for piece in pieces),
        })
        for order, pieces in sorted(by_order.items())
    ]  # fmt: skip
    events.record_many(told, actor=actor)
    return sorted(by_order)
