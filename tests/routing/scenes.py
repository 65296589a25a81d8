"""Short ways to set a scene around one order and to look at it afterwards."""

from collections import Counter
from datetime import UTC, datetime

from django.utils import timezone

from config import outbox
from config.models import OutboxRow
from inventory import ledger
from inventory.models import Reservation, Stock
from orders import lifecycle
from orders.models import Allocation, Order
from reports.invariants import violations
from routing import decide, refusals
from routing.models import Decision
from tests.cast import change_rules


def route(order: Order, cause: str = "received") -> Decision | None:
    return decide.route(order_id=order.pk, cause=cause, actor="test")


def refuse(order: Order, place: str, reason: str = "too_busy", units: int | None = None):
    """As fulfillment.work does: lock, cut, re-route."""
    lifecycle.lock(order.pk)
    slices = list(order.allocations.filter(location__code=place).exclude(state="queued"))
    if units is not None:
        slices = [lifecycle.split_slice(slices[0], quantity=units)]
    return refusals.reroute(slices=slices, reason=reason, actor="test")


def places(order: Order) -> Counter:
    """(state, stock point, units) of the order's slices, counted in units."""
    found: Counter = Counter()
    for piece in Allocation.objects.filter(order=order).select_related("location"):
        found[piece.state, piece.location and piece.location.code] += piece.quantity
    return found


def waiting(order: Order) -> list[tuple[str, str, int]]:
    """(queue, reason, units) of the slices that wait."""
    rows = Allocation.objects.filter(order=order, state="queued").order_by("id")
    return [(row.queue, row.queue_reason, row.quantity) for row in rows]


def claimed(order: Order) -> Counter:
    """Units that the order holds, by stock point."""
    found: Counter = Counter()
    for claim in Reservation.objects.filter(owner_id=order.pk).select_related("location"):
        found[claim.location.code] += claim.quantity
    return found


def stock(company, sku: str, place: str) -> Stock:
    return Stock.objects.get(product=company.products[sku], location=company.locations[place])


def take_away(company, sku: str, place: str, leave: int = 0) -> None:
    """Somebody else claims what is free there, but for `leave` units."""
    row = stock(company, sku, place)
    units = row.free - leave
    claim = ledger.Claim(1, row.product_id, row.location_id, units, 999)
    assert ledger.reserve([claim], owner_type="hold", actor="somebody else")


def bring(company, sku: str, place: str, units: int) -> None:
    """A delivery."""
    entry = ledger.Entry(company.products[sku].pk, company.locations[place].pk, "receipt",
                         on_hand=units)  # fmt: skip
    ledger.post([entry], actor="test")


def prefer_central(**changes) -> None:
    """Rules under which the central warehouse always wins when it has the goods."""
    change_rules(central_bonus=90, **changes)


def queue_when_short(company) -> None:
    """The channel takes orders that it cannot serve yet."""
    company.web.on_shortage = "queue"
    company.web.save()


def all_due() -> None:
    """As if the retry's time had come."""
    Allocation.objects.filter(queue="unfillable").update(next_action_at=timezone.now())


def check() -> None:
    """Every invariant that does not need the later rooms of the house."""
    broken = {name: rows for name, rows in violations().items() if rows and name[:3] != "I12"}
    assert not broken


def work(*topics: str) -> None:
    """Workers hear the bell. (In a test's transaction the database's clock stands still, so work
    that was just written is not due by itself.)"""
    for topic in topics:
        OutboxRow.objects.filter(done_at=None).update(next_at=datetime(2020, 1, 1, tzinfo=UTC))
        outbox.drain(topic)
