"""A stock point says no: what that says about its stock, and who serves the order instead."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db.models import F, Q, Sum
from django.utils import timezone

from config import outbox
from inventory import counts, ledger
from inventory.models import Location, Reservation, Stock
from orders import events, lifecycle
from orders.destinations import PICKUP, Destination
from orders.models import Allocation, Order, OrderLine
from routing import decide, offers, queues, snapshot, together
from routing.claims import Lost
from routing.models import Decision, Refusal, RefusalReason, RuleSet
from routing.queues import Wait

S, Queue = Allocation.State, Allocation.Queue
Effect = RefusalReason.Effect
Units = Mapping[tuple[int, int], int]  # (product, stock point) -> units


def reroute(
    *, slices: Sequence[Allocation], reason: str, note: str = "", actor: str,
    along: Sequence[Allocation] = (),
) -> Decision | None:  # fmt: skip
    """A stock point refuses slices of one order (locked, in a transaction): find them another.

    At least one. It is not asked again for their lines while its refusal holds; what the reason
    says is not there is blocked. `along` was not refused but leaves with them. A pick-up is not
    sent elsewhere: its customer decides. Returns the new decision, None when there is none
    (pick-up, hold, or others were faster, then a worker tries again at once). Raises
    RefusalReason.DoesNotExist.
    """
    why = RefusalReason.objects.get(code=reason)
    order = lifecycle.lock(slices[0].order_id)
    refused = _write_refusals(order, slices, why=why, note=note, actor=actor)
    offers.end(order, [*slices, *along])
    together.call_back(along, actor=actor)
    pickups = _pickups(order, slices)
    waits = [Wait(p, Queue.PICKUP_REFUSED, p.queue_reason, keeps=False) for p in pickups]
    queues.end_claims(waits, actor=actor, reason="refused")
    queues.put(waits, now=timezone.now())
    decision = None
    if len(pickups) < len(slices) + len(along):
        decision = _route_refused(order, actor=actor)
    if why.effect != Effect.NONE:
        _block(refused, order=order, why=why, actor=actor)
    if why.asks_count:
        _have_counted(refused, first=slices[0], why=why)
    return decision


def excluded_until(order: Order, *, now: datetime) -> datetime | None:
    """How long a refusal of today keeps its stock point from an order's line; None: for ever."""
    mine = Q(channels=order.channel_id)
    rules = RuleSet.objects.filter(mine | Q(channels=None), state=RuleSet.State.ACTIVE)
    newest = rules.order_by(F("channels").asc(nulls_last=True), "-activated_at", "-id")
    days = newest.values_list("exclude_days", flat=True).first()
    return None if days is None else now + timedelta(days=days)


def _pickups(order: Order, slices: Sequence[Allocation]) -> list[Allocation]:
    """Those that only the place could serve where they are collected."""
    lines = OrderLine.objects.select_related("group").in_bulk([p.line_id for p in slices])
    return [p for p in slices if Destination(order, lines[p.line_id].group).delivery == PICKUP]


def _write_refusals(
    order: Order, slices: Sequence[Allocation], *, why: RefusalReason, note: str, actor: str
) -> Units:
    """Refusals, the slices back in the queue, the event; returns what was refused."""
    products = dict(
        OrderLine.objects.filter(pk__in={p.line_id for p in slices}).values_list("pk", "product_id")
    )
    place = Location.objects.get(allocations=slices[0])
    now = timezone.now()
    until = excluded_until(order, now=now)
    Refusal.objects.bulk_create(
        Refusal(
            line_id=piece.line_id, allocation_id=piece.pk, location=place, at=now,
            quantity=piece.quantity, reason=why.code, note=note[:200], actor=actor,
            excluded_until=until,
        )
        for piece in slices
    )  # fmt: skip
    words = f"refused by {place.name}: {why.name}"
    lifecycle.move_slices(
        slices, S.QUEUED, queue=Queue.ROUTING, queue_reason=words, attempt=F("attempt") + 1
    )
    events.record(
        order.pk, "allocation.refused", actor=actor, location=place.code, reason=why.code,
        words=why.name, slices=[piece.pk for piece in slices],
        units=sum(piece.quantity for piece in slices),
    )  # fmt: skip
    units: dict[tuple[int, int], int] = {}
    for piece in slices:
        row = (products[piece.line_id], place.pk)
        units[row] = units.get(row, 0) + piece.quantity
    return units


def _route_refused(order: Order, *, actor: str) -> Decision | None:
    try:
        return decide.route_locked(order, cause="refused", actor=actor)
    except Lost as lost:
        shot = snapshot.take(order, now=timezone.now())
        words = f"tried again at once: {lost}"
        decide.keep_waiting(shot, [(one, words) for one in shot.waiting], actor=actor)
        outbox.put(topic="route", subject=order.pk, cause=f"lost:{shot.now.isoformat()}",
                   payload={"event": "lost"})  # fmt: skip
        return None


# --- what a refusal says of the stock ------------------------------------------------------------


def _block(units: Units, *, order: Order, why: RefusalReason, actor: str) -> None:
    """Take what is not there out of what can be promised, at most what the books have there.

    Where nothing at all is left only what somebody has in hand stays; other claims there are
    short then, and give way (routing/shortage.py). The claims of the refused units were ended in
    this transaction, so the stock rows are ours already.
    """
    rows = Stock.objects.filter(
        product_id__in={product for product, _ in units},
        location_id__in={location for _, location in units},
    ).order_by("product_id", "location_id")
    in_hand = _in_hand(units) if why.effect == Effect.BLOCK_ALL else {}
    entries = []
    for row in rows:
        key = row.product_id, row.location_id
        there = row.on_hand - row.unavailable
        if why.effect == Effect.BLOCK_ALL:
            gone = there - in_hand.get(key, 0)
        else:
            gone = min(units.get(key, 0), there)
        if gone > 0:
            entries.append(
                ledger.Entry(*key, "block", unavailable=gone, bucket=why.bucket, reason=why.code,
                             cause_type="order", cause_id=order.pk)
            )  # fmt: skip
    ledger.post(entries, actor=actor)


def _in_hand(units: Units) -> Units:
    """Units of these that were taken off the shelf and have not left."""
    (location,) = {location for _, location in units}
    rows = Reservation.objects.filter(
        location=location, product_id__in=[product for product, _ in units], off_shelf=True
    )
    sums = rows.values_list("product_id").annotate(Sum("quantity")).order_by("product_id")
    return {(product, location): quantity for product, quantity in sums}


def _have_counted(units: Units, *, first: Allocation, why: RefusalReason) -> None:
    """Ask the stock point to count what the books are wrong about; posting it ends the doubt."""
    (location,) = {location for _, location in units}
    counts.request(
        location=location, products=[product for product, _ in units],
        cause=f"refused: {why.name}", key=f"refusal:{location}:{first.pk}",
    )  # fmt: skip
