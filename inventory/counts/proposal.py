"""What to count next: where most units that could be sold are likely to be wrong in the books.

    units at risk = (free units + missing units) x P(the books are wrong)
    P = 1 - (1 - r) ^ movements x (1/2) ^ missing units

`movements` are changes of on hand since the product was last counted there, at most 90 days back;
one more where it was never counted. r is the chance that one movement leaves an error behind,
learned from this stock point's own counts of the last 90 days, beginning with a prior of 1 error
in 100 movements: r = (1 + lines that were wrong) / (100 + movements before those counts). Every
unit that a picker did not find halves the trust that is left.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

DAYS = 90
PRIOR_ERRORS, PRIOR_MOVEMENTS = 1, 100


@dataclass(frozen=True)
class Proposal:
    """A product worth counting; `chance` is P, from 0 to 1."""

    product: int
    sku: str
    name: str
    free: int
    missing: int
    movements: int
    counted_at: datetime | None
    chance: float
    at_risk: float
    rate: float


_PROPOSAL = """
WITH counted AS (
    SELECT l.id, l.product_id, l.posted <> 0 AS wrong, max(e.counted_at) AS at
      FROM inventory_count c
      JOIN inventory_countline l ON l.count_id = c.id AND l.posted IS NOT NULL
      JOIN inventory_countentry e ON e.line_id = l.id
     WHERE c.location_id = %(location)s AND c.state = 'posted' AND c.closed_at > %(since)s
     GROUP BY l.id
), learned AS (
    SELECT (%(errors)s + count(*) FILTER (WHERE wrong))
           / (%(movements)s + coalesce(sum(m.n), 0))::float AS rate
      FROM counted k
      LEFT JOIN LATERAL (
           SELECT count(*) AS n FROM inventory_stockmovement m
            WHERE m.product_id = k.product_id AND m.location_id = %(location)s
              AND m.created_at <= k.at AND m.on_hand <> 0
              AND m.created_at > greatest(%(since)s, (
                  SELECT max(o.at) FROM counted o
                   WHERE o.product_id = k.product_id AND o.at < k.at))) AS m ON true
), stock AS (
    SELECT s.product_id, s.missing, s.counted_at,
           greatest(s.on_hand - s.unavailable - s.safety - s.reserved, 0) AS free
      FROM inventory_stock s
     WHERE s.location_id = %(location)s
       AND (s.missing > 0 OR s.on_hand - s.unavailable - s.safety - s.reserved > 0)
       AND NOT EXISTS (
           SELECT 1 FROM inventory_countline l JOIN inventory_count c ON c.id = l.count_id
            WHERE l.product_id = s.product_id AND c.location_id = %(location)s
              AND c.state IN ('created', 'counting', 'review'))
), moved AS (
    SELECT s.*, m.n + (s.counted_at IS NULL)::int AS movements
      FROM stock s
      JOIN LATERAL (
           SELECT count(*) AS n FROM inventory_stockmovement m
            WHERE m.product_id = s.product_id AND m.location_id = %(location)s
              AND m.created_at > greatest(s.counted_at, %(since)s) AND m.on_hand <> 0
              AND m.kind <> 'count') AS m ON true
), ranked AS (
    SELECT v.*, least(r.rate, 0.99) AS rate,
           1 - power(1 - least(r.rate, 0.99), v.movements) * power(0.5, v.missing) AS chance
      FROM moved v CROSS JOIN learned r
)
SELECT k.product_id, p.sku, p.name, k.free, k.missing, k.movements, k.counted_at, k.chance,
       (k.free + k.missing) * k.chance, k.rate
  FROM ranked k JOIN inventory_product p ON p.id = k.product_id
 WHERE k.chance > 0
 ORDER BY 9 DESC, p.sku LIMIT %(limit)s
"""


def proposal(*, location: int, limit: int = 20, now: datetime | None = None) -> list[Proposal]:
    """What to count next at a stock point, most units at risk first, in one statement.

    What an open count is about already is left out.
    """
    params: dict[str, Any] = {
        "location": location, "limit": limit, "errors": PRIOR_ERRORS,
        "movements": PRIOR_MOVEMENTS, "since": _since(now or timezone.now()),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_PROPOSAL, params)
        return [Proposal(*row) for row in cursor.fetchall()]


def _since(now: datetime) -> datetime:
    return now - timedelta(days=DAYS)
