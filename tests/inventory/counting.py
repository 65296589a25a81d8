"""A shop that counts: the helpers of the tests of counts."""

from django.utils import timezone

from inventory import counts, ledger
from inventory.counts import Found
from inventory.models import (
    CountLine,
    Stock,
    StockMovement,
)
from reports.invariants import violations

BY = "lea"


def now():
    return timezone.now()


class Shop:
    def __init__(self, company):
        self.company, self.place = company, company.locations["LYON"]

    def sku(self, sku):
        return self.company.products[sku].pk

    def start(self, *skus, **options):
        kind = options.pop("kind", "selective")
        return counts.start(location=self.place.pk, kind=kind, actor="max",
                            products=[self.sku(sku) for sku in skus], **options)  # fmt: skip

    def find(self, count, at=None, by=BY, section=None, **found):
        """Figures for one section, counted now or `at`."""
        entries = [Found(sku, units, at or now()) for sku, units in found.items()]
        section = section or count.sections.order_by("id")[0]
        return counts.record(section_id=section.pk, entries=entries, by=by)

    def hand_in(self, count, **options):
        for section in count.sections.filter(submitted_at=None):
            counts.submit_section(section_id=section.pk, by=section.counter or BY)
        return counts.submit(count_id=count.pk, by=BY, **options)

    def count(self, **found):
        """A selective count from its opening to the review."""
        count = self.start(*found)
        self.find(count, **found)
        self.hand_in(count)
        return count

    def accept_all(self, count):
        lines = list(count.lines.values_list("id", flat=True))
        counts.decide(count_id=count.pk, lines=lines, decision="accept", by="max")

    def post(self, count):
        return counts.post(count_id=count.pk, by="max")

    def stock(self, sku):
        return Stock.objects.get(product_id=self.sku(sku), location=self.place)

    def move(self, sku, units, kind="adjustment"):
        entry = ledger.Entry(self.sku(sku), self.place.pk, kind, on_hand=units)
        ledger.post([entry], actor="test")

    def line(self, count, sku):
        return CountLine.objects.get(count=count, product_id=self.sku(sku))

    def row(self, count, sku):
        return next(row for row in counts.rows(count) if row.sku == sku)


def adjusted(count):
    """What the count booked: (sku, change) of its movements of on hand."""
    lines = {line.pk for line in count.lines.all()}
    rows = StockMovement.objects.filter(cause_type="count_line", cause_id__in=lines, kind="count")
    return sorted(rows.values_list("product__sku", "on_hand"))


def all_hold():
    broken = {name: rows for name, rows in violations().items() if rows}
    assert broken == {}
