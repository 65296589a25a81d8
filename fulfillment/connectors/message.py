"""What a stock point's system is told about its work."""

from typing import Any

from fulfillment.models import FulfillmentOrder
from inventory.models import Location

ADDRESS = ("name", "line1", "line2", "city", "region", "postcode", "country")


def message(work: FulfillmentOrder, *, event: str) -> dict[str, Any]:
    """The work in plain data: who, what, where to, until when. `lines` are those still wanted.

    "to_cancel" of a line: units that the stock point is asked to let go, and has not answered.
    """
    lines = (
        work.lines.filter(open=True)
        .select_related("allocation__line__product")
        .order_by("allocation__line__position", "allocation__line__component", "id")
    )
    return {
        "event": event,
        "fulfillment_order": work.pk,
        "number": work.number,
        "order": work.order.number,
        "location": work.location.code,
        "delivery": work.delivery,
        "service": work.destination.service,
        "wanted_on": wanted_on(work),
        "ship_by": work.ship_by and work.ship_by.isoformat(),
        "ship_to": ship_to(work),
        "gift": work.destination.gift,
        "gift_message": work.destination.gift_message,
        "lines": [
            {
                "id": line.pk,
                "sku": line.allocation.line.sku,
                "gtin": line.allocation.line.product.gtin,
                "name": line.allocation.line.name,
                "quantity": line.quantity,
                "to_cancel": line.allocation.cancel_quantity,
            }
            for line in lines
        ],
    }


def ship_to(work: FulfillmentOrder) -> dict[str, str] | None:
    """Where the parcel goes; only a name for pick-up, None when the personal data are erased."""
    contact = work.destination.contact
    if contact is None or not hasattr(work.order, "contact"):
        return None
    if work.is_pickup:
        return {"name": contact.name}
    store = work.destination.place
    if store is not None:
        return _to_store(store, who=f"{contact.name}, {work.order.number}".strip(", "))
    address = {name: getattr(contact, name) for name in (*ADDRESS, "phone")}
    return address | {"email": work.order.contact.email}


def _to_store(store: Location, *, who: str) -> dict[str, str]:
    """The label of a parcel that waits in a store for somebody."""
    address = {name: getattr(store, name, "") for name in ADDRESS}
    return address | {"line2": f"for {who}", "phone": "", "email": ""}


def wanted_on(work: FulfillmentOrder) -> str | None:
    """The day before which it must not arrive, as ISO date."""
    day = work.destination.wanted_on
    return None if day is None else day.isoformat()
