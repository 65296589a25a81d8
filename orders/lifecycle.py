"""Where a unit may go next: the lock of an order, moves and cuts of its slices, its end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models.expressions import RawSQL
from django.utils import timezone

from config.status import IllegalMove, MovedMeanwhile, sources
from inventory import ledger
from orders import events
from orders.models import Allocation, Hold, Order

S = Allocation.State
MOVES: dict[str, frozenset[str]] = {
    S.QUEUED: frozenset({S.QUEUED, S.ALLOCATED, S.CANCELED}),
    S.ALLOCATED: frozenset({S.ACCEPTED, S.QUEUED, S.CANCELED}),
    S.ACCEPTED: frozenset({S.PICKED, S.QUEUED, S.CANCELED}),
    S.PICKED: frozenset({S.PACKED, S.ACCEPTED, S.QUEUED, S.CANCELED}),
    S.PACKED: frozenset({S.SHIPPED, S.READY, S.PICKED, S.CANCELED}),
    S.READY: frozenset({S.COLLECTED, S.CANCELED}),
    S.SHIPPED: frozenset({S.DELIVERED, S.COLLECTED}),
    S.DELIVERED: frozenset(),
    S.COLLECTED: frozenset(),
    S.CANCELED: frozenset(),
}
ENDED = (S.DELIVERED, S.COLLECTED, S.CANCELED)
LEFT = (S.SHIPPED, S.DELIVERED, S.COLLECTED)
GONE = (*LEFT, S.CANCELED)
AT_WORK = (S.ALLOCATED, S.ACCEPTED, S.PICKED, S.PACKED, S.READY)
CANCELABLE = tuple(sources(S.CANCELED, allowed=MOVES))

_LOCK = "SELECT * FROM orders_order WHERE id = %s FOR NO KEY UPDATE"
_LOCK_MANY = "SELECT * FROM orders_order WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"


def lock(order_id: int) -> Order:
    """The order's row, locked until the transaction ends: the first lock of every change.

    Written out in SQL, because every change pays for it. Raises Order.DoesNotExist, and
    TransactionManagementError outside a transaction, where a lock would hold nothing.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("lock() needs a transaction around it")
    for order in Order.objects.raw(_LOCK, [order_id]):
        return order
    raise Order.DoesNotExist(f"no order {order_id}")


def lock_many(orders: Sequence[int], *, skip_locked: bool = False) -> list[Order]:
    """The rows of orders, locked in id order as `lock` does; `skip_locked`: but for those that
    somebody works on."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("lock_many() needs a transaction around it")
    sql = f"{_LOCK_MANY} SKIP LOCKED" if skip_locked else _LOCK_MANY
    return list(Order.objects.raw(sql, [list(orders)]))


def move_slices(slices: Sequence[Allocation], to: str, **changes: Any) -> None:
    """Move slices of one locked order together, by one conditional update.

    What goes back to a queue is in no warehouse's hands any more. Raises IllegalMove for a slice
    whose state does not allow it, MovedMeanwhile when the database disagrees with what was read.
    """
    for piece in slices:
        legal = MOVES[piece.state]
        if to not in legal:
            raise IllegalMove(f"slice {piece.pk}", piece.state, to, legal)
    values = {"state": to, "since": timezone.now(), "cancel_at": None, **changes}
    if to == S.QUEUED:
        values.setdefault("handed_over", False)
    ids = [piece.pk for piece in slices]
    updated = Allocation.objects.filter(pk__in=ids, state__in=sources(to, allowed=MOVES)).update(
        **values
    )
    if updated != len(ids):
        raise MovedMeanwhile(f"slices {ids} moved meanwhile")
    for piece in slices:
        for name, value in values.items():
            setattr(piece, name, value)


_ALLOCATE = """
UPDATE orders_allocation a
   SET state = 'allocated', queue = '', queue_reason = '', next_action_at = NULL, cancel_at = NULL,
       since = %(now)s, location_id = w.location_id,
       reservation_id = coalesce(w.reservation_id, a.reservation_id)
  FROM unnest((SELECT %(id)s::bigint[]), (SELECT %(location)s::bigint[]),
              (SELECT %(reservation)s::bigint[])) AS w(id, location_id, reservation_id)
 WHERE a.id = w.id AND a.state = 'queued'
