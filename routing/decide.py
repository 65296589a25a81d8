"""Who should serve an order: lock, read, decide, re-point the claims, keep the decision.

A slice that waits keeps the claim that capture took, even when no plan may use it today:
tomorrow's capacity or a changed rule may. It loses the claim when the place has refused its line,
or when the stock is not there (routing/shortage.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from config import outbox
from config.models import OutboxRow
from inventory import counts, ledger
from inventory.models import Location, Stock
from orders import events, lifecycle
from orders.destinations import PICKUP, Destination
from orders.models import Allocation, Order, OrderLine
from routing import claims, kept, parts, queues, shortage, snapshot, together
from routing.claims import Lost, Placed
from routing.models import Decision, Refusal
from routing.parts import Part
from routing.queues import Wait
from routing.snapshot import Snapshot, Waiting

ACTOR = "routing"
ROUNDS = 3  # what a plan counts on may be lost to somebody faster; then it is made anew
MOST_ATTEMPTS = 10  # whatever rules or people say, no unit is offered more often (invariant I13)

S, Queue = Allocation.State, Allocation.Queue
CAUSES = {  # what rang the bell -> what the decision says it was made for
    "order.received": "received",
    "order.changed": "changed",
    "hold.resolved": "hold resolved",
    "retry": "retried",
    "lost": "retried",
}
# These refusals say that the stock is not as the books have it: it is not promised again until
# somebody has counted.
ABOUT_STOCK = (Refusal.Reason.NOT_FOUND, Refusal.Reason.DAMAGED)


def handle_route(row: OutboxRow) -> None:
    """Work of the topic "route": give the order's waiting slices a stock point."""
    event = row.payload.get("event", "")
    try:
        route(order_id=row.subject, cause=CAUSES.get(event, event or "manual"), actor=ACTOR)
    except Lost as lost:
        raise outbox.Later(str(lost)) from lost


def handle_shortage(row: OutboxRow) -> None:
    """Work of the topic "shortage": claims exceed what is there, the newest give way."""
    shortage.requeue(
        stock=row.subject, product=row.payload["product"], location=row.payload["location"],
        work=row.pk, actor=ACTOR,
    )  # fmt: skip


def route(*, order_id: int, cause: str, actor: str) -> Decision | None:
    """Route what waits of an order; None when nothing waits or a hold forbids it.

    Raises Lost when what the plan counted on went to others three times; nothing has changed then.
    """
    with transaction.atomic(savepoint=False):
        return _route(lifecycle.lock(order_id), cause=cause, actor=actor)


def _route(order: Order, *, cause: str, actor: str) -> Decision | None:
    shot = snapshot.take(order, now=timezone.now())
    if order.state != Order.State.OPEN:
        return None
    _keep_waiting(shot, [(one, f"on hold: {why}") for one, why in shot.held], actor=actor)
    if not shot.waiting:
        return None
    found = parts.of(order, shot.waiting)
    if found == [shot.part] and not shot.part.kept:
        return _route_part(shot, cause=cause, actor=actor)
    decisions = [_route_by_itself(part, cause=cause, actor=actor) for part in found]
    return next((one for one in reversed(decisions) if one is not None), None)


def _route_by_itself(part: Part, *, cause: str, actor: str) -> Decision | None:
    order = part.destination.order
    if part.kept:
        together.gather(part, actor=actor)
    shot = snapshot.take(order, now=timezone.now(), part=part)
    if part.kept and together.waits(shot, actor=actor):
        return None
    return _route_part(shot, cause=cause, actor=actor)


def _route_part(shot: Snapshot, *, cause: str, actor: str) -> Decision:
    lost = Lost()
    for n in range(ROUNDS):
        if n:
            shot = snapshot.take(shot.order, now=timezone.now(), part=shot.part)
        mark = transaction.savepoint()  # a plan that came too late gives its locks back
        try:
            return _decide(shot, cause=cause, actor=actor)
        except Lost as again:
            transaction.savepoint_rollback(mark)
            lost = again
    raise lost


def _keep_waiting(shot: Snapshot, slices: Iterable[tuple[Waiting, str]], *, actor: str) -> None:
    """Leave slices in the queue of those to route, with the reason why they are still there."""
    waits = [
        Wait(one.piece, Queue.ROUTING, reason, keeps=not shot.is_useless(one.piece))
        for one, reason in slices
        if one.piece.queue == Queue.ROUTING and one.piece.queue_reason != reason
    ]
    queues.end_claims(waits, actor=actor, reason="refused")
    queues.put(waits, now=shot.now)


