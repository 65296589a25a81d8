"""Holds: what blocks an order, or some of its units, until each hold by itself is resolved.

A hold is a record, not a status: several may be open at once, and every one blocks what it says.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from config import status
from config.status import IllegalMove
from orders import events, lifecycle
from orders.models import Allocation, Hold, Order

State, Type = Hold.State, Hold.Type
ROUTE, RELEASE, SHIP, REFUND = "route", "release", "ship", "refund"
WORDS = {  # what a hold can block -> as staff say it
    ROUTE: "routing",
    RELEASE: "release",
    SHIP: "shipping",
    REFUND: "refunds",
}
MOVES: status.Moves = {
    State.OPEN: frozenset({State.RESOLVED, State.CANCELED}),
    State.RESOLVED: frozenset({State.OPEN}),  # only when placing says `again`
    State.CANCELED: frozenset(),
}
CLOCK = "clock"
RELEASE_AT_ONCE = 1000
ANYBODY = "orders.change_hold"  # who handles orders at all


@dataclass(frozen=True)
class HoldType:
    """What holds of a type block unless told otherwise, and who may place and resolve them.

    by_hand: staff may place it. permission: who may resolve it; None: nobody, it ends with its
    order.
    """

    label: str
    blocks: tuple[str, ...]
    by_hand: bool = False
    permission: str | None = ANYBODY


_ALL = (ROUTE, RELEASE, SHIP)
TYPES: dict[str, HoldType] = {
    Type.MANUAL: HoldType(Type.MANUAL.label, _ALL, by_hand=True),
    Type.CUSTOMER: HoldType(Type.CUSTOMER.label, _ALL, by_hand=True),
    Type.ADDRESS: HoldType(Type.ADDRESS.label, _ALL, by_hand=True),
    Type.CONTACT: HoldType(Type.CONTACT.label, _ALL),
    Type.FRAUD: HoldType(Type.FRAUD.label, _ALL, by_hand=True, permission="orders.resolve_fraud"),
    Type.PAYMENT: HoldType(
        Type.PAYMENT.label, (RELEASE, SHIP), permission="orders.resolve_payment"
    ),
    Type.RESTRICTED: HoldType(
        Type.RESTRICTED.label, (RELEASE, SHIP), permission="orders.resolve_restricted"
    ),
    Type.DUPLICATE: HoldType(Type.DUPLICATE.label, _ALL),
    Type.PRICE: HoldType(Type.PRICE.label, _ALL),
    Type.SCHEDULED: HoldType(Type.SCHEDULED.label, (ROUTE, RELEASE, SHIP)),
    Type.TEST: HoldType(Type.TEST.label, (*_ALL, REFUND), permission=None),
}


class OrderEnded(Exception):
    """The order is closed or canceled: there is nothing left that a hold could block."""

    def __init__(self, order: Order) -> None:
        self.order = order
        super().__init__(f"{order} is {order.state}: nothing is left to hold")


class MayNotResolve(Exception):
    """This person may not resolve holds of this type."""

    def __init__(self, hold: Hold) -> None:
        self.hold = hold
        kind = TYPES[hold.type]
        who = (
            f"needs the permission {kind.permission}" if kind.permission else "ends with its order"
        )
        super().__init__(f"a hold of the type “{kind.label}” {who}")


def place(
    *,
    order_id: int,
    type: str,
    handle: str,
    reason: str,
    actor: str,
    blocks: Sequence[str] | None = None,
    slices: Sequence[int] = (),
    release_at: datetime | None = None,
    data: Mapping[str, Any] | None = None,
    again: bool = False,
) -> Hold:
    """Place a hold on an order, or on some of its slices; a handle is placed once per order.

    What was placed under the handle before is returned as it is, resolved or not; with `again` it
    is opened anew, and says and blocks what is given now. Raises OrderEnded, and ValueError for a
    type, an action or a slice that is not known.
    """
    values = {
        "type": type, "reason": reason[:300], "blocks": _known(type, blocks),
        "slices": sorted(slices), "release_at": release_at, "data": dict(data or {}),
    }  # fmt: skip
    with transaction.atomic():
        order = lifecycle.lock(order_id)
        if order.state != Order.State.OPEN:
            raise OrderEnded(order)
        _check_slices(order, slices)
        hold, created = Hold.objects.get_or_create(
            order=order, handle=handle, defaults={**values, "placed_by": actor}
        )
        reopened = again and hold.state == State.RESOLVED
        if again and not created:
            _renew(hold, {**values, **(_as_new(actor) if reopened else {})})
        if created or reopened:
            events.record(order.pk, "hold.opened", actor=actor, hold=hold.pk, type=type)
    return hold


def _known(type: str, blocks: Sequence[str] | None) -> list[str]:
    if type not in TYPES:
        raise ValueError(f"{type!r} is no type of hold: {', '.join(TYPES)}")
    wanted = TYPES[type].blocks if blocks is None else blocks
    if not wanted or not set(wanted) <= set(WORDS):
        raise ValueError(f"a hold blocks some of {', '.join(WORDS)}; not {', '.join(wanted)}")
    return [what for what in WORDS if what in wanted]


def _check_slices(order: Order, slices: Sequence[int]) -> None:
    if slices and order.allocations.filter(pk__in=slices).count() != len(set(slices)):
        raise ValueError(f"not all of the slices {sorted(slices)} are of {order}")


def _as_new(actor: str) -> dict[str, Any]:
    return {"state": State.OPEN, "placed_by": actor, "placed_at": timezone.now(),
            "resolved_by": "", "resolved_at": None}  # fmt: skip


def _renew(hold: Hold, values: Mapping[str, Any]) -> None:
    Hold.objects.filter(pk=hold.pk).update(**values)
    for name, value in values.items():
        setattr(hold, name, value)


def resolve(
    *, hold_id: int, actor: str, user: AbstractBaseUser | AnonymousUser | None = None
) -> None:
    """Resolve one hold; others of the order go on blocking it.

    Raises IllegalMove when it is not open any more, MayNotResolve for a type that nobody resolves,
    or that `user` (when a person asks) may not.
    """
    with transaction.atomic():
        order_id = Hold.objects.values_list("order_id", flat=True).get(pk=hold_id)
        lifecycle.lock(order_id)
        hold = Hold.objects.get(pk=hold_id)
        if not may_resolve(hold, user):
            raise MayNotResolve(hold)
        if hold.state != State.OPEN:
            raise IllegalMove(f"hold {hold_id}", hold.state, State.RESOLVED, ())
        status.move(
            hold, State.RESOLVED, allowed=MOVES, resolved_by=actor, resolved_at=timezone.now()
        )
        events.record(order_id, "hold.resolved", actor=actor, hold=hold_id, type=hold.type)


def may_resolve(hold: Hold, user: AbstractBaseUser | AnonymousUser | None) -> bool:
    """Whether this person may resolve the hold; without a person, the house itself asks."""
    permission = TYPES[hold.type].permission
    if permission is None:
        return False
    return user is None or user.has_perm(permission)  # type: ignore[union-attr]


def blocking(order_id: int, what: str, *, slices: Iterable[int] | None = None) -> list[Hold]:
    """Open holds that block `what` of the order, oldest first.

    slices: only holds that cover at least one of these; without it also those of any slice.
    """
    found = Hold.objects.filter(order_id=order_id, state=State.OPEN, blocks__contains=[what])
    if slices is not None:
        found = found.filter(Q(slices__len=0) | Q(slices__overlap=list(slices)))
    return list(found.order_by("id"))


def free(order_id: int, what: str, slices: Sequence[Allocation]) -> list[Allocation]:
    """Those of the slices for which no open hold blocks `what`."""
    open_ = blocking(order_id, what) if slices else []
    if any(not hold.slices for hold in open_):
        return []
    covered = {pk for hold in open_ for pk in hold.slices}
    return [piece for piece in slices if piece.pk not in covered]


# --- by the clock --------------------------------------------------------------------------------

# Orders that somebody works on are left for the next time. Who held the lock may have resolved the
# hold meanwhile: the update looks again at the row as it is then.
_RELEASE = """
WITH due AS (
    SELECT order_id FROM orders_hold
     WHERE state = 'open' AND release_at <= %(now)s
     ORDER BY release_at, id LIMIT %(limit)s
), locked AS (
    SELECT id FROM orders_order WHERE id IN (SELECT order_id FROM due)
     ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE orders_hold h
   SET state = 'resolved', resolved_by = %(actor)s, resolved_at = %(now)s
  FROM locked l
 WHERE h.order_id = l.id AND h.state = 'open' AND h.release_at <= %(now)s
RETURNING h.order_id, h.id, h.type
"""


def release_due(now: datetime) -> int:
    """Resolve the holds whose time has come, at most a thousand orders'; returns how many.

    Two statements whatever their number.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_RELEASE, {"now": now, "limit": RELEASE_AT_ONCE, "actor": CLOCK})
        done = sorted(cursor.fetchall())
        events.record_many(
            [(order, "hold.resolved", {"hold": hold, "type": type}) for order, hold, type in done],
            actor=CLOCK,
        )
    return len(done)
