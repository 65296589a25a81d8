"""What a stock point's system is told about its work."""

from typing import Any

from fulfillment.models import FulfillmentOrder
from orders.models import Order


def message(work: FulfillmentOrder, *, event: str) -> dict[str, Any]:
    """The work in plain data: who, what, where to, until when. `lines` are those still wanted."""
    lines = (
        work.lines.filter(open=True)
        .select_related("allocation__line__product")
        .order_by("allocation__line__position", "id")
    )
    return {
        "event": event,
        "fulfillment_order": work.pk,
        "number": work.number,
        "order": work.order.number,
        "location": work.location.code,
        "delivery": work.order.delivery,
        "service": work.order.service,
        "ship_by": work.ship_by and work.ship_by.isoformat(),
        "ship_to": ship_to(work.order),
        "lines": [
            {
                "id": line.pk,
                "sku": line.allocation.line.sku,
                "gtin": line.allocation.line.product.gtin,
                "name": line.allocation.line.name,
                "quantity": line.quantity,
            }
            for line in lines
        ],
    }


def ship_to(order: Order) -> dict[str, str] | None:
    """Where the parcel goes; only a name for pick-up, None when the personal data are erased."""
    contact = getattr(order, "contact", None)
    if contact is None:
        return None
    if order.delivery == Order.Delivery.PICKUP:
        return {"name": contact.name}
    names = ("name", "line1", "line2", "city", "region", "postcode", "country", "phone", "email")
    return {name: getattr(contact, name) for name in names}