# --- deciding ------------------------------------------------------------------------------------


def _decide(shot: Snapshot, *, cause: str, actor: str) -> Decision:
    open_, tired = _sort_out(shot, cause)
    verdict = kept.ask(shot, open_)
    claims.lock_capacity(place for place in verdict.places if shot.is_limited(place))
    share = claims.share_out([one.piece for one in open_], verdict.plan)
    waits = [_unfillable(shot, piece, verdict.why(piece)) for piece in share.left]
    waits += [
        _unfillable(shot, one.piece, f"refused {one.piece.attempt} times: a person decides")
        for one in tired
    ]
    moved = claims.repoint(
        order_id=shot.order.pk, moving=[one for one in share.placed if not one.stays],
        giving_up=[w.piece for w in waits if not w.keeps], products=shot.products(), actor=actor,
    )  # fmt: skip
    newly = [w for w in waits if w.piece.queue != Queue.UNFILLABLE]
    _allocate(share.placed, moved)
    queues.put(waits, now=shot.now)
    decision = kept.keep(shot, verdict, share.placed, [w.piece for w in waits], cause=cause)
    _tell(shot, decision, share.placed, newly, actor=actor)
    return decision


def _sort_out(shot: Snapshot, cause: str) -> tuple[list[Waiting], list[Waiting]]:
    """Slices to route, and those that were offered as often as the rules allow.

    A person who asks for it by hand is allowed more than the rules. What leaves together tires
    together.
    """
    most = MOST_ATTEMPTS
    if shot.rules is not None and cause != "manual":
        most = min(shot.rules["max_attempts"], MOST_ATTEMPTS)
    tired = [one for one in shot.waiting if one.piece.attempt >= most]
    if shot.part.kept and tired:
        return [], list(shot.waiting)
    return [one for one in shot.waiting if one.piece.attempt < most], tired


def _unfillable(shot: Snapshot, piece: Allocation, reason: str) -> Wait:
    keeps = piece.reservation_id is None or not shot.is_useless(piece)
    return Wait(piece, Queue.UNFILLABLE, reason, keeps=keeps)


def _allocate(placed: Sequence[Placed], moved: Mapping[int, int]) -> None:
    if not placed:
        return
    pieces = [one.piece for one in placed]
    changes: dict[str, Any] = {}
    if moved:
        changes = {
            "location_id": lifecycle.per_slice(pieces, [one.location for one in placed]),
            "reservation_id": lifecycle.per_slice(
                pieces, [moved.get(piece.pk, piece.reservation_id) for piece in pieces]
            ),
        }
    lifecycle.move_slices(
        pieces, S.ALLOCATED, queue="", queue_reason="", next_action_at=None,
        attempt=F("attempt") + 1, **changes,
    )  # fmt: skip


def _tell(
    shot: Snapshot, decision: Decision, placed: Sequence[Placed], newly: Sequence[Wait],
    *, actor: str,
) -> None:  # fmt: skip
    told = []
    if placed:
        places = sorted({shot.points[one.location]["code"] for one in placed})
        told.append((shot.order.pk, "order.routed", {
            "decision": decision.pk, "locations": places,
            "slices": sorted(one.piece.pk for one in placed),
            "units": sum(one.piece.quantity for one in placed),
        }))  # fmt: skip
    if newly:
        told.append((shot.order.pk, "order.unfillable", {
            "decision": decision.pk, "units": sum(w.piece.quantity for w in newly),
            "reason": "; ".join(sorted({w.reason for w in newly})),
        }))  # fmt: skip
    events.record_many(told, actor=actor)


# --- refusals ------------------------------------------------------------------------------------


