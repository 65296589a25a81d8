"""Short ways to the events that send mail, through the functions behind the buttons."""

import itertools

from config import outbox
from config.models import OutboxRow
from fulfillment import work
from fulfillment.models import FulfillmentOrder
from orders import lifecycle
from orders.models import Allocation, Order

_numbers = itertools.count(1)


def send_all() -> int:
    """Do all the messages' work that is due; returns rows done."""
    return outbox.drain("notify")


def asked(order: Order, event: str) -> OutboxRow:
    """The work that an event of the order asked for."""
    return OutboxRow.objects.get(topic="notify", subject=order.pk, payload__event=event)


def packed(order: Order) -> list[FulfillmentOrder]:
    """Route the order to where it holds stock and have all of it picked and packed there."""
    pieces = list(order.allocations.filter(state="queued", reservation__isnull=False))
    lifecycle.move_slices(pieces, Allocation.State.ALLOCATED, queue="")
    work.sync(order_id=order.pk)
    tasks = list(FulfillmentOrder.objects.filter(order=order, state="new").order_by("pk"))
    for task in tasks:
        work.accept(fulfillment_order_id=task.pk, actor="lea")
        work.pick_all(fulfillment_order_id=task.pk, actor="lea")
        if FulfillmentOrder.objects.get(pk=task.pk).state == "picked":
            work.pack(fulfillment_order_id=task.pk, actor="lea")
    return tasks


def ship(task: FulfillmentOrder, *, tracking: str = "") -> int:
    """Hand one packed parcel to the carrier; returns the parcel's id."""
    outcome = work.ship(
        fulfillment_order_id=task.pk, carrier="DHL",
        tracking_number=tracking or f"TR{next(_numbers)}", actor="lea",
    )  # fmt: skip
    return outcome.parcel.pk
