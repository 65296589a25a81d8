"""Gets orders to where a test of work begins, through the real doors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from config import outbox
from fulfillment import work
from fulfillment.models import FulfillmentOrder
from inventory.models import PoolLocation, Stock
from orders.models import Allocation, Order
from tests.cast import Company

ACTOR = "lea"


def only(company: Company, *codes: str) -> None:
    """Let the web channel promise from these stock points alone, so that routing has no choice."""
    PoolLocation.objects.exclude(location__code__in=codes).delete()


def drain(*topics: str) -> None:
    """Do the local work that is due."""
    for topic in topics or ("route", "work"):
        outbox.drain(topic)


def asked(
    company: Company, *items: tuple[str, int], at: str = "LYON", **changes: Any
) -> FulfillmentOrder:
    """A new fulfillment order at a stock point."""
    only(company, at)
    order = company.place(*items, **changes)
    drain()
    return FulfillmentOrder.objects.get(order=order)


def for_pickup(company: Company, *items: tuple[str, int]) -> FulfillmentOrder:
    """A new fulfillment order that the customer collects in Lyon."""
    delivery = {"method": "pickup", "location": "LYON", "service": "standard"}
    return asked(company, *items, delivery=delivery)


def until(row: FulfillmentOrder, state: str) -> FulfillmentOrder:
    """Press buttons until the work is accepted, picked, packed or ready."""
    for button, reached in (
        (work.accept, "accepted"), (work.pick_all, "picked"), (work.pack, "packed"),
        (work.ready, "ready"),
    ):  # fmt: skip
        button(fulfillment_order_id=row.pk, actor=ACTOR)
        if reached == state:
            break
    row.refresh_from_db()
    return row


def shipped(row: FulfillmentOrder, number: str = "1Z-1") -> Any:
    """Pack and ship; returns the parcel."""
    until(row, "packed")
    return work.ship(
        fulfillment_order_id=row.pk, carrier="ups", tracking_number=number, actor=ACTOR
    ).parcel


def states(order: Order) -> dict[str, int]:
    """Units of the order by state."""
    found: dict[str, int] = {}
    for state, quantity in Allocation.objects.filter(order=order).values_list("state", "quantity"):
        found[state] = found.get(state, 0) + quantity
    return found


def kinds(order: Order) -> list[str]:
    """The timeline's kinds, oldest first."""
    return list(order.events.order_by("id").values_list("kind", flat=True))


def stock(company: Company, sku: str, code: str) -> tuple[int, int]:
    """(on hand, reserved) of a product at a stock point."""
    row = Stock.objects.get(product=company.products[sku], location=company.locations[code])
    return row.on_hand, row.reserved


@contextmanager
def statements() -> Iterator[list[dict[str, str]]]:
    """The SQL statements run inside, filled in when it ends."""
    found: list[dict[str, str]] = []
    with CaptureQueriesContext(connection) as captured:
        yield found
    found += [q for q in captured.captured_queries if "SAVEPOINT" not in q["sql"]]
