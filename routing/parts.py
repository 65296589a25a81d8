"""The parts of an order that are decided by themselves.

Each destination is one; and what leaves together, whatever its destination has besides, is one of
its own, which leaves in one parcel or not at all.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from django.db.models import QuerySet

from orders.destinations import PICKUP, Destination
from orders.models import Allocation, Order

# A destination's lines in one box, or those of no box: (group or 0, word).
Key = tuple[int, str]


class HasKey(Protocol):
    """A waiting slice."""

    @property
    def group(self) -> int | None:
        """Its line's delivery group."""

    @property
    def together(self) -> str:
        """The word that its line shares with those it leaves with."""


@dataclass(frozen=True)
class Part:
    """One part; `box` None: all lines of the destination. `is_whole`: all lines of the order.

    kept: it leaves in one parcel, or waits.
    """

    destination: Destination
    kept: bool = False
    box: str | None = None
    is_whole: bool = False

    @property
    def is_pickup(self) -> bool:
        """Whether it can only be served by the place where it is collected."""
        return self.destination.delivery == PICKUP

    @property
    def method(self) -> str:
        """Which capacity of a stock point's day it takes."""
        return "pickup" if self.is_pickup else "ship"

    def slices(self) -> QuerySet[Allocation]:
        """All slices of the part, wherever they are."""
        group = self.destination.group
        rows = Allocation.objects.filter(order=self.destination.order, line__group=group)
        return rows if self.box is None else rows.filter(line__together=self.box)


def whole(order: Order) -> Part:
    """The order as if all of it went to its own destination."""
    return Part(Destination(order), kept=order.ship_together, is_whole=True)


def is_one(order: Order, waiting: Iterable[HasKey]) -> bool:
    """Whether all that waits goes to the order's own destination, in any number of parcels."""
    return not order.ship_together and not any(one.group or one.together for one in waiting)


def of(order: Order, waiting: Iterable[HasKey]) -> list[Part]:
    """The parts of what waits: just the whole for an ordinary order, without a statement."""
    keys = {(one.group or 0, "" if order.ship_together else one.together) for one in waiting}
    if keys == {(0, "")}:
        return [whole(order)]
    groups = order.delivery_groups.select_related("pickup_location").in_bulk(
        [group for group, _ in keys if group]
    )
    return [
        Part(
            Destination(order, groups.get(group)),
            kept=order.ship_together or bool(word),
            box=None if order.ship_together else word,
        )
        for group, word in sorted(keys)
    ]
