"""Canceling units that have not left: a whole order, some lines, some units of a line.

How late somebody may still cancel is the channel's rule; staff and the house itself may until the
units leave. What a warehouse's own system has already is asked for, and canceled when it agrees;
when the units leave meanwhile, shipping has won.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from inventory import ledger
from orders import events, lifecycle, payments
from orders.models import Allocation, Order, OrderLine, SalesChannel

log = logging.getLogger(__name__)
S, Phase = Allocation.State, SalesChannel.Phase
# How far a unit is; a phase of a channel allows all states up to its own.
RANK: dict[str, int] = {
    S.QUEUED: 1, S.ALLOCATED: 2, S.ACCEPTED: 3, S.PICKED: 4, S.PACKED: 5, S.READY: 5,
}  # fmt: skip
LIMITS: dict[str, int] = {
    Phase.NEVER: 0, Phase.QUEUED: 1, Phase.ALLOCATED: 2, Phase.ACCEPTED: 3, Phase.PICKED: 4,
    Phase.PACKED: 5,
}  # fmt: skip
UNBOUND = ("staff", "system")  # whom the channel's rule does not bind
SYSTEM = "system"
CANCEL_AT_ONCE = 500

Cut = tuple[Allocation, int]  # a slice, and how many of its units


REASONS: dict[str, str] = {  # as staff read them
    "customer": "asked for by the customer",
    "fraud": "suspected fraud",
    "stock": "not in stock",
    "price": "wrong price",
    "duplicate": "ordered twice",
    "unfillable": "no stock point could serve it",
    "other": "another reason",
}
TOLD: dict[str, str] = {  # as the customer is told; nothing for the others
    "customer": "You asked us to.",
    "stock": "We are sorry: we do not have it any more.",
    "price": "We are sorry: the price was wrong.",
    "duplicate": "It was ordered twice.",
    "unfillable": "We are sorry: we could not find it for you in time.",
}


@dataclass(frozen=True)
class Kept:
    """Units of a line that cannot be canceled: `code` is left, too_late, asked or canceled."""

    position: int
    units: int
    code: str
    why: str


@dataclass(frozen=True)
class Canceled:
    """What a cancellation did: units that ended, units a warehouse was asked for, units kept."""

    units: int = 0
    requested: int = 0
    kept: tuple[Kept, ...] = ()
    slices: tuple[int, ...] = ()


class CannotCancel(Exception):
    """Nothing was canceled; `kept` says of which lines how many units cannot be, and why."""

    code = "not_all"

    def __init__(self, order: Order, kept: Sequence[Kept]) -> None:
        self.order, self.kept = order, list(kept)
        rows = [f"line {k.position}: {k.units} {k.why}" for k in kept]
        super().__init__(f"{order} was not canceled, {'; '.join(rows)}")


class TooLate(CannotCancel):
    """Units are further than the channel lets its customers cancel."""

    code = "too_late"


class NothingToCancel(CannotCancel):
    """No unit of the order can be canceled any more; `states` says where its units are."""

    code = "nothing_to_cancel"

    def __init__(
        self, order: Order, slices: Iterable[Allocation], kept: Sequence[Kept] = ()
    ) -> None:
        super().__init__(order, kept)
        self.states = sorted({piece.state for piece in slices})
        asked = any(piece.cancel_quantity for piece in slices)
        where = "a warehouse was asked for them" if asked else f"they are {', '.join(self.states)}"
        self.args = (f"no unit of {order} can be canceled: {where}",)


class UnknownLine(Exception):
    """The order has no such line."""

    def __init__(self, order: Order, line: int) -> None:
        self.line = line
        super().__init__(f"{order} has no line {line}")


def cancel(
    *,
    order_id: int,
    reason: str,
    actor: str,
    by: str = "staff",
    lines: Mapping[int, int] | None = None,
    positions: Mapping[int, int] | None = None,
    note: str = "",
    partial: bool = False,
) -> Canceled:
    """Cancel units that have not left: claims are released, captured money goes back.

    lines: units by line id. positions: units by what the customer bought, where a bundle takes its
    components along in proportion. Neither: everything that has not left. by: staff, channel,
    customer or system; the channel's cut-off binds the middle two. All or nothing, unless
    `partial` asks for what is possible.

    Raises NothingToCancel, TooLate for units beyond the cut-off, CannotCancel for other units that
    cannot be canceled, UnknownLine, ValueError for a reason that is not in REASONS.
    """
    if reason not in REASONS:
        raise ValueError(f"{reason!r} is no reason: {', '.join(REASONS)}")
    with transaction.atomic():
        order = lifecycle.lock(order_id)
        slices = list(order.allocations.select_related("line").order_by("id"))
        wishes = _wishes(order, slices, lines=lines, positions=positions)
        if not wishes:
            raise NothingToCancel(order, slices)
        taken, kept = _plan(wishes, slices, limit=_limit(order, by))
        if kept and not (partial and taken):
            raise _refusal(order, slices, kept, nothing=not taken)
        done = cancel_units(order, taken, reason=reason, actor=actor, note=note)
        if done.units:
            settle(order, actor=actor)
    return replace(done, kept=tuple(kept))


def _refusal(
    order: Order, slices: Sequence[Allocation], kept: Sequence[Kept], *, nothing: bool
) -> CannotCancel:
    if any(k.code == TooLate.code for k in kept):
        return TooLate(order, kept)
    open_ = any(piece.state in RANK and _units_left(piece) for piece in slices)
    if nothing and not open_:
        return NothingToCancel(order, slices, kept)
    return CannotCancel(order, kept)


def cancel_units(
    order: Order, taken: Sequence[Cut], *, reason: str, actor: str, note: str = "",
    record: bool = True,
) -> Canceled:  # fmt: skip
    """Cancel these units of a locked order, and ask for those that a warehouse has already.

    Neither closes the order nor settles its money: `settle`, or who edits the order, does. An edit
    records all that it did in one event of its own: `record` is false then.
    """
    asking = [(piece, units) for piece, units in taken if piece.handed_over]
    ending = [(piece, units) for piece, units in taken if not piece.handed_over]
    ended = _end(order, ending, reason=reason, actor=actor, note=note, record=record)
    _ask(order, asking, reason=reason, actor=actor, note=note)
    return Canceled(
        units=sum(units for _, units in ending),
        requested=sum(units for _, units in asking),
        slices=tuple(piece.pk for piece in ended),
    )


def settle(order: Order, *, actor: str) -> None:
    """After units of a locked order were canceled: close it if that was the last, give money back.

    What was only authorized is captured for the units that had left, and voided beyond that.
    """
    lifecycle.close_if_ended(order, actor=actor)
    payments.capture_shipped(order, actor=actor)
    payments.settle(order, actor=actor)


def _end(
    order: Order, ending: Sequence[Cut], *, reason: str, actor: str, note: str,
    record: bool = True,
) -> list[Allocation]:  # fmt: skip
    if not ending:
        return []
    pieces = [piece for piece, units in ending if units == piece.quantity]
    pieces += lifecycle.split_slices([cut for cut in ending if cut[1] < cut[0].quantity])
    claims = [piece.reservation_id for piece in pieces if piece.reservation_id]
    lifecycle.move_slices(
        pieces, S.CANCELED, queue="", reservation_id=None, next_action_at=None,
        cancel_reason=reason, cancel_quantity=0, cancel_requested_at=None,
    )  # fmt: skip
    ledger.release(claims, actor=actor, reason="order canceled")
    if record:
        events.record(
            order.pk, "order.canceled", actor=actor, reason=reason,
            **({"note": note} if note else {}),
            units=sum(piece.quantity for piece in pieces), slices=[piece.pk for piece in pieces],
        )  # fmt: skip
    return pieces


# --- what may be canceled ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Wish:
    """Somebody wants `quantity` of what stands at a position: `each` units of its lines a piece."""

    position: int
    quantity: int
    each: Mapping[int, int]


def _wishes(
    order: Order, slices: Sequence[Allocation], *,
    lines: Mapping[int, int] | None, positions: Mapping[int, int] | None,
) -> list[_Wish]:  # fmt: skip
    if positions is not None:
        return _wishes_at(order, positions)
    known = {piece.line_id: piece.line for piece in slices}
    if lines is None:
        lines = _everything(slices)
    for pk in lines:
        if pk not in known:
            raise UnknownLine(order, pk)
    return [_Wish(known[pk].position, units, {pk: 1}) for pk, units in lines.items() if units]


def _everything(slices: Sequence[Allocation]) -> dict[int, int]:
    units: dict[int, int] = defaultdict(int)
    for piece in slices:
        if piece.state in RANK:
            units[piece.line_id] += _units_left(piece)
    return units


def _wishes_at(order: Order, positions: Mapping[int, int]) -> list[_Wish]:
    at: dict[int, list[OrderLine]] = defaultdict(list)
    for line in order.lines.filter(position__in=list(positions)).select_related("bundle"):
        at[line.position].append(line)
    for position in positions:
        if position not in at:
            raise UnknownLine(order, position)
    return [
        _Wish(position, units, {line.pk: _per_piece(line) for line in at[position]})
        for position, units in positions.items()
        if units
    ]


def _per_piece(line: OrderLine) -> int:
    return line.quantity // line.bundle.quantity if line.bundle else 1


def _limit(order: Order, by: str) -> int:
    """The furthest rank that may be canceled; nothing for a rule that nobody knows."""
    return max(RANK.values()) if by in UNBOUND else LIMITS.get(order.channel.cancel_until, 0)


def _units_left(piece: Allocation) -> int:
    return piece.quantity - piece.cancel_quantity


def _plan(
    wishes: Sequence[_Wish], slices: Sequence[Allocation], *, limit: int
) -> tuple[list[Cut], list[Kept]]:
    """Which units to take for the wishes, those that are least far first; and what is kept."""
    of_line: dict[int, list[Allocation]] = defaultdict(list)
    for piece in slices:
        of_line[piece.line_id].append(piece)
    taken: list[Cut] = []
    kept: list[Kept] = []
    for wish in wishes:
        allowed = {pk: _allowed(of_line[pk], limit) for pk in wish.each}
        most = min(sum(map(_units_left, allowed[pk])) // n for pk, n in wish.each.items())
        count = min(wish.quantity, most)
        for pk, each in wish.each.items():
            taken += _take(allowed[pk], count * each)
        if count < wish.quantity:
            pieces = [piece for pk in wish.each for piece in of_line[pk]]
            kept.append(_kept(wish.position, wish.quantity - count, pieces, limit))
    return taken, kept


def _allowed(slices: Iterable[Allocation], limit: int) -> list[Allocation]:
    return sorted(
        (p for p in slices if RANK.get(p.state, limit + 1) <= limit and _units_left(p)),
        key=lambda p: (p.handed_over, RANK[p.state], p.reservation_id is not None, -p.pk),
    )


def _take(slices: Iterable[Allocation], units: int) -> list[Cut]:
    cuts = []
    for piece in slices:
        part = min(_units_left(piece), units)
        if part:
            cuts.append((piece, part))
            units -= part
    return cuts


def _kept(position: int, units: int, slices: Sequence[Allocation], limit: int) -> Kept:
    """Why so many units of a line cannot be canceled, in one word and in several."""
    far = sorted({p.get_state_display() for p in slices if limit < RANK.get(p.state, 0)})
    if far:
        return Kept(position, units, TooLate.code, f"are {', '.join(far)}: too late for that")
    if any(piece.cancel_quantity for piece in slices):
        return Kept(position, units, "asked", "more than the warehouse was asked for already")
    if any(piece.state in lifecycle.LEFT for piece in slices):
        return Kept(position, units, "left", "have left already")
    return Kept(position, units, "canceled", "are not there, or canceled already")


@dataclass(frozen=True)
class Position:
    """What the customer bought at a position, and how many of it can still be canceled."""

    position: int
    name: str
    sku: str
    units: int


def open_positions(order: Order, *, by: str = "staff") -> list[Position]:
    """The positions of which something can still be canceled; bundles count as bundles."""
    limit = _limit(order, by)
    left: dict[int, int] = defaultdict(int)
    for piece in order.allocations.all():
        if RANK.get(piece.state, limit + 1) <= limit:
            left[piece.line_id] += _units_left(piece)
    found: dict[int, Position] = {}
    for line in order.lines.select_related("bundle").order_by("position", "component"):
        thing, units = line.bundle or line, left[line.pk] // _per_piece(line)
        if line.position in found:
            units = min(units, found[line.position].units)
        found[line.position] = Position(line.position, thing.name, thing.sku, units)
    return [one for one in found.values() if one.units]


# --- asking who has them -------------------------------------------------------------------------


def _ask(order: Order, asking: Sequence[Cut], *, reason: str, actor: str, note: str) -> None:
    """Note that a warehouse is asked to let go of units; fulfillment hears of it and asks."""
    if not asking:
        return
    pieces, now = [piece for piece, _ in asking], timezone.now()
    units = [units for _, units in asking]
    Allocation.objects.filter(pk__in=[piece.pk for piece in pieces]).update(
        cancel_quantity=F("cancel_quantity") + lifecycle.per_slice(pieces, units),
        cancel_requested_at=Coalesce("cancel_requested_at", now), cancel_reason=reason,
    )  # fmt: skip
    events.record(
        order.pk, "cancel.requested", actor=actor, reason=reason, units=sum(units),
        slices=[piece.pk for piece in pieces], **({"note": note} if note else {}),
    )  # fmt: skip


def answered(
    order: Order, units: Sequence[Cut], *, accepted: bool, actor: str, note: str = ""
) -> None:
    """Units of a locked order that were asked for are let go (they end now), or are not.

    units: at most what was asked for of each slice; others are ignored, they were answered before.
    """
    asked = [(piece, min(n, piece.cancel_quantity)) for piece, n in units]
    asked = [(piece, n) for piece, n in asked if n]
    if not asked:
        return
    if accepted:
        reason = asked[0][0].cancel_reason or "other"
        _end(order, asked, reason=reason, actor=actor, note=note)
        settle(order, actor=actor)
        return
    for piece, n in asked:
        piece.cancel_quantity -= n
        if not piece.cancel_quantity:
            piece.cancel_requested_at, piece.cancel_reason = None, ""
    Allocation.objects.bulk_update(
        [piece for piece, _ in asked], ["cancel_quantity", "cancel_requested_at", "cancel_reason"]
    )
    events.record(
        order.pk, "cancel.refused", actor=actor, reason=note, units=sum(n for _, n in asked),
        slices=[piece.pk for piece, _ in asked],
    )  # fmt: skip


def cancel_anyway(*, slice_id: int, actor: str) -> int:
    """Do not wait for the warehouse any longer: what it was asked for is canceled. Returns units.

    Raises NothingToCancel when nothing of the slice is asked for any more.
    """
    with transaction.atomic():
        order = lifecycle.lock(
            Allocation.objects.values_list("order_id", flat=True).get(pk=slice_id)
        )
        piece = Allocation.objects.get(pk=slice_id)
        units = piece.cancel_quantity
        if not units:
            raise NothingToCancel(order, [piece])
        answered(order, [(piece, units)], accepted=True, actor=actor,
                 note="without the warehouse's answer")  # fmt: skip
    return units


# --- what stays unfillable -----------------------------------------------------------------------

_UNFILLABLE = """
SELECT a.order_id, array_agg(a.id ORDER BY a.id)
  FROM orders_allocation a
  JOIN orders_order o ON o.id = a.order_id
  JOIN orders_saleschannel c ON c.id = o.channel_id
 WHERE a.state = 'queued' AND a.queue = 'unfillable'
   AND (a.cancel_at <= %(now)s
        OR a.since <= %(now)s - make_interval(days => c.cancel_unfillable_days))
   AND NOT EXISTS (SELECT 1 FROM orders_hold h
                    WHERE h.order_id = a.order_id AND h.state = 'open'
                      AND 'route' = ANY(h.blocks))
   AND NOT EXISTS (  -- it leaves together with units that wait for supply
       SELECT 1 FROM orders_allocation b
         JOIN orders_orderline m ON m.id = b.line_id
         JOIN orders_orderline l ON l.id = a.line_id AND l.group_id IS NOT DISTINCT FROM m.group_id
        WHERE b.order_id = a.order_id AND b.state = 'queued' AND b.queue = 'backorder'
          AND (o.ship_together OR l.together <> '' AND l.together = m.together))
 GROUP BY a.order_id ORDER BY min(a.since), a.order_id LIMIT %(limit)s
