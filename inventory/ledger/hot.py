"""Hot sales: one product that everybody wants at once, split so that buyers do not queue.

Who reserves locks the stock row until his transaction is written to disk, so one row serves one
buyer at a time. A split row gives its free units to several shares: reservations of their own
(owner "hot") that buyers cut their claims from, each locking one share that nobody else has.
Shares count as reserved on the stock row and as free to readers (inventory.availability.FREE).
"""

from collections.abc import Sequence
from typing import Any

from django.db import connection

from inventory.ledger.entries import Claim, NotEnough, Reserved

# Free units are shared out evenly; the ledger books them as reserved by the sale.
_SPLIT = """
WITH locked AS (
    SELECT id, greatest(on_hand - unavailable - safety - reserved, 0) AS free
      FROM inventory_stock WHERE product_id = %(product)s AND location_id = %(location)s AND hot = 0
       FOR NO KEY UPDATE
), stock AS (
    UPDATE inventory_stock s SET reserved = s.reserved + k.free, hot = %(shares)s,
           updated_at = now()
      FROM locked k WHERE s.id = k.id AND k.free > 0
    RETURNING s.*, k.free
), logged AS (
    INSERT INTO inventory_stockmovement (product_id, location_id, kind, on_hand, reserved,
        unavailable, on_hand_after, reserved_after, unavailable_after, reason, cause_type, cause_id,
        actor, created_at)
    SELECT product_id, location_id, 'reserve', 0, free, 0, on_hand, reserved, unavailable,
           'hot sale', 'hot', id, %(actor)s, clock_timestamp() FROM stock
), made AS (
    INSERT INTO inventory_reservation (product_id, location_id, quantity, owner_type, owner_id,
        created_at)
    SELECT s.product_id, s.location_id,
           s.free / %(shares)s + (n <= s.free %% %(shares)s)::int, 'hot', s.id, now()
      FROM stock s, generate_series(1, %(shares)s::int) AS n
     WHERE s.free / %(shares)s + (n <= s.free %% %(shares)s)::int > 0
    RETURNING quantity
)
SELECT coalesce(sum(quantity), 0) FROM made
"""

# Shares that a buyer holds at this moment are left to him: waiting for them could deadlock.
_JOIN = """
WITH locked AS (
    SELECT id FROM inventory_stock WHERE product_id = %(product)s AND location_id = %(location)s
       FOR NO KEY UPDATE
), share AS (
    SELECT r.id, r.quantity FROM inventory_reservation r JOIN locked k ON k.id = r.owner_id
     WHERE r.product_id = %(product)s AND r.location_id = %(location)s AND r.owner_type = 'hot'
     ORDER BY r.id FOR UPDATE OF r SKIP LOCKED
), back AS (
    DELETE FROM inventory_reservation r USING share x WHERE r.id = x.id RETURNING r.quantity
), total AS (
    SELECT count(*) AS shares, coalesce(sum(quantity), 0) AS units FROM back
), stock AS (
    UPDATE inventory_stock s SET reserved = s.reserved - t.units, updated_at = now(),
           hot = CASE WHEN t.shares = (SELECT count(*) FROM inventory_reservation r
                                        WHERE r.product_id = s.product_id
                                          AND r.location_id = s.location_id
                                          AND r.owner_type = 'hot') THEN 0 ELSE s.hot END
      FROM locked k, total t WHERE s.id = k.id AND s.hot > 0
    RETURNING s.*, t.units
)
INSERT INTO inventory_stockmovement (product_id, location_id, kind, on_hand, reserved, unavailable,
    on_hand_after, reserved_after, unavailable_after, reason, cause_type, cause_id, actor,
    created_at)
SELECT product_id, location_id, 'release', 0, -units, 0, on_hand, reserved, unavailable, 'hot sale',
       'hot', id, %(actor)s, clock_timestamp() FROM stock WHERE units > 0
"""

# One share, unlocked by others or waited for; the claim is cut off it, or takes it whole.
_CUT = """
WITH share AS (
    SELECT id FROM inventory_reservation
     WHERE product_id = %(product)s AND location_id = %(location)s AND owner_type = 'hot'
       AND quantity >= %(quantity)s LIMIT 1 FOR UPDATE {skip}
), cut AS (
    UPDATE inventory_reservation r SET quantity = r.quantity - %(quantity)s
      FROM share x WHERE r.id = x.id AND r.quantity > %(quantity)s RETURNING r.id
), whole AS (
    DELETE FROM inventory_reservation r USING share x
     WHERE r.id = x.id AND r.quantity = %(quantity)s RETURNING r.id
)
INSERT INTO inventory_reservation (product_id, location_id, quantity, owner_type, owner_id,
    expires_at, created_at)
SELECT %(product)s, %(location)s, %(quantity)s, %(owner_type)s, %(owner_id)s, %(expires_at)s, now()
  FROM (SELECT id FROM cut UNION ALL SELECT id FROM whole) AS taken
RETURNING id
"""
_CUT_UNLOCKED, _CUT_WAITING = _CUT.format(skip="SKIP LOCKED"), _CUT.format(skip="")


def split(*, product: int, location: int, shares: int, actor: str) -> int:
    """Share the free units of a stock row out for a hot sale; returns how many they are.

    Raises NotEnough when nothing is free there or the row is split already.
    """
    params: dict[str, Any] = {
        "product": product, "location": location, "shares": shares, "actor": actor,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_SPLIT, params)
        units = int(cursor.fetchone()[0])
    if not units:
        raise NotEnough([(product, location)])
    return units


def join(*, product: int, location: int, actor: str) -> None:
    """Put the shares back together; a share that a buyer holds right now stays until next time."""
    with connection.cursor() as cursor:
        cursor.execute(_JOIN, {"product": product, "location": location, "actor": actor})


def give_way(*, product: int, location: int, units: int, actor: str) -> None:
    """End the sale of a stock row whose claims exceed what is there by so many units."""
    join(product=product, location=location, actor=actor)


def cut(
    claims: Sequence[Claim], *, owner_type: str, actor: str, expires_at: Any = None
) -> dict[int, Reserved]:
    """Claim units from shares; returns the claims that hold by their ref.

    In (product, location) order, because a buyer may wait when others hold every share. A claim
    larger than any share ends the sale of its row: the shares go back, and who asks next is served
    from the row as ever.
    """
    got: dict[int, Reserved] = {}
    for claim in sorted(claims, key=lambda c: (c.product, c.location, c.ref)):
        reservation = _cut(claim, owner_type=owner_type, expires_at=expires_at)
        if reservation is None:
            join(product=claim.product, location=claim.location, actor=actor)
        else:
            got[claim.ref] = Reserved(claim.ref, reservation, claim.location, claim.quantity)
    return got


def _cut(claim: Claim, *, owner_type: str, expires_at: Any) -> int | None:
    params = {
        "product": claim.product, "location": claim.location, "quantity": claim.quantity,
        "owner_type": owner_type, "owner_id": claim.owner_id, "expires_at": expires_at,
    }  # fmt: skip
    with connection.cursor() as cursor:
        for sql in (_CUT_UNLOCKED, _CUT_WAITING):
            cursor.execute(sql, params)
            row = cursor.fetchone()
            if row is not None:
                return int(row[0])
    return None
