"""As of any moment: what was there, and what a pool could promise, at a time in the past.

Buckets come from the ledger: the last movement of each stock point at or before that time, found
by an index seek however many movements came before or after. Switches, pools, thresholds and
shares of hot sales come from the history of settings, which triggers of the database write.
"""

from datetime import datetime
from typing import Any

from django.db import connection

from inventory.waterfall import Facts, Row

# The setting `row_id` of a table as it was at a moment.
_WAS = """
LEFT JOIN LATERAL (
    SELECT data FROM inventory_settinghistory
     WHERE "table" = '{table}' AND row_id = {row} AND at <= %(at)s
     ORDER BY at DESC, id DESC LIMIT 1) {name} ON true
"""
_LOCATION = _WAS.format(table="inventory_location", row="l.id", name="place")
_MEMBER = _WAS.format(table="inventory_poollocation", row="known.row_id", name="was")
_THRESHOLD = _WAS.format(table="inventory_poolthreshold", row="known.row_id", name="was")
_SHARE = _WAS.format(table="inventory_reservation", row="known.row_id", name="was")

# Safety is in the ledger only where it changed: before the first change it was what that undid.
_ROWS = f"""
WITH member AS MATERIALIZED (
    SELECT (was.data ->> 'location_id')::bigint AS location_id,
           (was.data ->> 'buffer')::int AS buffer
      FROM (SELECT DISTINCT row_id FROM inventory_settinghistory
             WHERE "table" = 'inventory_poollocation' AND at <= %(at)s) known
      {_MEMBER}
     WHERE (was.data ->> 'pool_id')::bigint = %(pool)s
), share AS MATERIALIZED (
    SELECT (was.data ->> 'location_id')::bigint AS location_id,
           sum((was.data ->> 'units')::int)::int AS units
      FROM (SELECT DISTINCT row_id FROM inventory_settinghistory
             WHERE "table" = 'inventory_reservation' AND data ->> 'product_id' IS NOT NULL
               AND (data ->> 'product_id')::bigint = %(product)s AND at <= %(at)s) known
      {_SHARE}
     WHERE was.data IS NOT NULL GROUP BY 1
)
SELECT l.id, l.code, coalesce(place.data ->> 'name', l.name), last.on_hand_after,
       last.reserved_after - coalesce(share.units, 0), last.unavailable_after,
       coalesce(before.safety_after, later.safety_after - later.safety, s.safety),
       coalesce((place.data ->> 'active')::bool, false),
       coalesce((place.data ->> 'online')::bool, false),
       coalesce((place.data ->> 'can_pickup')::bool, false),
       member.location_id IS NOT NULL, coalesce(member.buffer, 0)
  FROM inventory_stock s
  JOIN inventory_location l ON l.id = s.location_id
 CROSS JOIN LATERAL (
    SELECT on_hand_after, reserved_after, unavailable_after FROM inventory_stockmovement v
     WHERE v.product_id = s.product_id AND v.location_id = s.location_id AND v.created_at <= %(at)s
     ORDER BY v.created_at DESC, v.id DESC LIMIT 1) last
  LEFT JOIN LATERAL (
    SELECT safety_after FROM inventory_stockmovement v
     WHERE v.product_id = s.product_id AND v.location_id = s.location_id
       AND v.safety_after IS NOT NULL AND v.created_at <= %(at)s
     ORDER BY v.created_at DESC, v.id DESC LIMIT 1) before ON true
  LEFT JOIN LATERAL (
    SELECT safety_after, safety FROM inventory_stockmovement v
     WHERE v.product_id = s.product_id AND v.location_id = s.location_id
       AND v.safety_after IS NOT NULL AND v.created_at > %(at)s
     ORDER BY v.created_at, v.id LIMIT 1) later ON true
  {_LOCATION}
  LEFT JOIN member ON member.location_id = l.id
  LEFT JOIN share ON share.location_id = l.id
 WHERE s.product_id = %(product)s
 ORDER BY l.code
"""

_KEPT = f"""
SELECT coalesce(sum((was.data ->> 'units')::int), 0)::int
  FROM (SELECT DISTINCT row_id FROM inventory_settinghistory
         WHERE "table" = 'inventory_poolthreshold' AND data ->> 'product_id' IS NOT NULL
           AND (data ->> 'product_id')::bigint = %(product)s AND at <= %(at)s) known
  {_THRESHOLD}
 WHERE (was.data ->> 'pool_id')::bigint = %(pool)s
   AND (was.data ->> 'product_id')::bigint = %(product)s
"""

# A product's switch is written down when it changes: before the first change it was the other way.
_SOLD = """
SELECT coalesce(
    (SELECT (data ->> 'active')::bool FROM inventory_settinghistory
      WHERE "table" = 'inventory_product' AND row_id = p.id AND at <= %(at)s
      ORDER BY at DESC, id DESC LIMIT 1),
    (SELECT NOT (data ->> 'active')::bool FROM inventory_settinghistory
      WHERE "table" = 'inventory_product' AND row_id = p.id AND at > %(at)s
      ORDER BY at, id LIMIT 1),
    p.active)
  FROM inventory_product p WHERE p.id = %(product)s
"""


def rows_at(*, product: int, pool: int, at: datetime) -> tuple[Row, ...]:
    """The product at every stock point that had moved it by then, as it was; reasons are not kept.

    A stock point of which no setting is known yet at that time counts as closed.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, {"product": product, "pool": pool, "at": at})
        return tuple(Row(*found) for found in cursor.fetchall())


def facts_at(*, product: int, pool: int, at: datetime, waiting: int = 0) -> Facts:
    """Everything that a pool's figure was made of at a moment. Three statements."""
    params: dict[str, Any] = {"product": product, "pool": pool, "at": at}
    with connection.cursor() as cursor:
        cursor.execute(_KEPT, params)
        threshold = cursor.fetchone()[0]
        cursor.execute(_SOLD, params)
        sold = cursor.fetchone()
    rows = rows_at(product=product, pool=pool, at=at)
    return Facts(rows, threshold, waiting, sold=bool(sold and sold[0]))
