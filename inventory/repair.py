"""Counters that disagree with their claims: found, and put right with a line in the ledger.

It should never be needed: the ledger moves both in one statement. It is there for a database that
was edited by hand, and to show that nothing needs it.
"""

from dataclasses import dataclass

from django.db import connection, transaction

# Under the row's lock nobody reserves or releases, so claims and counter can be compared.
_DRIFT = """
SELECT s.id, p.sku, l.code, s.reserved, coalesce(r.units, 0)::int
  FROM inventory_stock s
  JOIN inventory_product p ON p.id = s.product_id
  JOIN inventory_location l ON l.id = s.location_id
  LEFT JOIN (SELECT product_id, location_id, sum(quantity) AS units FROM inventory_reservation
              WHERE location_id IS NOT NULL GROUP BY 1, 2) r USING (product_id, location_id)
 WHERE s.reserved <> coalesce(r.units, 0)
 ORDER BY s.product_id, s.location_id
"""
_LOCK = """
SELECT id FROM inventory_stock WHERE id = ANY(%s) ORDER BY product_id, location_id
   FOR NO KEY UPDATE
"""
# The ledger's sum is right when only the counter was edited; what is booked is what it lacks.
_SET = """
WITH drift AS (
    SELECT s.id, s.reserved AS counter,
           coalesce((SELECT sum(r.quantity) FROM inventory_reservation r
                      WHERE r.product_id = s.product_id AND r.location_id = s.location_id),
                    0) AS claimed,
           coalesce((SELECT sum(m.reserved) FROM inventory_stockmovement m
                      WHERE m.product_id = s.product_id AND m.location_id = s.location_id),
                    0) AS booked
      FROM inventory_stock s WHERE s.id = ANY(%(ids)s)
), fixed AS (
    UPDATE inventory_stock s SET reserved = d.claimed, updated_at = now()
      FROM drift d WHERE s.id = d.id AND s.reserved <> d.claimed
    RETURNING s.*, d.counter, d.claimed - d.booked AS change
)
INSERT INTO inventory_stockmovement (product_id, location_id, kind, on_hand, reserved, unavailable,
    on_hand_after, reserved_after, unavailable_after, reason, note, cause_type, actor, created_at)
SELECT product_id, location_id, 'repair', 0, change, 0, on_hand, reserved, unavailable,
       'counter repaired', format('%%s → %%s', counter, reserved), '', %(actor)s, clock_timestamp()
  FROM fixed
"""


@dataclass(frozen=True)
class Drift:
    """A reserved counter that is not the sum of its claims."""

    stock: int
    sku: str
    location: str
    counter: int
    claims: int

    @property
    def change(self) -> int:
        """What putting it right does to the counter."""
        return self.claims - self.counter


def drifts() -> list[Drift]:
    """Every reserved counter that disagrees with its claims; nothing is changed."""
    with connection.cursor() as cursor:
        cursor.execute(_DRIFT)
        return [Drift(*row) for row in cursor.fetchall()]


def apply(*, actor: str) -> list[Drift]:
    """Set the counters to the sum of their claims, each with a line in the ledger; no claim is
    touched. Returns what was put right."""
    with transaction.atomic():
        ids = [drift.stock for drift in drifts()]
        with connection.cursor() as cursor:
            cursor.execute(_LOCK, [ids])
        wrong = [drift for drift in drifts() if drift.stock in set(ids)]  # as it is under the lock
        with connection.cursor() as cursor:
            cursor.execute(_SET, {"ids": [drift.stock for drift in wrong], "actor": actor})
    return wrong
