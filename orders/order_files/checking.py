"""Orders of a file: what would become of them, and placing those that a person accepted."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from django.utils import timezone
from rest_framework.serializers import ValidationError

from config.jobs import FileProblem
from config.models import Job, JobRow
from config.problems import flat
from inventory.models import Product
from orders import capture
from orders.capture.items import in_our_skus
from orders.connectors.base import CannotMap, Mapped, shown
from orders.models import Order, SalesChannel
from orders.payload import validated

O = JobRow.Outcome  # noqa: E741
READ_AHEAD = 200
MAX_ORDERS = 10_000  # of a file: it is checked in one go, within a task's time limit


class FileOrder:
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
            self._validate(one.payload)

    def _validate(self, data: dict[str, Any]) -> None:
        """The checks that every order passes, before any database is asked."""
        try:
            payload = validated(data)
            problems = [(p.pointer, p.detail) for p in capture.check(payload)]
        except ValidationError as error:
            problems = [(entry["pointer"], entry["detail"]) for entry in flat(error.detail)]
        if problems:
            words = "; ".join(f"{pointer} {detail}" for pointer, detail in problems)
            self.fail(problems[0][0].strip("/"), words)
            return
        self.payload, self.row.data = payload, data
        self.row.message = f"{len(data['line_items'])} lines, {data['total']} {data['currency']}"

    def fail(self, column: str, words: str) -> None:
        """It is refused, with the column that is to blame."""
        self.end(O.FAILED, words)
        self.row.column = column[:100]

    def end(self, outcome: str, words: str) -> None:
        """Nothing is left to do with this order, so its personal data is not kept."""
        self.payload, self.row.data = None, {}
        self.row.outcome, self.row.message = outcome, words[:2000]


def in_batches(job: Job, found: Iterable[Mapped | CannotMap]) -> Iterator[list[FileOrder]]:
    """The orders of a file, some at a time; raises FileProblem when they are too many."""
    left, count = iter(found), 0
    while batch := list(islice(left, READ_AHEAD)):
        count += len(batch)
        if count > MAX_ORDERS:
            raise FileProblem(f"The file has more than {MAX_ORDERS:,} orders; export it in parts.")
        yield [FileOrder(job, one) for one in batch]


def compared(
    rows: Sequence[FileOrder], channel: SalesChannel, *, source: str, sku_column: str
) -> list[JobRow]:
    """Ends ready rows whose order is there already or whose products are not."""
    ready = {row.payload["external_id"]: row for row in rows if row.payload}
    there = Order.objects.filter(channel=channel, external_id__in=ready).only(
        "external_id", "payload_hash", "source"
    )
    for order in there:
        _end_known(ready.pop(order.external_id), order, source)
    left = list(ready.values())
    ours = in_our_skus(channel, [row.payload for row in left if row.payload])
    skus = [{line["sku"] for line in order["line_items"]} for order in ours]
    known = set(
        Product.objects.filter(sku__in=set().union(*skus), active=True).values_list(
            "sku", flat=True
        )
    )
    for row, wanted in zip(left, skus, strict=True):
        unknown = sorted(wanted - known)
        if unknown:
            row.fail(sku_column, f"no active product has SKU {', '.join(unknown)}")
    return [row.row for row in rows]


def _end_known(row: FileOrder, order: Order, source: str) -> None:
    assert row.payload is not None
    same = order.payload_hash == capture.payload_hash(row.payload)
    if same or order.source != source:  # another way in writes the same order in other words
        row.end(O.SAME, f"{order.number}, placed before")
    else:
        row.fail("", f"{order.number} was placed before with other content")


def place(job: Job, rows: Sequence[JobRow], *, source: str) -> None:
    """Place accepted orders together; one that fails does not stop the rest."""
    channel = SalesChannel.objects.get(code=job.params["channel"])
    answers = capture.place_many(
        channel=channel, orders=[validated(row.data) for row in rows], source=source,
        actor=f"job {job.pk}", now=timezone.now(),
    )  # fmt: skip
    for row, answer in zip(rows, answers, strict=True):
        if isinstance(answer, capture.AlreadyPlaced):
            row.outcome = O.SAME if answer.same else O.FAILED
            row.message = str(answer) if answer.same else f"{answer} with other content"
        elif isinstance(answer, capture.Refused):
            row.outcome, row.message = O.FAILED, str(answer)[:2000]
        else:
            row.outcome, row.message = O.CREATED, Order(pk=answer.order_id).number
        row.data = {}  # personal data is in the order now, not in the job
