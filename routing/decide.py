"""Who should serve an order: lock, read, decide, re-point the claims, keep the decision.

Imports of other apps use `handle_route`, `handle_shortage` (topics of work), `route` and
`reroute`. A slice that waits keeps the claim that capture took, even when no plan may use it now:
tomorrow's capacity or a changed rule may. It loses the claim when the place has refused its line,
or when the stock is not there (`handle_shortage`).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Case, F, Value, When
from django.utils import timezone

from config import outbox
from config.models import OutboxRow
from inventory import ledger
from inventory.models import Stock
from orders import events, lifecycle
from orders.models import Allocation, Order, OrderLine
from routing import claims, engine, kept, shortage, snapshot
from routing.claims import Lost, Placed
from routing.kept import Verdict
from routing.models import Decision, Refusal
from routing.snapshot import Snapshot, Waiting

ACTOR = "routing"
ROUNDS = 3  # what a plan counts on may be lost to somebody faster; then it is made anew
MOST_ATTEMPTS = 10  # no rule set and nobody offers a unit more often (invariant I13)
FIRST_RETRY, LONGEST_RETRY = timedelta(minutes=5), timedelta(hours=1)

S, Queue = Allocation.State, Allocation.Queue
CAUSES = {  # what rang the bell -> what the decision says it was made for
    "order.received": "received",
    "hold.resolved": "hold resolved",
    "retry": "retried",
    "lost": "retried",
}
# What a refusal says about the stock: these units are not to be promised again until counted.
BLOCKING = {Refusal.Reason.NOT_FOUND, Refusal.Reason.DAMAGED}


def handle_route(row: OutboxRow) -> None:
    """Work of the topic "route": give the order's waiting slices a stock point."""
    event = row.payload.get("event", "")
    try:
        route(order_id=row.subject, cause=CAUSES.get(event, event or "received"), actor=ACTOR)
    except Lost as lost:
        raise outbox.Later(str(lost)) from lost


def handle_shortage(row: OutboxRow) -> None:
    """Work of the topic "shortage": claims exceed what is there; the newest give way."""
    shortage.requeue(
        product=row.payload["product"], location=row.payload["location"], work=row.pk, actor=ACTOR
    )


def route(*, order_id: int, cause: str, actor: str) -> Decision | None:
    """Route what waits of an order; None when nothing waits or a hold forbids it.

    Raises Lost when the stock was lost to others three times; nothing has changed then.
    """
    with transaction.atomic(savepoint=False):
        return _route(lifecycle.lock(order_id), cause=cause, actor=actor)


def _route(order: Order, *, cause: str, actor: str) -> Decision | None:
    lost = Lost()
    for _ in range(ROUNDS):
        shot = snapshot.take(order, now=timezone.now())
        if not shot.waiting or order.state != Order.State.OPEN:
            return None
        if shot.hold is not None:
            _wait_for_hold(shot, actor=actor)
            return None
        mark = transaction.savepoint()  # to give back the locks of a plan that came too late
        try:
            return _decide(shot, cause=cause, actor=actor)
        except Lost as again:
            transaction.savepoint_rollback(mark)
            lost = again
    raise lost


def _wait_for_hold(shot: Snapshot, *, actor: str) -> None:
    reason = f"on hold: {shot.hold}"[:200]
    slices = [
        one.piece
        for one in shot.waiting
        if one.piece.queue == Queue.ROUTING and one.piece.queue_reason != reason
    ]
    _leave(shot, slices, reasons=dict.fromkeys([piece.pk for piece in slices], reason),
           queue=Queue.ROUTING, actor=actor)  # fmt: skip


# --- deciding ------------------------------------------------------------------------------------


def _decide(shot: Snapshot, *, cause: str, actor: str) -> Decision:
    open_, tired = _sort_out(shot, cause)
    verdict = kept.ask(shot, open_, tired)
    claims.lock_capacity(
        place for place in verdict.places if shot.points[place]["capacity_per_day"] is not None
    )
    share = claims.share_out([one.piece for one in open_], verdict.plan)
    left = [*share.left, *(one.piece for one in tired)]
    useless = [piece for piece in left if piece.reservation_id and shot.useless(piece)]
    moved = claims.repoint(
        order_id=shot.order.pk, moving=[one for one in share.placed if not one.stays],
        giving_up=useless, products=shot.product_of(), actor=actor,
    )  # fmt: skip
    newly = [piece for piece in left if piece.queue != Queue.UNFILLABLE]
    _allocate(share.placed, moved)
    _queue(left, verdict, gone=useless, now=shot.now)
    decision = kept.keep(shot, verdict, share.placed, left, cause=cause)
    _tell(decision, share.placed, newly, verdict, shot, actor=actor)
    return decision


def _sort_out(shot: Snapshot, cause: str) -> tuple[list[Waiting], list[Waiting]]:
    """Slices to route, and those that were offered as often as the rules allow."""
    most = MOST_ATTEMPTS
    if shot.rules is not None and cause != "manual":
        most = min(shot.rules["max_attempts"], MOST_ATTEMPTS)
    open_ = [one for one in shot.waiting if one.piece.attempt < most]
    return open_, [one for one in shot.waiting if one.piece.attempt >= most]


def _allocate(placed: Sequence[Placed], moved: Mapping[int, int]) -> None:
    if not placed:
        return
    claim = {
        one.piece.pk: one.piece.reservation_id if one.stays else moved[one.piece.pk]
        for one in placed
    }
    pieces = [one.piece for one in placed]
    attempts = [piece.attempt + 1 for piece in pieces]
    lifecycle.move_slices(
        pieces, S.ALLOCATED, queue="", queue_reason="", next_action_at=None,
        attempt=F("attempt") + 1,
        location_id=Case(*(When(pk=one.piece.pk, then=Value(one.location)) for one in placed)),
        reservation_id=Case(*(When(pk=pk, then=Value(made)) for pk, made in claim.items())),
    )  # fmt: skip
    for one, attempt in zip(placed, attempts, strict=True):
        one.piece.attempt, one.piece.location_id = attempt, one.location
        one.piece.reservation_id = claim[one.piece.pk]
