"""Orders in from Shopify's export CSV: checked, shown, then placed like any other order."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from django.db import transaction
from django.utils import timezone
from rest_framework.exceptions import ErrorDetail

from config import forms
from config.jobs import FileProblem
from config.models import Job, JobRow
from inventory.models import Location, Product
from orders import capture
from orders.connectors import shopify_csv
from orders.connectors.base import CannotMap
from orders.models import Order, SalesChannel
from orders.payload import OrderPayload

class UploadForm(forms.UploadForm):
    """Which channel's orders these are."""

    channel = forms.Choice(help_text="the orders become orders of this channel")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        channels = SalesChannel.objects.filter(active=True).values_list("code", "name")
        self.fields["channel"].choices = list(channels)  # type: ignore[attr-defined]


O = JobRow.Outcome  # noqa: E741
READ_AHEAD = 200


def check(job: Job) -> Iterator[JobRow]:
    """Read the file; of each order say whether it can be placed, is there, or what is wrong."""
    assert job.file is not None
    channel = SalesChannel.objects.get(code=job.params["channel"])
    with job.file.open("rb") as stream:
        found = iter(shopify_csv.read(stream, pickup_locations=_pickup_codes()))
        try:
            while batch := list(islice(found, READ_AHEAD)):
                yield from _known([_row(job, one) for one in batch], channel)
        except CannotMap as error:
            raise FileProblem(str(error)) from error


def _row(job: Job, one: Any) -> JobRow:
    if isinstance(one, CannotMap):
        problem = one.problems[0]
        return JobRow(
            job=job, number=problem.row or 1, outcome=O.FAILED, column=problem.column or "",
            message="; ".join(p.reason for p in one.problems)[:2000],
        )  # fmt: skip
    row = JobRow(job=job, number=one.rows[0], reference=one.source_id[:100], outcome=O.READY)
    payload = OrderPayload(data=one.payload)
    if not payload.is_valid():
        field, words = first_error(payload.errors)
        row.outcome, row.column, row.message = O.FAILED, field[:100], words
        return row
    problems = capture.check(payload.validated_data)
    if problems:
        row.outcome, row.column = O.FAILED, problems[0].pointer[:100]
        row.message = "; ".join(f"{p.pointer} {p.detail}" for p in problems)
        return row
    row.data = one.payload
    row.message = f"{len(one.payload['line_items'])} lines, {one.payload['total']} {one.payload['currency']}"  # noqa: E501
    return row


def first_error(errors: Any, path: str = "") -> tuple[str, str]:
    """The first error of a serializer: its path and its words."""
    if isinstance(errors, ErrorDetail | str):
        return path or "order", str(errors)
    if isinstance(errors, Mapping):
        name, inner = next((n, e) for n, e in errors.items() if e)
        return first_error(inner, f"{path}/{name}".strip("/"))
    index, inner = next((i, e) for i, e in enumerate(errors) if e)
    return first_error(inner, path if isinstance(inner, str) else f"{path}/{index}")


def _known(rows: Sequence[JobRow], channel: SalesChannel) -> list[JobRow]:
    ready = [row for row in rows if row.outcome == O.READY]
    there = set(
        Order.objects.filter(
            channel=channel, external_id__in=[r.data["external_id"] for r in ready]
        ).values_list("external_id", flat=True)
    )
    wanted = {line["sku"] for row in ready for line in row.data["line_items"]}
    skus = set(Product.objects.filter(sku__in=wanted, active=True).values_list("sku", flat=True))
    for row in ready:
        unknown = sorted({line["sku"] for line in row.data["line_items"]} - skus)
        if unknown:
            row.outcome, row.column = O.FAILED, "Lineitem sku"
            row.message = f"no active product has SKU {', '.join(unknown)}"
        elif row.data["external_id"] in there:
            row.outcome, row.message = O.SAME, "this channel placed it before"
    return list(rows)


def apply(job: Job, rows: Sequence[JobRow]) -> None:
    """Place accepted orders, each in its own savepoint: one that fails does not stop the rest."""
    channel = SalesChannel.objects.get(code=job.params["channel"])
    for row in rows:
        payload = OrderPayload(data=row.data)
        payload.is_valid(raise_exception=True)
        try:
            with transaction.atomic():
                placed = capture.place(
                    channel=channel, order=payload.validated_data, source="shopify-csv",
                    actor=f"job {job.pk}", now=timezone.now(),
                )  # fmt: skip
        except capture.AlreadyPlaced as known:
            row.outcome = O.SAME if known.same else O.FAILED
            row.message = str(known) if known.same else f"{known} with other content"
        except capture.Refused as refused:
            row.outcome, row.message = O.FAILED, str(refused)
        else:
            row.outcome, row.message = O.CREATED, Order(pk=placed.order_id).number
        row.data = {}  # personal data is in the order now, not in the job


def _pickup_codes() -> dict[str, str]:
    return dict(Location.objects.filter(can_pickup=True, active=True).values_list("name", "code"))
