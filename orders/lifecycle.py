"""Where a unit may go next; holds, cancellation and closing of orders."""

from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.db.models.expressions import RawSQL
from django.utils import timezone

from config.status import IllegalMove, MovedMeanwhile, sources
from inventory import ledger
from orders import events, payments
from orders.models import Allocation, Hold, Order

S = Allocation.State
MOVES: dict[str, frozenset[str]] = {
    S.QUEUED: frozenset({S.QUEUED, S.ALLOCATED, S.CANCELED}),
    S.ALLOCATED: frozenset({S.ACCEPTED, S.QUEUED, S.CANCELED}),
    S.ACCEPTED: frozenset({S.PICKED, S.QUEUED, S.CANCELED}),
    S.PICKED: frozenset({S.PACKED, S.ACCEPTED, S.QUEUED, S.CANCELED}),
    S.PACKED: frozenset({S.SHIPPED, S.READY, S.PICKED, S.CANCELED}),
    S.READY: frozenset({S.COLLECTED, S.CANCELED}),
    S.SHIPPED: frozenset({S.DELIVERED}),
    S.DELIVERED: frozenset(),
    S.COLLECTED: frozenset(),
    S.CANCELED: frozenset(),
}
ENDED = (S.DELIVERED, S.COLLECTED, S.CANCELED)
LEFT = (S.SHIPPED, S.DELIVERED, S.COLLECTED)
CANCELABLE = tuple(sources(S.CANCELED, allowed=MOVES))
HOLD_MOVES = {Hold.State.OPEN: frozenset({Hold.State.RESOLVED, Hold.State.CANCELED})}


class NothingToCancel(Exception):
    """No unit of the order can be canceled any more; `states` says where its units are."""

    def __init__(self, order: Order, states: Sequence[str]) -> None:
        self.order, self.states = order, sorted(set(states))
        super().__init__(f"no unit of {order} can be canceled: they are {', '.join(self.states)}")


_LOCK = "SELECT * FROM orders_order WHERE id = %s FOR NO KEY UPDATE"


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


def move_slices(slices: Sequence[Allocation], to: str, **changes: Any) -> None:
    """Move slices of one locked order together, by one conditional update.

    Raises IllegalMove for a slice whose state does not allow it, MovedMeanwhile when the database
    disagrees with what was read.
    """
    for piece in slices:
        legal = MOVES[piece.state]
        if to not in legal:
            raise IllegalMove(f"slice {piece.pk}", piece.state, to, legal)
    values = {"state": to, "since": timezone.now(), **changes}
    ids = [piece.pk for piece in slices]
    updated = Allocation.objects.filter(pk__in=ids, state__in=sources(to, allowed=MOVES)).update(
        **values
    )
    if updated != len(ids):
        raise MovedMeanwhile(f"slices {ids} moved meanwhile")
    for piece in slices:
        for name, value in values.items():
            setattr(piece, name, value)


def per_slice(pieces: Sequence[Allocation], values: Sequence[int | None]) -> RawSQL:
    """A value of its own for each slice, for move_slices: one UPDATE whatever their number."""
    return RawSQL(
        "(%s::bigint[])[array_position(%s::bigint[], orders_allocation.id)]",
        [list(values), [piece.pk for piece in pieces]],
    )


def split_slice(piece: Allocation, *, quantity: int) -> Allocation:
    """Cut `quantity` units off a slice into a slice of their own, claim included."""
    claim = None
    if piece.reservation_id is not None:
        claim = ledger.split(piece.reservation_id, quantity=quantity)
    cut = Allocation.objects.filter(pk=piece.pk, quantity__gt=quantity).update(
        quantity=F("quantity") - quantity
    )
    if cut != 1:
        raise MovedMeanwhile(f"slice {piece.pk} does not hold more than {quantity} units")
    piece.quantity -= quantity
    fields = {
        f.attname: getattr(piece, f.attname)
        for f in Allocation._meta.concrete_fields
        if f.attname not in {"id", "quantity", "reservation_id"}
    }
    return Allocation.objects.create(**fields, quantity=quantity, reservation_id=claim)


def hold(
    *, order_id: int, type: str, handle: str, reason: str, blocks: Sequence[str], actor: str
) -> Hold:
    """Place a hold; a handle is placed once per order, and does not reopen what was resolved."""
    with transaction.atomic():
        order = lock(order_id)
        placed, created = Hold.objects.get_or_create(
            order=order,
            handle=handle,
            defaults={
                "type": type,
                "reason": reason,
                "blocks": list(blocks),
                "placed_by": actor,
            },
        )
        if created:
            events.record(order.pk, "hold.opened", actor=actor, hold=placed.pk, type=type)
    return placed


def resolve_hold(*, hold_id: int, actor: str) -> None:
    """Resolve one hold; others of the order go on blocking it."""
    with transaction.atomic():
        order_id = Hold.objects.values_list("order_id", flat=True).get(pk=hold_id)
        lock(order_id)
        updated = Hold.objects.filter(pk=hold_id, state=Hold.State.OPEN).update(
            state=Hold.State.RESOLVED, resolved_by=actor, resolved_at=timezone.now()
        )
        if updated != 1:
            state = Hold.objects.values_list("state", flat=True).get(pk=hold_id)
            raise IllegalMove(f"hold {hold_id}", state, Hold.State.RESOLVED, ())
        events.record(order_id, "hold.resolved", actor=actor, hold=hold_id)


def is_blocked(order_id: int, what: str) -> bool:
    """Whether an open hold of the order blocks `what` (route or ship)."""
    return Hold.objects.filter(
        order_id=order_id, state=Hold.State.OPEN, blocks__contains=[what]
    ).exists()


def cancel(*, order_id: int, reason: str, actor: str) -> int:
    """Cancel every unit that has not left: claims are released, captured money goes back.

    What was only authorized is captured for the units that had left, and voided beyond that.

    Returns the units canceled. Raises NothingToCancel when all units have left or ended.
    """
    with transaction.atomic():
        order = lock(order_id)
        slices = list(order.allocations.select_related("line").order_by("id"))
        ending = [piece for piece in slices if piece.state in CANCELABLE]
        if not ending:
            raise NothingToCancel(order, [piece.state for piece in slices])
        claims = [piece.reservation_id for piece in ending if piece.reservation_id]
        move_slices(ending, S.CANCELED, queue="", reservation_id=None)
        ledger.release(claims, actor=actor, reason="order canceled")
        units = sum(piece.quantity for piece in ending)
        events.record(
            order.pk, "order.canceled", actor=actor, reason=reason, units=units,
            slices=[piece.pk for piece in ending],
        )  # fmt: skip
        close_if_ended(order, actor=actor)
        payments.capture_when_left(order, actor=actor)
        payments.settle(order, actor=actor)
    return units


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