"""


def allocate(given: Sequence[tuple[Allocation, int, int | None]]) -> None:
    """Give queued slices of locked orders their stock points: (slice, location, its new claim).

    Claim None: the slice holds its units there already. One statement. Raises MovedMeanwhile.
    """
    if not given:
        return
    ids = [piece.pk for piece, _, _ in given]
    params: dict[str, Any] = {
        "id": ids, "location": [location for _, location, _ in given],
        "reservation": [claim for _, _, claim in given], "now": timezone.now(),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_ALLOCATE, params)
        if cursor.rowcount != len(ids):
            raise MovedMeanwhile(f"slices {ids} moved meanwhile")


@dataclass(frozen=True)
class Queued:
    """A slice that goes to a queue: why, since when, when it is looked at again or canceled."""

    piece: Allocation
    queue: str
    reason: str
    since: datetime
    next_action_at: datetime | None = None
    cancel_at: datetime | None = None
    keeps: bool = True  # its claim


_ENQUEUE = """
UPDATE orders_allocation a
   SET state = 'queued', queue = w.queue, queue_reason = w.reason, since = w.since,
       next_action_at = w.next_action_at, cancel_at = w.cancel_at, handed_over = false,
       reservation_id = CASE WHEN w.keeps THEN a.reservation_id END,
       location_id = CASE WHEN w.keeps THEN a.location_id END
  FROM unnest((SELECT %(id)s::bigint[]), (SELECT %(queue)s::text[]), (SELECT %(reason)s::text[]),
              (SELECT %(since)s::timestamptz[]), (SELECT %(next)s::timestamptz[]),
              (SELECT %(cancel)s::timestamptz[]), (SELECT %(keeps)s::bool[]))
    AS w(id, queue, reason, since, next_action_at, cancel_at, keeps)
 WHERE a.id = w.id AND a.state = ANY(%(from)s)
"""


def enqueue(rows: Sequence[Queued]) -> None:
    """Put slices of locked orders into queues, each with words of its own, in one statement.

    Claims that are not kept are only taken off the slices. Raises IllegalMove for a slice whose
    state does not allow it, MovedMeanwhile when the database disagrees with what was read.
    """
    if not rows:
        return
    for row in rows:
        if S.QUEUED not in (legal := MOVES[row.piece.state]):
            raise IllegalMove(f"slice {row.piece.pk}", row.piece.state, S.QUEUED, legal)
    ids = [row.piece.pk for row in rows]
    params: dict[str, Any] = {
        "id": ids, "queue": [row.queue for row in rows], "reason": [row.reason for row in rows],
        "since": [row.since for row in rows], "next": [row.next_action_at for row in rows],
        "cancel": [row.cancel_at for row in rows], "keeps": [row.keeps for row in rows],
        "from": sources(S.QUEUED, allowed=MOVES),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_ENQUEUE, params)
        if cursor.rowcount != len(ids):
            raise MovedMeanwhile(f"slices {ids} moved meanwhile")
    for row in rows:
        _note(row)


def _note(row: Queued) -> None:
    piece = row.piece
    piece.state, piece.queue, piece.queue_reason = S.QUEUED, row.queue, row.reason
    piece.since, piece.next_action_at, piece.cancel_at = (
        row.since,
        row.next_action_at,
        row.cancel_at,
    )
    piece.handed_over = False
    if not row.keeps:
        piece.reservation_id = piece.location_id = None


def per_slice(pieces: Sequence[Allocation], values: Sequence[int | None]) -> RawSQL:
    """A value of its own for each slice, for move_slices: one UPDATE whatever their number."""
    return RawSQL(
        "(%s::bigint[])[array_position(%s::bigint[], orders_allocation.id)]",
        [list(values), [piece.pk for piece in pieces]],
    )


def split_slice(piece: Allocation, *, quantity: int) -> Allocation:
    """Cut `quantity` units off a slice into a slice of their own; see split_slices."""
    return split_slices([(piece, quantity)])[0]


# Units that a warehouse was asked to let go are cut off first.
_CUT = """
UPDATE orders_allocation a
   SET quantity = a.quantity - c.units,
       cancel_quantity = greatest(a.cancel_quantity - c.units, 0),
       cancel_requested_at = CASE WHEN a.cancel_quantity > c.units THEN a.cancel_requested_at END
  FROM unnest(%(ids)s::bigint[], %(units)s::int[]) AS c(id, units)
 WHERE a.id = c.id AND a.quantity > c.units