"""


def cancel_unfillable(now: datetime) -> dict[str, int]:
    """Cancel what found no stock point for as many days as its channel, or its rule, waits.

    An order whose routing a hold forbids has not been looked at all that time: it is left. One
    statement finds them, each order is its own transaction: one that fails stops no other.
    Returns {"orders", "units", "failed"}.
    """
    with connection.cursor() as cursor:
        cursor.execute(_UNFILLABLE, {"now": now, "limit": CANCEL_AT_ONCE})
        due = cursor.fetchall()
    result = {"orders": 0, "units": 0, "failed": 0}
    for order_id, slices in due:
        try:
            units = _give_up(order_id, slices)
        except Exception:
            log.exception("order %s could not be canceled automatically", order_id)
            result["failed"] += 1
        else:
            result["units"] += units
            result["orders"] += 1 if units else 0
    return result


def _give_up(order_id: int, slices: Sequence[int]) -> int:
    with transaction.atomic():
        order = lifecycle.lock(order_id)
        waiting = order.allocations.filter(
            pk__in=slices, state=S.QUEUED, queue=Allocation.Queue.UNFILLABLE
        )
        ending = [(piece, piece.quantity) for piece in waiting.order_by("id")]
        values: dict[str, Any] = {"reason": "unfillable", "actor": SYSTEM}
        units = cancel_units(order, ending, **values).units
        if units:
            settle(order, actor=SYSTEM)
    return units
