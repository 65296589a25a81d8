"""The first slices of new orders: every unit in exactly one."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from orders.backorders.promising import waits_for
from orders.capture.claiming import Claimed
from orders.models import Allocation

Queue = Allocation.Queue
NOTHING_FREE = "nothing free when the order came in"
IS_TEST = "a test order holds no stock"

_INSERT = """
INSERT INTO orders_allocation (order_id, line_id, quantity, state, queue, queue_reason, location_id,
    reservation_id, attempt, since)
SELECT order_id, line_id, quantity, 'queued', queue, reason, location_id, reservation_id, 0, %s
  FROM unnest(%s::bigint[], %s::bigint[], %s::int[], %s::text[], %s::text[], %s::bigint[],
              %s::bigint[])
    AS s(order_id, line_id, quantity, queue, reason, location_id, reservation_id)
"""


def insert(claimed: Sequence[Claimed], *, now: datetime) -> None:
    """Write the slices of orders that have their claims, in one statement."""
    rows = [row for one in claimed for row in _rows(one)]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [now, *(list(column) for column in zip(*rows, strict=True))])


def _rows(one: Claimed) -> Iterator[tuple[Any, ...]]:
    order_id, lines = one.written
    for piece, reservation in one.held:
        yield (order_id, lines[piece.index], piece.quantity, Queue.ROUTING, "",
               piece.point.location, reservation)  # fmt: skip
    for wait in one.awaited:
        reason = waits_for(wait.coming.reference)
        yield (order_id, lines[wait.index], wait.quantity, Queue.BACKORDER, reason, None,
               wait.reservation)  # fmt: skip
    if one.incoming.is_test:
        for i, item in enumerate(one.incoming.items):
            yield order_id, lines[i], item.quantity, Queue.ROUTING, IS_TEST, None, None
        return
    for left in one.missing:
        yield (order_id, lines[left.index], left.quantity, Queue.ROUTING, NOTHING_FREE, None, None)
