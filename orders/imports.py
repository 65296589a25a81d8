"""Orders in from Shopify's export CSV: checked, shown, then placed like any other order."""

from collections.abc import Iterator, Sequence
from typing import Any

from config import forms
from config.jobs import FileProblem, opened
from config.models import Job, JobRow
from inventory.models import Location
from orders.connectors import shopify_csv
from orders.connectors.base import CannotMap
from orders.models import Order, SalesChannel
from orders.order_files import checking
from orders.order_files.checking import FileOrder

SOURCE = "shopify-csv"


class UploadForm(forms.UploadForm):
    """Which channel's orders these are."""

    channel = forms.Choice(help_text="the orders become orders of this channel")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["file"].help_text = "Shopify's CSV; you see what would happen before it does"
        channels = SalesChannel.objects.filter(active=True).values_list("code", "name")
        self.fields["channel"].choices = list(channels)  # type: ignore[attr-defined]


def check(job: Job) -> Iterator[JobRow]:
    """Read the file; of each order say whether it can be placed, is there, or what is wrong."""
    channel = SalesChannel.objects.get(code=job.params["channel"])
    with opened(job) as stream:
        stores = _pickup_codes()
        found = shopify_csv.read(stream, pickup_locations=stores)
        try:
            for batch in checking.in_batches(job, found):
                _check_pickups(batch, set(stores.values()))
                yield from checking.compared(
                    batch, channel, source=SOURCE, sku_column="Lineitem sku"
                )
        except CannotMap as error:
            raise FileProblem(str(error)) from error


def _check_pickups(rows: Sequence[FileOrder], codes: set[str]) -> None:
    for row in rows:
        delivery = row.payload["delivery"] if row.payload else {}
        if delivery.get("method") == Order.Delivery.PICKUP and delivery["location"] not in codes:
            row.fail(
                "Shipping Method", f"no stock point for pick-up is called {delivery['location']}"
            )


def apply(job: Job, rows: Sequence[JobRow]) -> None:
    """Place accepted orders; one that fails does not stop the rest."""
    checking.place(job, rows, source=SOURCE)


def _pickup_codes() -> dict[str, str]:
    """Shopify names a pick-up location; ours are found by that name."""
    return dict(Location.objects.filter(can_pickup=True, active=True).values_list("name", "code"))
