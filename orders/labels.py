"""What a channel writes on an order for itself: its tags and its metadata."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from orders import events, lifecycle, notes
from orders.models import Order


@transaction.atomic
def change(
    *, order_id: int, actor: str, tags: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> bool:  # fmt: skip
    """Replace the tags, the metadata or both; None leaves them. Says whether anything changed."""
    order = lifecycle.lock(order_id)
    changed = False
    if tags is not None:
        gone = [tag for tag in order.tags if tag not in tags]
        changed = notes.change_tags(order_id=order_id, actor=actor, add=tags, remove=gone)
    if metadata is not None and metadata != order.metadata:
        names = order.metadata.keys() | metadata.keys()
        told = sorted(name for name in names if order.metadata.get(name) != metadata.get(name))
        Order.objects.filter(pk=order_id).update(metadata=metadata)
        events.record(order_id, "tags.changed", actor=actor, metadata=told)
        changed = True
    return changed
