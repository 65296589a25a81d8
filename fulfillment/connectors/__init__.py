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
        FulfillmentOrder.objects.select_related("location", "order__contact")
        .filter(pk=row.payload["fulfillment_order"])
        .first()
    )
    connector = connector_for(work.location) if work else None
    if work is None or connector is None:
        return None
    outbox.renew(row)  # the rows claimed with this one may have waited long for slow systems
    event = row.payload["event"]
    reference = connector.send(
        location=work.location, message=message(work, event=event), key=str(row.pk)
    )
    if event != "fulfillment.requested":
        return None
    return partial(_taken, work.pk, reference)


def _taken(fulfillment_order: int, reference: str) -> None:
    FulfillmentOrder.objects.filter(pk=fulfillment_order).update(
        requested_at=timezone.now(), wms_reference=reference
    )
