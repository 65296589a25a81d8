"""Orders in from Shopify's export CSV: checked, shown, then placed like any other order."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from django.db import transaction
from django.utils import timezone

from config import forms
from config.jobs import FileProblem, opened
from config.models import Job, JobRow
from config.problems import flat
from inventory.models import Location, Product
from orders import capture
from orders.connectors import shopify_csv
from orders.connectors.base import CannotMap, Mapped, shown
from orders.models import Order, SalesChannel
from orders.payload import OrderPayload

O = JobRow.Outcome  # noqa: E741
SOURCE = "shopify-csv"
READ_AHEAD = 200
MAX_ORDERS = 10_000  # of a file: it is checked in one go, within a task's time limit


class UploadForm(forms.UploadForm):
    """Which channel's orders these are."""

    channel = forms.Choice(help_text="the orders become orders of this channel")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["file"].help_text = "Shopify's CSV; you see what would happen before it does"
        channels = SalesChannel.objects.filter(active=True).values_list("code", "name")
        self.fields["channel"].choices = list(channels)  # type: ignore[attr-defined]


# --- check ---------------------------------------------------------------------------------------


def check(job: Job) -> Iterator[JobRow]:
    """Read the file; of each order say whether it can be placed, is there, or what is wrong."""
    channel = SalesChannel.objects.get(code=job.params["channel"])
    with opened(job) as stream:
        stores, count = _pickup_codes(), 0
        found = iter(shopify_csv.read(stream, pickup_locations=stores))
        try:
            while batch := list(islice(found, READ_AHEAD)):
                count += len(batch)
                if count > MAX_ORDERS:
                    raise FileProblem(
                        f"The file has more than {MAX_ORDERS:,} orders; export it in parts."
                    )
                rows = [_Row(job, one) for one in batch]
                _check_pickups(rows, set(stores.values()))
                yield from _compared(rows, channel)
        except CannotMap as error:
            raise FileProblem(str(error)) from error


class _Row:
    """One order of the file: its row of the job, and the validated payload while that is ready."""

    def __init__(self, job: Job, one: Mapped | CannotMap) -> None:
        self.payload: dict[str, Any] | None = None
        self.row = JobRow(
            job=job, number=one.rows[0], reference=shown(one.source_id)[:100], outcome=O.READY
        )
        if isinstance(one, CannotMap):
            first = one.problems[0]
            self.row.number = first.row or one.rows[0]
            self.fail(first.column or "", "; ".join(str(p) for p in one.problems))
        else:
            self.validate(one.payload)

    def validate(self, data: dict[str, Any]) -> None:
        """The checks that every order passes, before any database is asked."""
        serializer = OrderPayload(data=data)
        problems = (
            [(p.pointer, p.detail) for p in capture.check(serializer.validated_data)]
            if serializer.is_valid()
            else [(entry["pointer"], entry["detail"]) for entry in flat(serializer.errors)]
        )
        if problems:
            words = "; ".join(f"{pointer} {detail}" for pointer, detail in problems)
            self.fail(problems[0][0].strip("/"), words)
            return
        self.payload, self.row.data = serializer.validated_data, data
        self.row.message = f"{len(data['line_items'])} lines, {data['total']} {data['currency']}"

    def fail(self, column: str, words: str) -> None:
        self.end(O.FAILED, words)
        self.row.column = column[:100]

    def end(self, outcome: str, words: str) -> None:
        """Nothing is left to do with this order, so its personal data is not kept."""
        self.payload, self.row.data = None, {}
        self.row.outcome, self.row.message = outcome, words[:2000]

    @property
    def skus(self) -> set[str]:
        return {line["sku"] for line in self.payload["line_items"]} if self.payload else set()


def _check_pickups(rows: Sequence[_Row], codes: set[str]) -> None:
    for row in rows:
        delivery = row.payload["delivery"] if row.payload else {}
        if delivery.get("method") == Order.Delivery.PICKUP and delivery["location"] not in codes:
            row.fail(
                "Shipping Method", f"no stock point for pick-up is called {delivery['location']}"
            )


def _compared(rows: Sequence[_Row], channel: SalesChannel) -> list[JobRow]:
    """Ends ready rows whose order is there already or whose products are not."""
    ready = {row.payload["external_id"]: row for row in rows if row.payload}
    known = Product.objects.filter(sku__in=set().union(*(r.skus for r in rows)), active=True)
    skus = set(known.values_list("sku", flat=True))
    there = Order.objects.filter(channel=channel, external_id__in=ready).only(
        "external_id", "payload_hash", "source"
    )
    for order in there:
        _end_known(ready.pop(order.external_id), order)
    for row in ready.values():
        unknown = sorted(row.skus - skus)
        if unknown:
            row.fail("Lineitem sku", f"no active product has SKU {', '.join(unknown)}")
    return [row.row for row in rows]


def _end_known(row: _Row, order: Order) -> None:
    assert row.payload is not None
    same = order.payload_hash == capture.payload_hash(row.payload)
    if same or order.source != SOURCE:  # another way in writes the same order in other words
        row.end(O.SAME, f"{order.number}, placed before")
    else:
        row.fail("", f"{order.number} was placed before with other content")


# --- apply ---------------------------------------------------------------------------------------


def apply(job: Job, rows: Sequence[JobRow]) -> None:
    """Place accepted orders, each in its own savepoint: one that fails does not stop the rest."""
    channel = SalesChannel.objects.get(code=job.params["channel"])
    for row in rows:
        payload = OrderPayload(data=row.data)
        payload.is_valid(raise_exception=True)
        try:
            with transaction.atomic():
                placed = capture.place(
                    channel=channel, order=payload.validated_data, source=SOURCE,
                    actor=f"job {job.pk}", now=timezone.now(),
                )  # fmt: skip
        except capture.AlreadyPlaced as known:
            row.outcome = O.SAME if known.same else O.FAILED
            row.message = str(known) if known.same else f"{known} with other content"
        except capture.Refused as refused:
            row.outcome, row.message = O.FAILED, str(refused)[:2000]
        else:
            row.outcome, row.message = O.CREATED, Order(pk=placed.order_id).number
        row.data = {}  # personal data is in the order now, not in the job


def _pickup_codes() -> dict[str, str]:
    """Shopify names a pick-up location; ours are found by that name."""
    return dict(Location.objects.filter(can_pickup=True, active=True).values_list("name", "code"))
