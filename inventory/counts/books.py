"""What the books said at the moment a product was counted."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Min

from inventory.models import Count, ShelfMove

KEEP_MOVES = timedelta(days=1)

# On hand as the ledger left it at that moment. What pickers had in hand then is what they have now,
# less what they took since, plus what came back or left since.
_COMPARE = """
UPDATE inventory_countline l
   SET expected = coalesce(b.on_hand, 0),
       off_shelf = greatest(coalesce(h.units, 0) - coalesce(t.units, 0), 0)
  FROM (SELECT k.id, k.product_id, c.location_id, max(e.counted_at) AS at
          FROM inventory_countline k
          JOIN inventory_count c ON c.id = k.count_id
          JOIN inventory_countentry e ON e.line_id = k.id
         WHERE k.count_id = %(count)s AND (%(products)s::bigint[] IS NULL
                                           OR k.product_id = ANY(%(products)s::bigint[]))
         GROUP BY k.id, c.location_id) AS n
  LEFT JOIN LATERAL (
       SELECT m.on_hand_after AS on_hand FROM inventory_stockmovement m
        WHERE m.product_id = n.product_id AND m.location_id = n.location_id
          AND m.created_at <= n.at
        ORDER BY m.created_at DESC, m.id DESC LIMIT 1) AS b ON true
  LEFT JOIN LATERAL (
       SELECT sum(r.quantity) AS units FROM inventory_reservation r
        WHERE r.product_id = n.product_id AND r.location_id = n.location_id
          AND r.off_shelf) AS h ON true
  LEFT JOIN LATERAL (
       SELECT sum(v.units) AS units FROM inventory_shelfmove v
        WHERE v.product_id = n.product_id AND v.location_id = n.location_id
          AND v.at > n.at) AS t ON true
 WHERE l.id = n.id
"""


def compare(count_id: int, *, products: Iterable[int] | None = None) -> None:
    """Write down what the books said of counted products (all, or these), in one statement."""
    wanted = None if products is None else sorted(products)
    if wanted == []:
        return
    with connection.cursor() as cursor:
        cursor.execute(_COMPARE, {"count": count_id, "products": wanted})


def forget(now: datetime) -> int:
    """Forget what was taken off shelves before anything that can still be counted; returns rows."""
    oldest = Count.objects.filter(state__in=Count.OPEN).aggregate(at=Min("created_at"))["at"]
    return ShelfMove.objects.filter(at__lt=min(oldest or now, now) - KEEP_MOVES).delete()[0]
