"""Work for a stock point that a person named, instead of the engine: kept as any decision is.

Who names it may be somebody of the house, or the stock point itself that takes an open offer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone
from psycopg.types.json import Jsonb

from inventory import ledger
from orders import events, holds, lifecycle
from orders.destinations import Destination
from orders.models import Allocation, Order, OrderLine
from routing import capacity, claims, engine
from routing.models import Decision
from routing.models.rules import MOST_ATTEMPTS

S, Queue = Allocation.State, Allocation.Queue


class CannotGive(Exception):
    """The stock point cannot have this work; the words say why."""


@dataclass(frozen=True)
class Place:
    """A stock point of the order's channel, and what keeps it from these slices ("": nothing)."""

    id: int
    code: str
    name: str
    why_not: str


# What the stock point has free counts together with what the slices hold there already.
_PLACES = """
WITH slice AS (
    SELECT a.line_id, a.quantity, a.location_id, a.reservation_id, n.product_id
      FROM orders_allocation a JOIN orders_orderline n ON n.id = a.line_id
     WHERE a.id = ANY(%(slices)s)
), wanted AS (
    SELECT product_id, sum(quantity) AS units FROM slice GROUP BY 1
), own AS (
    SELECT product_id, location_id, sum(quantity) AS units FROM slice
     WHERE reservation_id IS NOT NULL GROUP BY 1, 2
)
SELECT l.id, l.code, l.name,
       CASE WHEN NOT l.active THEN 'is closed'
            WHEN NOT l.online THEN 'does not sell online now'
            WHEN NOT CASE WHEN l.id = %(store)s THEN l.can_pickup
                          ELSE %(delivery)s <> 'pickup' AND l.can_ship END THEN 'may not send it'
            WHEN EXISTS (SELECT 1 FROM routing_refusal f JOIN slice s USING (line_id)
                          WHERE f.location_id = l.id
                            AND (f.excluded_until IS NULL OR f.excluded_until > %(now)s))
            THEN 'has refused it'
            WHEN NOT (SELECT bool_and(coalesce(s.on_hand - s.unavailable - s.safety - s.reserved
                                               - m.buffer, 0) + coalesce(o.units, 0) >= w.units)
                        FROM wanted w
                        LEFT JOIN inventory_stock s
                               ON s.product_id = w.product_id AND s.location_id = l.id
                        LEFT JOIN own o
                               ON o.product_id = w.product_id AND o.location_id = l.id)
            THEN 'has not all of it free' ELSE '' END AS why_not
  FROM inventory_poollocation m JOIN inventory_location l ON l.id = m.location_id
 WHERE m.pool_id = %(pool)s AND (%(only)s::bigint IS NULL OR l.id = %(only)s)
 ORDER BY l.name, l.id
"""

# The day's load is read after the stock point was locked, so nobody gives out the same place.
_KEEP = f"""
WITH c AS (
    SELECT l.id AS location_id, d.day, %(delivery)s::text AS delivery, k.orders, k.units, k.shared,
           1 AS more_orders, %(units)s::int AS more
      FROM inventory_location l
     CROSS JOIN LATERAL (SELECT (%(at)s::timestamptz AT TIME ZONE l.timezone)::date AS day) AS d
     CROSS JOIN LATERAL inventory_capacity_of(l.id, d.day, %(delivery)s) AS k
     WHERE l.id = %(location)s
), free AS (
    SELECT c.* FROM c CROSS JOIN {capacity.LOAD} AS load
     WHERE (c.orders IS NULL OR load.orders < c.orders)
       AND (c.units IS NULL OR load.units + c.more <= c.units)
), decision AS (
    INSERT INTO routing_decision (order_id, at, cause, rule_set_id, rule_id, engine_version,
        outcome, sentence, inputs, result, probability)
    SELECT %(order)s, %(at)s, %(cause)s, %(rule_set)s, %(rule)s, %(version)s, 'routed',
           %(sentence)s, %(inputs)s, %(result)s, 1
      FROM free
    RETURNING id
), offer AS (
    INSERT INTO routing_offer (order_id, decision_id, location_id, day, slices, lines, units,
                               delivery, capacity, capacity_units)
    SELECT %(order)s, d.id, f.location_id, f.day, %(slices)s, %(lines)s, %(units)s, %(delivery)s,
           f.orders, f.units
      FROM decision d, free f
)
SELECT id FROM decision
"""


def places(
    order: Order, pieces: Sequence[Allocation], *, now: datetime, only: int | None = None
) -> list[Place]:
    """The stock points of the order's channel by name, and which may be given these slices."""
    to = _destination(order, pieces)
    with connection.cursor() as cursor:
        cursor.execute(
            _PLACES,
            {
                "slices": [piece.pk for piece in pieces], "pool": order.channel.pool_id,
                "store": to.place_id, "delivery": to.delivery, "now": now, "only": only,
            },
        )  # fmt: skip
        return [Place(*row) for row in cursor.fetchall()]


