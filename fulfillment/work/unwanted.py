"""Picked units that nobody wants any more: kept as put-backs until somebody has put them back."""

from collections.abc import Iterable

from django.db.models import QuerySet
from django.utils import timezone

from fulfillment.models import FulfillmentLine, PutBack

Unwanted = tuple[FulfillmentLine, int, str]  # a line with its work, units in hand, why in words


def keep(units: Iterable[Unwanted]) -> None:
    """Ask people to put these units back; one statement, none when there is nothing.

    A stock point with a system of its own is told by it: nobody there looks at a list of ours.
    """
    now = timezone.now()
    rows = [
        PutBack(
            location_id=line.fulfillment_order.location_id, line=line, quantity=n,
            reason=why[:100], created_at=now,
        )
        for line, n, why in units
        if n > 0 and not line.fulfillment_order.location.wms_url
    ]  # fmt: skip
    if rows:
        PutBack.objects.bulk_create(rows)


def put_back(rows: QuerySet[PutBack], *, actor: str) -> int:
    """They are on the shelf again. Returns how many of the rows that is news for.

    Only open rows are written: of two people who press at once, the second changes nothing.
    """
    return rows.filter(done_at=None).update(done_at=timezone.now(), done_by=actor)
