"""Short ways to promise what is on its way and to let it arrive."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone

from config import outbox
from config.models import OutboxRow
from inventory import supplies
from inventory.models import Stock, Supply
from orders.models import SalesChannel
from reports.invariants import violations
from tests.fulfillment import stage

TODAY = timezone.localdate(timezone=ZoneInfo("Europe/Paris"))  # where LYON is


def backordering(company, on_shortage="backorder"):
    stage.only(company, "LYON")
    SalesChannel.objects.update(on_shortage=on_shortage)
    company.web.refresh_from_db()
    return company


def supply(company, quantity, *, reference="PO-1", days=10, sku="SOLD", code="LYON", **more):
    line = supplies.Line(
        reference=reference, product=company.products[sku].pk,
        location=company.locations[code].pk, quantity=quantity,
        eta=TODAY + timedelta(days=days) if days is not None else None, **more,
    )  # fmt: skip
    supplies.upsert([line], actor="test")
    return Supply.objects.get(reference=reference)


def receive(row, quantity, *, refused=0, key=None):
    said = supplies.Receipt(row.pk, quantity, key or f"r-{row.pk}-{row.received}", refused)
    result = supplies.receive([said], actor="test")
    row.refresh_from_db()
    return result


def units(order):
    """(quantity, queue or state, where) of an order's slices, the larger first."""
    rows = order.allocations.select_related("location").order_by("-quantity", "id")
    return [(r.quantity, r.queue or r.state, r.location and r.location.code) for r in rows]


def stock(company, sku="SOLD", code="LYON"):
    return Stock.objects.get(product=company.products[sku], location=company.locations[code])


def settle():
    """Do the work on supplies, and what that leaves to do."""
    work = OutboxRow.objects.filter(topic="supply", done_at=None)
    for _ in range(9):
        work.update(next_at=timezone.now() - timedelta(hours=1))  # a test's own time stands still
        if not outbox.drain("supply"):
            break
    assert not work.exists(), work.values("last_error")
    OutboxRow.objects.filter(topic="supply").delete()  # one transaction rings once per supply


def sound():
    assert not {name: rows for name, rows in violations().items() if rows}