def give(
    order: Order, pieces: Sequence[Allocation], location: int, *,
    cause: str, sentence: str, actor: str, instead_of: Decision | None = None,
) -> Decision:  # fmt: skip
    """Give slices of one destination of a locked order to a stock point, in one parcel.

    They wait, or another stock point has them and did not take them on yet: `instead_of` is the
    decision that gave them to it, and to this one beside it. Raises CannotGive when the stock
    point may not have them, has not all of them free or no capacity left today; who calls undoes
    the transaction then.
    """
    now = timezone.now()
    place = _check(order, pieces, location, now=now)
    claims.lock_capacity([location])
    got = _claim(order, pieces, place, actor=actor)
    delivery = "pickup" if _destination(order, pieces).is_over_counter(location) else "ship"
    decision = Decision(order=order, at=now, cause=cause, sentence=sentence)
    if instead_of is not None:
        decision.rule_set_id, decision.rule_id = instead_of.rule_set_id, instead_of.rule_id
    _keep(decision, pieces, place, delivery=delivery)
    waiting = [piece for piece in pieces if piece.state != S.QUEUED]
    lifecycle.move_slices(waiting, S.QUEUED, queue=Queue.ROUTING, queue_reason="")
    lifecycle.move_slices(
        pieces, S.ALLOCATED, queue="", queue_reason="", next_action_at=None, location_id=location,
        reservation_id=lifecycle.per_slice(pieces, [got[piece.pk] for piece in pieces]),
    )  # fmt: skip
    events.record(
        order.pk, "order.routed", actor=actor, decision=decision.pk, locations=[place.code],
        slices=sorted(piece.pk for piece in pieces), units=_units(pieces),
    )  # fmt: skip
    return decision


def _check(order: Order, pieces: Sequence[Allocation], location: int, *, now: datetime) -> Place:
    if held := holds.blocking(order.pk, holds.ROUTE, slices=[piece.pk for piece in pieces]):
        raise CannotGive(f"{order} is on hold: {held[0].reason}")
    if any(piece.attempt >= MOST_ATTEMPTS for piece in pieces):
        raise CannotGive(f"{order} was refused {MOST_ATTEMPTS} times: cancel it, or change it")
    for place in places(order, pieces, now=now, only=location):
        if place.why_not:
            raise CannotGive(f"{place.name} {place.why_not}")
        return place
    raise CannotGive(f"The channel of {order} does not sell from there")


def _claim(
    order: Order, pieces: Sequence[Allocation], place: Place, *, actor: str
) -> dict[int, int]:
    """Slice id -> its claim at the place; the claims of before are ended."""
    products = dict(
        OrderLine.objects.filter(pk__in=[piece.line_id for piece in pieces]).values_list(
            "pk", "product_id"
        )
    )
    wanted = [
        ledger.Claim(piece.pk, products[piece.line_id], place.id, piece.quantity, order.pk)
        for piece in pieces
    ]
    ending = [piece.reservation_id for piece in pieces if piece.reservation_id is not None]
    try:
        made = ledger.move(wanted, ending, owner_type="order", actor=actor, reason="routed")
    except ledger.NotEnough as short:
        raise CannotGive(f"{place.name} has not all of it free any more") from short
    return {ref: claim.reservation for ref, claim in made.items()}


def _keep(decision: Decision, pieces: Sequence[Allocation], place: Place, *, delivery: str) -> None:
    lines: dict[int, int] = {}
    for piece in pieces:
        lines[piece.line_id] = lines.get(piece.line_id, 0) + piece.quantity
    inputs: dict[str, Any] = {
        "lines": {"columns": ["key", "quantity"], "rows": sorted(lines.items())}
    }
    result = {"sentence": decision.sentence, "considered": [],
              "plan": {"parcels": [], "unfilled": []}}  # fmt: skip
    params: dict[str, Any] = {
        "order": decision.order_id, "at": decision.at, "cause": decision.cause,
        "rule_set": decision.rule_set_id, "rule": decision.rule_id,
        "version": engine.ENGINE_VERSION, "sentence": decision.sentence,
        "inputs": Jsonb(inputs), "result": Jsonb(result), "location": place.id,
        "slices": [piece.pk for piece in pieces], "lines": len(lines), "units": _units(pieces),
        "delivery": delivery,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, params)
        row = cursor.fetchone()
    if row is None:
        raise CannotGive(f"{place.name} has no capacity left today")
    decision.pk = row[0]


def _destination(order: Order, pieces: Sequence[Allocation]) -> Destination:
    line = OrderLine.objects.select_related("group").get(pk=pieces[0].line_id)
    return Destination(order, line.group)


def _units(pieces: Sequence[Allocation]) -> int:
    return sum(piece.quantity for piece in pieces)