"""
_HOLD_TOO = """
UPDATE orders_hold h
   SET slices = h.slices || array(
       SELECT c.made FROM unnest(%(ids)s::bigint[], %(made)s::bigint[]) AS c(id, made)
        WHERE c.id = ANY(h.slices))
 WHERE h.order_id = ANY(%(orders)s) AND h.state = 'open' AND h.slices && %(ids)s::bigint[]
"""


def split_slices(cuts: Sequence[tuple[Allocation, int]]) -> list[Allocation]:
    """Cut units off slices of locked orders, each into a slice of its own, claim included.

    Holds of a slice cover both then. The same number of statements however many are cut. Raises
    MovedMeanwhile or ClaimGone when a slice does not hold more than what is cut off.
    """
    if not cuts:
        return []
    claims = ledger.split_many(
        {piece.reservation_id: units for piece, units in cuts if piece.reservation_id is not None}
    )
    ids, units = [piece.pk for piece, _ in cuts], [count for _, count in cuts]
    params: dict[str, Any] = {"ids": ids, "units": units}
    with connection.cursor() as cursor:
        cursor.execute(_CUT, params)
        if cursor.rowcount != len(cuts):
            raise MovedMeanwhile(f"slices {ids} do not hold more than {units}")
        made = Allocation.objects.bulk_create(
            _cut_off(piece, units, claims) for piece, units in cuts
        )
        params |= {"made": [piece.pk for piece in made],
                   "orders": sorted({piece.order_id for piece in made})}  # fmt: skip
        cursor.execute(_HOLD_TOO, params)
    return made


def _cut_off(piece: Allocation, units: int, claims: Mapping[int, int]) -> Allocation:
    """The slice that is cut off, not saved; `piece` is as the database has it now."""
    fields = {f.attname: getattr(piece, f.attname) for f in Allocation._meta.concrete_fields}
    asked = min(piece.cancel_quantity, units)
    at = piece.cancel_requested_at
    piece.quantity -= units
    piece.cancel_quantity -= asked
    piece.cancel_requested_at = at if piece.cancel_quantity else None
    return Allocation(**fields | {
        "id": None, "quantity": units, "cancel_quantity": asked,
        "cancel_requested_at": at if asked else None,
        "reservation_id": claims.get(piece.reservation_id or 0),
    })  # fmt: skip


def close_if_ended(order: Order, *, actor: str) -> None:
    """Close a locked order when every unit has ended; all canceled makes it canceled."""
    states = set(order.allocations.values_list("state", flat=True))
    if order.state != Order.State.OPEN or not states <= set(ENDED):
        return
    state = Order.State.CANCELED if states == {S.CANCELED} else Order.State.CLOSED
    now = timezone.now()
    Order.objects.filter(pk=order.pk, state=Order.State.OPEN).update(state=state, closed_at=now)
    order.state, order.closed_at = state, now
    Hold.objects.filter(order=order, state=Hold.State.OPEN).update(
        state=Hold.State.CANCELED, resolved_at=now, resolved_by=actor
    )
    if state == Order.State.CLOSED:
        events.record(order.pk, "order.closed", actor=actor)
