"""A batch of rows handed to the ledger, and what became of each in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.utils import timezone

from config.api import shown
from inventory import counts, ledger
from inventory.feeds.rows import Line
from inventory.ledger import Verdict
from inventory.models import Stock, StockFeed, StockSource

BATCH = 500  # rows of one transaction: what a buyer may have to wait for


@dataclass(frozen=True)
class Delivery:
    """What the rows of a batch have in common.

    `at` is the time of rows that have none of their own; None: changes are of now. `facts`: what
    was sold at a till is taken even when the books do not have it.
    """

    absolute: bool
    at: datetime | None
    actor: str
    facts: bool = False
    feed: int | None = None

    @classmethod
    def of(cls, feed: StockFeed) -> "Delivery":
        """What a source's delivery has in common; a level without a time is of its arrival."""
        absolute = feed.mode == StockFeed.Mode.ABSOLUTE
        return cls(
            absolute, feed.as_of or (feed.received_at if absolute else None), feed.actor,
            feed.source.system == StockSource.System.TILL, feed.pk,
        )  # fmt: skip

    @property
    def cause(self) -> dict[str, Any]:
        """The document that the ledger's rows point at."""
        return {"cause_type": "feed" if self.feed else "", "cause_id": self.feed}


def see(delivery: Delivery, lines: Sequence[Line]) -> list[Verdict]:
    """What would become of these rows now; a pair that has no stock row yet has no units."""
    told = [line.told for line in lines]
    if delivery.absolute:
        found = ledger.see_levels(told, at=delivery.at or timezone.now())
    else:
        found = ledger.see_changes(told, at=delivery.at, facts=delivery.facts)
    return [
        _of_none(delivery, v, told[v.row].units) if v.state == "absent" else v for v in found
    ]  # fmt: skip


def _of_none(delivery: Delivery, verdict: Verdict, units: int) -> Verdict:
    if units < 0 and not delivery.facts:
        return verdict._replace(state="short", before=0)
    state = "changed" if units else "same"
    return verdict._replace(state=state, before=0, after=max(units, 0))


def take(delivery: Delivery, lines: Sequence[Line]) -> list[Verdict]:
    """Take these rows into the books, in one transaction with the caller's own; in order."""
    told = [line.told for line in lines]
    if not delivery.absolute:
        found = ledger.take_changes(
            told, at=delivery.at, facts=delivery.facts, actor=delivery.actor, **delivery.cause
        )
        _ask_for_counts(delivery, found)
        return found
    found = ledger.take_levels(
        told, at=delivery.at or timezone.now(), actor=delivery.actor, **delivery.cause
    )
    if any(line.unavailable for line in lines):
        return _set_unavailable(delivery, lines, found)
    return found


def _set_unavailable(
    delivery: Delivery, lines: Sequence[Line], found: list[Verdict]
) -> list[Verdict]:
    """The rows taken are locked, so what is unavailable of them stands still."""
    pairs = {(v.product, v.location): v.row for v in found if v.taken and lines[v.row].unavailable}
    stock = Stock.objects.filter(
        product_id__in={product for product, _ in pairs},
        location_id__in={location for _, location in pairs},
    )
    entries = [
        ledger.Entry(
            row.product_id, row.location_id, "block" if change > 0 else "unblock",
            unavailable=change, bucket=bucket, **delivery.cause,
        )
        for row in stock if (row.product_id, row.location_id) in pairs
        for bucket, units in sorted(
            lines[pairs[row.product_id, row.location_id]].unavailable.items()
        )
        if (change := units - getattr(row, bucket))
    ]  # fmt: skip
    ledger.post(entries, actor=delivery.actor)
    moved = {(entry.product, entry.location) for entry in entries}
    return [
        v._replace(state="changed") if (v.product, v.location) in moved else v for v in found
    ]  # fmt: skip


def _ask_for_counts(delivery: Delivery, found: Sequence[Verdict]) -> None:
    """Where a till sold what the books did not have, somebody should look at the shelf."""
    pairs = {(v.location, v.product) for v in found if v.found and v.location and v.product}
    for location, group in groupby(sorted(pairs), key=itemgetter(0)):
        products = [product for _, product in group]
        counts.request(
            location=location, products=products,
            cause="a till sold more than the books had",
            key=f"feed:{delivery.feed}:{location}:{products[0]}",
        )  # fmt: skip


def refusal(verdict: Verdict, line: Line) -> tuple[str, str]:
    """The column that a refused row stumbles over, and why, in words."""
    units = "quantity" if verdict.state in {"older", "twin", "counted", "moved"} else "change"
    at = f"{verdict.at:%Y-%m-%d %H:%M} UTC" if verdict.at else ""
    return {
        "sku": ("sku", f"no product has SKU {shown(line.told.sku)}"),
        "location": ("location", f"no stock point has the code {shown(line.told.location)}"),
        "older": (units, f"a newer level, of {at}, was taken before"),
        "twin": (units, f"another level of the same time was taken; {verdict.before} are there"),
        "counted": (units, f"counted at {at}, after the level's time"),
        "moved": (units, f"moved at {at}, after the level's time"),
        "included": (units, f"the level of {at} holds this already"),
        "short": (units, f"only {verdict.before} are there"),
    }[verdict.state]