def reroute(
    *, slices: Sequence[Allocation], reason: str, note: str = "", actor: str,
    along: Sequence[Allocation] = (),
) -> Decision | None:  # fmt: skip
    """A stock point refuses slices of one order (locked, in a transaction): find them another.

    It is not asked again for their lines; what it could not find or found damaged is blocked
    there. `along` was not refused but leaves with them. A pick-up is not sent elsewhere: its
    customer decides. Returns the new decision, None when there is none (pick-up, hold, or others
    were faster, then a worker tries again at once).
    """
    order = lifecycle.lock(slices[0].order_id)
    refused = _write_refusals(slices, reason=reason, note=note, actor=actor)
    together.call_back(along, actor=actor)
    pickups = _pickups(order, slices)
    waits = [Wait(p, Queue.PICKUP_REFUSED, p.queue_reason, keeps=False) for p in pickups]
    queues.end_claims(waits, actor=actor, reason="refused")
    queues.put(waits, now=timezone.now())
    decision = None
    if len(pickups) < len(slices) + len(along):
        decision = _route_refused(order, actor=actor)
    if reason in ABOUT_STOCK:
        _block(refused, order=order, reason=reason, actor=actor)
        _have_counted(refused, first=slices[0], reason=reason)
    return decision


def _pickups(order: Order, slices: Sequence[Allocation]) -> list[Allocation]:
    """Those that only the place could serve where they are collected."""
    lines = OrderLine.objects.select_related("group").in_bulk([p.line_id for p in slices])
    return [p for p in slices if Destination(order, lines[p.line_id].group).delivery == PICKUP]


def _write_refusals(
    slices: Sequence[Allocation], *, reason: str, note: str, actor: str
) -> dict[tuple[int, int], int]:
    """Refusals, the slices back in the queue, the event; returns units per (product, place)."""
    products = dict(
        OrderLine.objects.filter(pk__in={p.line_id for p in slices}).values_list("pk", "product_id")
    )
    place = Location.objects.get(allocations=slices[0])
    Refusal.objects.bulk_create(
        Refusal(
            line_id=piece.line_id, allocation_id=piece.pk, location=place,
            quantity=piece.quantity, reason=reason, note=note[:200], actor=actor,
        )
        for piece in slices
    )  # fmt: skip
    words = f"refused by {place.name}: {Refusal.Reason(reason).label}"
    lifecycle.move_slices(slices, S.QUEUED, queue=Queue.ROUTING, queue_reason=words)
    events.record(
        slices[0].order_id, "allocation.refused", actor=actor, location=place.code, reason=reason,
        slices=[piece.pk for piece in slices], units=sum(piece.quantity for piece in slices),
    )  # fmt: skip
    units: dict[tuple[int, int], int] = {}
    for piece in slices:
        row = (products[piece.line_id], place.pk)
        units[row] = units.get(row, 0) + piece.quantity
    return units


def _route_refused(order: Order, *, actor: str) -> Decision | None:
    try:
        return _route(order, cause="refused", actor=actor)
    except Lost as lost:
        shot = snapshot.take(order, now=timezone.now())
        words = f"tried again at once: {lost}"
        _keep_waiting(shot, [(one, words) for one in shot.waiting], actor=actor)
        outbox.put(topic="route", subject=order.pk, cause=f"lost:{shot.now.isoformat()}",
                   payload={"event": "lost"})  # fmt: skip
        return None


def _block(units: Mapping[tuple[int, int], int], *, order: Order, reason: str, actor: str) -> None:
    """Take refused units out of what can be promised, at most those the books have there.

    Their claims were ended in this transaction, so the stock rows are ours already.
    """
    rows = Stock.objects.filter(
        product_id__in={product for product, _ in units},
        location_id__in={location for _, location in units},
    )
    entries = [
        ledger.Entry(row.product_id, row.location_id, "block", unavailable=blocked,
                     bucket="damaged" if reason == "damaged" else "missing", reason=reason,
                     cause_type="order", cause_id=order.pk)
        for row in rows
        if (blocked := min(units.get((row.product_id, row.location_id), 0),
                           row.on_hand - row.unavailable)) > 0
    ]  # fmt: skip
    ledger.post(sorted(entries, key=lambda e: (e.product, e.location)), actor=actor)


def _have_counted(units: Mapping[tuple[int, int], int], *, first: Allocation, reason: str) -> None:
    """Ask the stock point to count what the books are wrong about; posting it ends the doubt."""
    (location,) = {location for _, location in units}
    counts.request(
        location=location, products=[product for product, _ in units],
        cause=f"refused: {Refusal.Reason(reason).label}", key=f"refusal:{location}:{first.pk}",
    )  # fmt: skip
