"""The promised day of orders that wait for supply moves with it; each customer is told once."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from config.geo import Point
from inventory import supplies
from orders import events, promise

# Orders with units that wait for supply, each with its supplies, and whether other units are open.
_WAITING = """
SELECT o.id, o.promised_at, c.lat, c.lng, array_agg(DISTINCT r.supply_id),
       CASE o.delivery WHEN 'pickup' THEN '' ELSE o.service END,
       EXISTS (SELECT 1 FROM orders_allocation x WHERE x.order_id = o.id AND x.queue <> 'backorder'
                  AND x.state NOT IN ('shipped', 'delivered', 'collected', 'canceled'))
  FROM orders_allocation a
  JOIN inventory_reservation r ON r.id = a.reservation_id AND r.supply_id IS NOT NULL
  JOIN orders_order o ON o.id = a.order_id AND o.state = 'open'
  LEFT JOIN orders_ordercontact c ON c.order_id = o.id
 WHERE a.order_id = ANY(%s) AND a.queue = 'backorder'
 GROUP BY o.id, c.lat, c.lng ORDER BY o.id
"""


@dataclass(frozen=True)
class _Moved:
    order: int
    before: datetime | None
    after: datetime


def move_promises(orders: Collection[int], *, reference: str, actor: str) -> list[int]:
    """Set the promised day of locked orders to what their supplies allow now.

    An earlier day is only promised when nothing else of the order is open: what comes from stock
    was promised by its own day. Returns the orders whose day moved; the event "promise.changed"
    tells their customers.
    """
    if not orders:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, [sorted(orders)])
        rows = cursor.fetchall()
    moved = list(_moved(rows))
    if moved:
        _write(moved)
        events.record_many([_told(one, reference) for one in moved], actor=actor)
    return [one.order for one in moved]


def _moved(rows: Iterable[tuple[Any, ...]]) -> Iterable[_Moved]:
    rows = list(rows)
    coming = supplies.supplies({pk for row in rows for pk in row[4]})
    now = timezone.now()
    for order, before, lat, lng, waits_for, speed, more_open in rows:
        at = Point(lat, lng, "exact") if lat is not None and lng is not None else None
        days = [promise.arrival_of(coming[pk], at=at, now=now, speed=speed) for pk in waits_for]
        after = max((day for day in days if day is not None), default=None)
        if after is None or (before and before.astimezone(after.tzinfo).date() == after.date()):
            continue
        if before is None or after > before or not more_open:
            yield _Moved(order, before, after)


def _write(moved: Iterable[_Moved]) -> None:
    rows = [(one.order, one.after) for one in moved]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE orders_order o SET promised_at = u.at"
            " FROM unnest(%s::bigint[], %s::timestamptz[]) AS u(id, at) WHERE o.id = u.id",
            [list(column) for column in zip(*rows, strict=True)],
        )


def _told(one: _Moved, reference: str) -> tuple[int, str, dict[str, Any]]:
    return one.order, "promise.changed", {
        "before": one.before and one.before.isoformat(), "promised_at": one.after.isoformat(),
        "day": one.after.date().isoformat(), "reference": reference,
    }  # fmt: skip
