"""What is said of stock without moving it: safety, target, when it was counted, what is in hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction


@dataclass(frozen=True)
class Level:
    """A stock row's own figures: safety where no rule matches, and the target (None: no target)."""

    product: int
    location: int
    safety: int
    target: int | None


@dataclass(frozen=True)
class SafetyLevel:
    """What a rule makes of a stock row's safety; rule None: its own figure counts again."""

    product: int
    location: int
    safety: int
    rule: int | None


# A stock point can have a level before its first unit: rows that do not exist are made empty.
_OWN = """
INSERT INTO inventory_stock (product_id, location_id, on_hand, reserved, quarantine, safety,
    own_safety, target, updated_at)
SELECT p, l, 0, 0, 0, 0, s, t, now()
  FROM unnest(%s::bigint[], %s::bigint[], %s::int[], %s::int[]) AS u(p, l, s, t)
ON CONFLICT (product_id, location_id) DO UPDATE
   SET own_safety = excluded.own_safety, target = excluded.target, updated_at = now()
"""

# Only rows that change are written; what changed is in the ledger like everything else.
_SAFETY = """
WITH wanted AS (
    SELECT * FROM unnest(%(product)s::bigint[], %(location)s::bigint[], %(safety)s::int[],
                         %(rule)s::bigint[]) AS w(product_id, location_id, safety, rule_id)
), locked AS (
    SELECT s.id, s.safety AS before, w.safety, w.rule_id FROM inventory_stock s
      JOIN wanted w USING (product_id, location_id)
     ORDER BY s.product_id, s.location_id FOR NO KEY UPDATE OF s
), changed AS (
    UPDATE inventory_stock s
       SET safety = CASE WHEN k.rule_id IS NULL THEN s.own_safety ELSE k.safety END,
           safety_rule_id = k.rule_id, updated_at = now()
      FROM locked k
     WHERE s.id = k.id AND (s.safety, s.safety_rule_id) IS DISTINCT FROM
           (CASE WHEN k.rule_id IS NULL THEN s.own_safety ELSE k.safety END, k.rule_id)
    RETURNING s.product_id, s.location_id, s.on_hand, s.reserved, s.unavailable, s.safety, k.before
)
INSERT INTO inventory_stockmovement (product_id, location_id, kind, safety, on_hand_after,
    reserved_after, unavailable_after, safety_after, on_hand, reserved, unavailable, reason,
    cause_type, actor, created_at)
SELECT product_id, location_id, 'safety', safety - before, on_hand, reserved, unavailable, safety,
       0, 0, 0, %(reason)s, '', %(actor)s, clock_timestamp()
  FROM changed WHERE safety <> before
"""


def set_levels(levels: Sequence[Level], *, actor: str) -> None:
    """Set the own figures of stock rows; where no rule has a say, their safety follows at once."""
    rows = sorted(levels, key=lambda level: (level.product, level.location))
    if not rows:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        columns = ("product", "location", "safety", "target")
        cursor.execute(_OWN, [[getattr(row, name) for row in rows] for name in columns])
        cursor.execute(
            "SELECT product_id, location_id FROM inventory_stock"
            " JOIN unnest(%s::bigint[], %s::bigint[]) AS w(product_id, location_id)"
            " USING (product_id, location_id) WHERE safety_rule_id IS NULL",
            [[row.product for row in rows], [row.location for row in rows]],
        )
        free = [SafetyLevel(product, location, 0, None) for product, location in cursor.fetchall()]
    set_safety(free, actor=actor, reason="own figure")


def set_safety(levels: Sequence[SafetyLevel], *, actor: str, reason: str = "") -> int:
    """Set the safety stock of rows that exist; returns how many safety figures changed."""
    if not levels:
        return 0
    columns = ("product", "location", "safety", "rule")
    params = {name: [getattr(level, name) for level in levels] for name in columns}
    with connection.cursor() as cursor:
        cursor.execute(_SAFETY, {**params, "reason": reason, "actor": actor})
        return cursor.rowcount


# --- what a count and a picker leave behind ------------------------------------------------------


def set_counted(rows: Sequence[tuple[int, int, datetime]]) -> None:
    """Write down when stock rows that exist were counted: (product, location, moment)."""
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE inventory_stock s SET counted_at = greatest(s.counted_at, w.at)"
            " FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[])"
            " AS w(product_id, location_id, at)"
            " WHERE s.product_id = w.product_id AND s.location_id = w.location_id",
            [list(column) for column in zip(*rows, strict=True)],
        )


def set_off_shelf(reservations: Sequence[int], *, off_shelf: bool) -> None:
    """Say of claims that their units are in a picker's hands, or that they are on the shelf."""
    if not reservations:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE inventory_reservation SET off_shelf = %(off)s"
            " WHERE id = ANY(%(ids)s) AND off_shelf <> %(off)s",
            {"off": off_shelf, "ids": list(reservations)},
        )
