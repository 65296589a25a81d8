"""The job of an order file: its columns are known or asked for, then it is checked and placed."""

from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError

from config import forms, tables
from config.jobs import FileProblem, opened
from config.models import Job, JobRow
from orders.models import ColumnMapping, SalesChannel
from orders.order_files import checking, reading
from orders.order_files.mapping import Columns

SOURCE = "file"
NEW = ""


class UploadForm(forms.UploadForm):
    """Which channel's orders these are, and what the columns of its files hold."""

    channel = forms.Choice(help_text="the orders become orders of this channel")
    mapping = forms.Choice(
        required=False, label="Columns", help_text="as they were saved for an earlier file, or say"
        " them on the next page",
    )  # fmt: skip

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        channels = SalesChannel.objects.filter(active=True).values_list("code", "name")
        self.fields["channel"].choices = list(channels)  # type: ignore[attr-defined]
        saved = ColumnMapping.objects.filter(channel__active=True).select_related("channel")
        self.fields["mapping"].choices = [  # type: ignore[attr-defined]
            (NEW, "new: I say them on the next page"),
            *((str(row.pk), f"{row.name} ({row.channel})") for row in saved),
        ]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        chosen = data.get("mapping") or NEW
        if chosen != NEW:
            row = ColumnMapping.objects.select_related("channel").get(pk=int(chosen))
            if row.channel.code != data.get("channel"):
                raise ValidationError({"mapping": f"These are columns of {row.channel}'s files."})
            data["mapping"] = row.pk
        data["asking"] = chosen == NEW
        return data


def check(job: Job) -> Iterator[JobRow]:
    """Read the file; of each order say whether it can be placed, is there, or what is wrong."""
    channel = SalesChannel.objects.get(code=job.params["channel"])
    row = ColumnMapping.objects.filter(pk=job.params["mapping"]).first()
    if row is None:
        raise FileProblem("What its columns hold was deleted meanwhile; upload it again.")
    columns = Columns.of(row)
    zone = ZoneInfo(settings.COMPANY_TIME_ZONE)
    meaning = reading.Meaning(columns, channel.currency, zone)
    with opened(job) as stream:
        rows = tables.read(stream, columns=tuple(sorted(set(columns.columns.values()))))
        for batch in checking.in_batches(job, reading.orders(rows, meaning)):
            yield from checking.compared(
                batch, channel, source=SOURCE, sku_column=columns.columns["sku"]
            )


def apply(job: Job, rows: Sequence[JobRow]) -> None:
    """Place accepted orders; one that fails does not stop the rest."""
    checking.place(job, rows, source=SOURCE)
