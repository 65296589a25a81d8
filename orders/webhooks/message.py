"""What a webhook says: type, timestamp, data; ids and figures, never personal data."""

from typing import Any

import orjson

from orders.models import OrderEvent, WebhookDelivery
from orders.webhooks.kinds import TEST


def name(delivery: WebhookDelivery) -> str:
    """The id of the message: the same at every attempt and every replay."""
    return f"msg_{delivery.pk}"


def body(delivery: WebhookDelivery) -> bytes:
    """The message of a delivery, which has its event with order and channel at hand."""
    event = delivery.event
    content = {
        "type": event.kind if event else TEST,
        "timestamp": (event.at if event else delivery.created_at).isoformat(),
        "data": _told(event) if event else {"endpoint": delivery.endpoint_id},
    }
    return orjson.dumps(content)


def _told(event: OrderEvent) -> dict[str, Any]:
    """`sequence` counts up along an order; `version` is the order's when this is sent."""
    order = event.order
    return {
        "order": order.number,
        "external_id": order.external_id,
        "channel": order.channel.code,
        "test": order.test,
        "version": order.version,
        "sequence": event.pk,
        "event": event.data,
    }
