"""What is going on in the demo company's stockrooms: rules, holidays, transfers, a count, units on
display and damaged, purchase orders that came late, and who tells us about stock."""

from datetime import date, time, timedelta

from django.utils import timezone

from inventory import counts, ledger, stock_rules, supplies, transfers
from inventory.models import (
    Capacity,
    Location,
    SpecialDay,
    Stock,
    StockRule,
    StockSource,
    Supply,
)

ACTOR = "demo"
# code: (name, system, how often it should send, in minutes)
SOURCES: dict[str, tuple[str, str, int | None]] = {
    "wms": ("Warehouse WMS", "wms", 60),
    "erp": ("ERP, every night", "erp", 24 * 60),
    "tills": ("Store tills", "till", 15),
    "brightlane": ("Brightlane (supplier)", "supplier", 24 * 60),
}
HOLIDAYS = {(12, 25): "Christmas Day", (12, 26): "Boxing Day", (1, 1): "New Year's Day"}
LATE = ((3, 40, 40), (5, 60, 48), (0, 24, 24), (9, 30, 21))  # days late, ordered, came


def furnish(places: dict[str, Location]) -> dict[str, int]:
    """Make all of it through the real functions; returns what was made, by kind."""
    _sources()
    _days_and_capacities(places)
    _rules(places)
    _set_aside(places)
    return {"transfers": _transfers(places), "counts": _count(places), "receipts": _late(places)}


def _sources() -> None:
    StockSource.objects.bulk_create(
        StockSource(code=code, name=name, system=system, every_minutes=every)
        for code, (name, system, every) in SOURCES.items()
    )


def _days_and_capacities(places: dict[str, Location]) -> None:
    today = timezone.now().date()
    SpecialDay.objects.bulk_create(
        SpecialDay(date=_next(today, month, day), name=name)
        for (month, day), name in HOLIDAYS.items()
    )
    eve = _next(today, 12, 24)
    stores = [place for place in places.values() if place.kind == Location.Kind.STORE]
    SpecialDay.objects.bulk_create(
        SpecialDay(location=store, date=eve, name="Christmas Eve", opens=time(10), closes=time(16))
        for store in stores[:6]
    )
    Capacity.objects.bulk_create(
        Capacity(location=store, weekday=5, delivery="ship", orders=10, units=25)
        for store in stores[:4]
    )


def _next(today: date, month: int, day: int) -> date:
    found = date(today.year, month, day)
    return found if found >= today else date(today.year + 1, month, day)


def _rules(places: dict[str, Location]) -> None:
    today = timezone.now().date()
    StockRule.objects.create(
        name="One on the shelf of every store", kind="safety", position=10, units=1,
        location_kinds=["store"], updated_by=ACTOR,
    )  # fmt: skip
    paris = StockRule.objects.create(
        name="Paris in the holiday season", kind="safety", position=20, units=2, updated_by=ACTOR,
        starts=today - timedelta(days=3), ends=today + timedelta(days=45),
    )  # fmt: skip
    paris.locations.set([p for code, p in places.items() if code.startswith("ST-PARIS")])
    StockRule.objects.create(
        name="Keep two bags per channel", kind="threshold", position=10, units=2,
        categories=["bags"], updated_by=ACTOR,
    )  # fmt: skip
    stock_rules.apply(actor=ACTOR)


def _set_aside(places: dict[str, Location]) -> None:
    entries = []
    for code, bucket in (("ST-PARIS-01", "display"), ("ST-LYON-01", "damaged"),
                         ("WH-CENTRAL", "quality_control")):  # fmt: skip
        for row in Stock.objects.filter(location=places[code], on_hand__gte=4).order_by("pk")[:8]:
            entries.append(
                ledger.Entry(row.product_id, row.location_id, "block", unavailable=1,
                             bucket=bucket, reason=bucket)
            )  # fmt: skip
    ledger.post(entries, actor=ACTOR)


def _transfers(places: dict[str, Location]) -> int:
    warehouse, eta = places["WH-CENTRAL"], timezone.now().date() + timedelta(days=2)
    plenty = list(
        Stock.objects.filter(location=warehouse, on_hand__gte=40).order_by("pk")
        .values_list("product_id", flat=True)[:24]
    )  # fmt: skip
    stores = ["ST-PARIS-01", "ST-PARIS-02", "ST-LYON-01"]
    for n, code in enumerate(stores):
        row = transfers.create(
            flow="both", source=warehouse, destination=places[code], eta=eta, actor=ACTOR,
            units=dict.fromkeys(plenty[8 * n : 8 * n + 8], 4), note="Replenishment",
        )  # fmt: skip
        if n:
            transfers.confirm(transfer_id=row.pk, actor=ACTOR)
        if n == 2:
            transfers.ship(transfer_id=row.pk, actor=ACTOR)
    return len(stores)


def _count(places: dict[str, Location]) -> int:
    place = places["ST-PARIS-01"]
    shelf = Stock.objects.filter(location=place, on_hand__gt=0).order_by("pk")[40:48]
    counts.start(
        location=place.pk, kind="selective", products=[row.product_id for row in shelf],
        sections=["Sales floor", "Back room"], tolerance_units=1, cause="Weekly spot check",
        actor=ACTOR,
    )  # fmt: skip
    return 1


def _late(places: dict[str, Location]) -> int:
    """Purchase orders of last month, so that senders have a record."""
    today = timezone.now().date()
    lines = list(Supply.objects.filter(kind="purchase").order_by("pk")[: 3 * len(LATE)])
    made = []
    for n, (line, (late, ordered, came)) in enumerate(zip(lines, LATE * 3, strict=False)):
        due = today - timedelta(days=late)
        supply = Supply.objects.create(
            reference=f"PO-OLD-{n:02}", supplier=line.supplier, location=line.location,
            product=line.product, quantity=ordered, first_quantity=ordered, eta=due, first_eta=due,
        )  # fmt: skip
        made.append(supplies.Receipt(supply.pk, came, key=f"demo:{n}"))
    supplies.receive(made, actor=ACTOR)
    for line in Supply.objects.filter(pk__in=[r.supply for r in made], state="open"):
        supplies.change(line.pk, quantity=line.received, actor=ACTOR)  # nothing more will come
    return len(made)
