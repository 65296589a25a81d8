"""Ways to tell a stock point's own system about its work: a protocol, a registry, the handler.

To add a system: one module here with a class that has `send`, and one line in CONNECTORS.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

from django.utils import timezone
from django.utils.module_loading import import_string

from config import outbox
from config.models import OutboxRow
from config.outbox import Finish
from fulfillment.connectors.message import message
from fulfillment.models import FulfillmentOrder
from inventory.models import Location
from orders import lifecycle
from orders.models import Allocation


class Connector(Protocol):
    """Speaks to one kind of system."""

    def send(self, *, location: Location, message: Mapping[str, Any], key: str) -> str:
        """Deliver the message; returns the system's own reference, "" if it gives none.

        `key` is the same at every attempt. Raises when the system did not say that it has it.
        """


CONNECTORS = {"wms": "fulfillment.connectors.wms.Wms"}


def connector_for(location: Location) -> Connector | None:
    """The connector of a stock point; None when its people use the store page or ask over REST."""
    if not location.wms_url:
        return None
    connector: Connector = import_string(CONNECTORS["wms"])()
    return connector


def handle(row: OutboxRow) -> Finish | None:
    """Work of the topic "wms": tell a stock point's system what was asked for or taken back.

    Everything personal is read now, at sending time, and is nowhere in the outbox.
    """
    work = (
        FulfillmentOrder.objects.select_related(
            "location", "order__contact", "order__pickup_location", "group__pickup_location"
        )
        .filter(pk=row.payload["fulfillment_order"])
        .first()
    )
    connector = connector_for(work.location) if work else None
    if work is None or connector is None:
        return None
    outbox.renew(row)  # the rows claimed with this one may have waited long for slow systems
    event = row.payload["event"]
    told = message(work, event=event)
    if event == "fulfillment.cancel_requested" and not any(x["to_cancel"] for x in told["lines"]):
        return None  # it left, or was answered, before it was told
    reference = connector.send(location=work.location, message=told, key=str(row.pk))
    if event != "fulfillment.requested":
        return None
    return partial(_taken, work.pk, reference)


def _taken(fulfillment_order: int, reference: str) -> None:
    """Its system has the work: from now on it is asked before units of it are canceled."""
    work = FulfillmentOrder.objects.get(pk=fulfillment_order)
    lifecycle.lock(work.order_id)
    FulfillmentOrder.objects.filter(pk=fulfillment_order).update(
        requested_at=timezone.now(), wms_reference=reference
    )
    Allocation.objects.filter(
        fulfillment_lines__fulfillment_order=work, fulfillment_lines__open=True,
        state__in=lifecycle.AT_WORK,
    ).update(handed_over=True)  # fmt: skip
