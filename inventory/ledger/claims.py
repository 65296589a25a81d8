"""Claims on stock: taken only from what is free, moved without being given back in between."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

from inventory.ledger import hot, supply
from inventory.ledger.entries import Claim, Entry, NotEnough, Reserved, post


class ClaimGone(Exception):
    """A reservation that was to be released or shipped does not exist any more."""


# A claim is granted only from what is free: on hand, less unavailable, safety and other claims.
# Claims of one call on the same row are granted together or not at all.
_RESERVE = """
WITH claim AS (
    SELECT * FROM unnest(%(ref)s::bigint[], %(product)s::bigint[], %(location)s::bigint[],
        %(quantity)s::int[], %(owner_id)s::bigint[])
      WITH ORDINALITY AS c(ref, product_id, location_id, quantity, owner_id, n)
), total AS (
    SELECT product_id, location_id, sum(quantity) AS quantity FROM claim GROUP BY 1, 2
), locked AS (
    SELECT s.id, s.product_id, s.location_id FROM inventory_stock s
      JOIN total USING (product_id, location_id)
     ORDER BY s.product_id, s.location_id FOR NO KEY UPDATE OF s
), granted AS (
    UPDATE inventory_stock s SET reserved = s.reserved + t.quantity, updated_at = now()
      FROM locked k JOIN total t USING (product_id, location_id)
     WHERE s.id = k.id AND s.on_hand - s.unavailable - s.safety - s.reserved >= t.quantity
    RETURNING s.product_id, s.location_id, s.on_hand, s.reserved, s.unavailable,
              t.quantity AS total
), logged AS (
    INSERT INTO inventory_stockmovement (product_id, location_id, kind, on_hand, reserved,
        unavailable, on_hand_after, reserved_after, unavailable_after, reason, cause_type, cause_id,
        actor, created_at)
    SELECT c.product_id, c.location_id, 'reserve', 0, c.quantity, 0, g.on_hand,
           g.reserved - g.total + sum(c.quantity) OVER w, g.unavailable, '', %(owner_type)s,
           c.owner_id, %(actor)s, clock_timestamp()
      FROM claim c JOIN granted g USING (product_id, location_id)
    WINDOW w AS (PARTITION BY c.product_id, c.location_id ORDER BY c.n)
), numbered AS (
    SELECT c.*, nextval(pg_get_serial_sequence('inventory_reservation', 'id')) AS id
      FROM claim c JOIN granted g USING (product_id, location_id)
), made AS (
    INSERT INTO inventory_reservation (id, product_id, location_id, quantity, owner_type, owner_id,
        expires_at, created_at)
    SELECT id, product_id, location_id, quantity, %(owner_type)s, owner_id, %(expires_at)s, now()
      FROM numbered
)
SELECT ref, id, location_id, quantity FROM numbered
"""


# The same for a single claim, which needs no order of locks: the row is locked by its update and
# nothing else, and everybody who waits for it waits half as long.
_RESERVE_ONE = """
WITH granted AS (
    UPDATE inventory_stock SET reserved = reserved + %(quantity)s, updated_at = now()
     WHERE product_id = %(product)s AND location_id = %(location)s
       AND on_hand - unavailable - safety - reserved >= %(quantity)s
    RETURNING on_hand, reserved, unavailable
), logged AS (
    INSERT INTO inventory_stockmovement (product_id, location_id, kind, on_hand, reserved,
        unavailable, on_hand_after, reserved_after, unavailable_after, reason, cause_type, cause_id,
        actor, created_at)
    SELECT %(product)s, %(location)s, 'reserve', 0, %(quantity)s, 0, on_hand, reserved, unavailable,
           '', %(owner_type)s, %(owner_id)s, %(actor)s, clock_timestamp() FROM granted
)
INSERT INTO inventory_reservation (product_id, location_id, quantity, owner_type, owner_id,
    expires_at, created_at)
SELECT %(product)s, %(location)s, %(quantity)s, %(owner_type)s, %(owner_id)s, %(expires_at)s, now()
  FROM granted
RETURNING id
"""


def reserve(
    claims: Sequence[Claim], *, owner_type: str, actor: str, expires_at: Any = None
) -> dict[int, Reserved]:
    """Claim units; returns the claims that hold by their ref. Those missing were not free.

    Nothing is taken for a claim that is not granted; the caller decides what to do then.
    """
    plain = [claim for claim in claims if not claim.hot]
    got = _reserve(plain, owner_type=owner_type, actor=actor, expires_at=expires_at)
    if len(plain) < len(claims):
        wanted = [claim for claim in claims if claim.hot]
        got |= hot.cut(wanted, owner_type=owner_type, actor=actor, expires_at=expires_at)
    return got


def _reserve(
    claims: Sequence[Claim], *, owner_type: str, actor: str, expires_at: Any
) -> dict[int, Reserved]:
    if not claims:
        return {}
    common = {"owner_type": owner_type, "actor": actor, "expires_at": expires_at}
    if len(claims) == 1:
        return _reserve_one(claims[0], common)
    params: dict[str, Any] = {
        name: [getattr(c, name) for c in claims]
        for name in ("ref", "product", "location", "quantity", "owner_id")
    }
    with connection.cursor() as cursor:
        cursor.execute(_RESERVE, {**params, **common})
        return {row[0]: Reserved(*row) for row in cursor.fetchall()}


def _reserve_one(claim: Claim, common: dict[str, Any]) -> dict[int, Reserved]:
    with connection.cursor() as cursor:
        cursor.execute(_RESERVE_ONE, {**vars(claim), **common})
        row = cursor.fetchone()
    if row is None:
        return {}
    return {claim.ref: Reserved(claim.ref, row[0], claim.location, claim.quantity)}


def release(reservations: Sequence[int], *, actor: str, reason: str = "") -> None:
    """End claims and give the units back. Raises ClaimGone if one was ended before."""
    ended = _end(reservations)
    entries = [
        Entry(product, location, "release", reserved=-quantity, reason=reason,
              cause_type=owner_type, cause_id=owner_id)
        for _, product, location, quantity, owner_type, owner_id, _ in ended if location
    ]  # fmt: skip
    post(entries, actor=actor)
    supply.unclaim((row[6], row[3]) for row in ended if row[6])


# Claims and ends claims in one statement: all stock rows are locked in (product, location) order
# first, and nothing changes unless every new claim fits into what is free with the old ones ended.
_MOVE = """
WITH claim AS (
    SELECT * FROM unnest(%(ref)s::bigint[], %(product)s::bigint[], %(location)s::bigint[],
        %(quantity)s::int[], %(owner_id)s::bigint[])
      WITH ORDINALITY AS c(ref, product_id, location_id, quantity, owner_id, n)
), ending AS (
    SELECT * FROM inventory_reservation WHERE id = ANY(%(ending)s::bigint[])
), entry AS (
    SELECT product_id, location_id, quantity AS units, 'reserve' AS kind, '' AS reason,
           %(owner_type)s AS cause_type, owner_id AS cause_id, n FROM claim
     UNION ALL
    SELECT product_id, location_id, -quantity, 'release', %(reason)s, owner_type, owner_id, id
      FROM ending
), total AS (
    SELECT product_id, location_id, sum(units) AS units, bool_or(units > 0) AS claimed
      FROM entry GROUP BY 1, 2
), locked AS (
    SELECT s.id, s.product_id, s.location_id,
           s.on_hand - s.unavailable - s.safety - s.reserved AS free
      FROM inventory_stock s JOIN total USING (product_id, location_id)
     ORDER BY s.product_id, s.location_id FOR NO KEY UPDATE OF s
), short AS (
    SELECT t.product_id, t.location_id
      FROM total t LEFT JOIN locked k USING (product_id, location_id)
     WHERE t.claimed AND coalesce(k.free, 0) < t.units
), moved AS (
    UPDATE inventory_stock s SET reserved = s.reserved + t.units, updated_at = now()
      FROM locked k JOIN total t USING (product_id, location_id)
     WHERE s.id = k.id AND NOT EXISTS (SELECT 1 FROM short)
    RETURNING s.product_id, s.location_id, s.on_hand, s.reserved, s.unavailable, t.units
), logged AS (
    INSERT INTO inventory_stockmovement (product_id, location_id, kind, on_hand, reserved,
        unavailable, on_hand_after, reserved_after, unavailable_after, reason, cause_type, cause_id,
        actor, created_at)
    SELECT e.product_id, e.location_id, e.kind, 0, e.units, 0, m.on_hand,
           m.reserved - m.units + sum(e.units) OVER w, m.unavailable, e.reason, e.cause_type,
           e.cause_id, %(actor)s, clock_timestamp()
      FROM entry e JOIN moved m USING (product_id, location_id)
    WINDOW w AS (PARTITION BY e.product_id, e.location_id ORDER BY e.kind, e.n)
), gone AS (
    DELETE FROM inventory_reservation r USING ending e
     WHERE r.id = e.id AND NOT EXISTS (SELECT 1 FROM short) RETURNING r.id
), unclaimed AS (
    UPDATE inventory_supply s SET claimed = s.claimed - e.units
      FROM (SELECT supply_id, sum(quantity) AS units FROM ending GROUP BY 1) e
     WHERE s.id = e.supply_id AND NOT EXISTS (SELECT 1 FROM short)
), numbered AS (
    SELECT c.*, nextval(pg_get_serial_sequence('inventory_reservation', 'id')) AS id
      FROM claim c WHERE NOT EXISTS (SELECT 1 FROM short)
), made AS (
    INSERT INTO inventory_reservation (id, product_id, location_id, quantity, owner_type, owner_id,
        expires_at, created_at)
    SELECT id, product_id, location_id, quantity, %(owner_type)s, owner_id, %(expires_at)s,
           now()
      FROM numbered
)
SELECT array(SELECT ARRAY[product_id, location_id] FROM short),
       (SELECT count(*) FROM gone),
       array(SELECT ARRAY[ref, id, location_id, quantity] FROM numbered)
"""


def move(
    claims: Sequence[Claim],
    ending: Sequence[int],
    *,
    owner_type: str,
    actor: str,
    reason: str = "",
    expires_at: Any = None,
) -> dict[int, Reserved]:
    """Take claims and end others in one statement, all or nothing; returns the new ones by ref.

    Units that an ended claim gives up are the new claims' to take. Raises NotEnough when a claim
    is not free (nothing changed), ClaimGone if one was ended before.
    """
    params: dict[str, Any] = {
        name: [getattr(c, name) for c in claims]
        for name in ("ref", "product", "location", "quantity", "owner_id")
    }
    params |= {"owner_type": owner_type, "actor": actor, "reason": reason, "ending": list(ending),
               "expires_at": expires_at}  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_MOVE, params)
        short, gone, made = cursor.fetchone()
    if short:
        raise NotEnough([(product, location) for product, location in short])
    if gone != len(set(ending)):
        raise ClaimGone(f"of claims {sorted(ending)} only {gone} were there")
    return {row[0]: Reserved(*row) for row in made}


def take(
    reservations: Sequence[tuple[int, str]], *, cause_type: str, actor: str,
    cause_id: int | None = None, kind: str = "sale",
) -> None:  # fmt: skip
    """Hand over claimed units: pairs (reservation, ledger key); they leave on hand and claims.

    The cause of each is `cause_id`, or else the claim's own owner. Raises ClaimGone if a claim was
    ended before.
    """
    keys = dict(reservations)
    ended = _end(list(keys))
    if any(row[6] for row in ended):
        raise ClaimGone("units that are on their way cannot be handed over")
    entries = [
        Entry(product, location, kind, on_hand=-quantity, reserved=-quantity,
              cause_type=cause_type, cause_id=cause_id or owner_id, key=keys[pk])
        for pk, product, location, quantity, _, owner_id, _ in ended
    ]  # fmt: skip
    post(entries, actor=actor)


def split(reservation: int, *, quantity: int) -> int:
    """Cut `quantity` units off a claim into a claim of their own; returns the new claim's id."""
    return split_many({reservation: quantity})[reservation]


_SPLIT = """
WITH wanted AS (
    SELECT * FROM unnest(%(id)s::bigint[], %(quantity)s::int[]) AS w(id, units)
), cut AS (
    UPDATE inventory_reservation r SET quantity = r.quantity - w.units
      FROM wanted w WHERE r.id = w.id AND r.quantity > w.units
    RETURNING r.*, w.units, nextval(pg_get_serial_sequence('inventory_reservation', 'id')) AS piece
), made AS (
    INSERT INTO inventory_reservation (id, product_id, location_id, supply_id, quantity, owner_type,
        owner_id, off_shelf, expires_at, created_at)
    SELECT piece, product_id, location_id, supply_id, units, owner_type, owner_id, off_shelf,
           expires_at, now()
      FROM cut
)
SELECT id, piece FROM cut
"""


def split_many(quantities: Mapping[int, int]) -> dict[int, int]:
    """Cut units off claims, by claim; returns the claim that holds what was cut off, by the old.

    Stock does not move: the same units stay claimed by the same owner. Raises ClaimGone when a
    claim does not hold more than that.
    """
    if not quantities:
        return {}
    params = {"id": list(quantities), "quantity": list(quantities.values())}
    with connection.cursor() as cursor:
        cursor.execute(_SPLIT, params)
        pieces = dict(cursor.fetchall())
    gone = sorted(quantities.keys() - pieces.keys())
    if gone:
        raise ClaimGone(f"claims {gone} do not hold more than what was to be cut off")
    return pieces


def _end(reservations: Sequence[int]) -> list[Any]:
    # Deleting is the proof that nobody ended the claim before us.
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM inventory_reservation WHERE id = ANY(%s)"
            " RETURNING id, product_id, location_id, quantity, owner_type, owner_id, supply_id",
            [list(reservations)],
        )
        rows = cursor.fetchall()
    if len(rows) != len(set(reservations)):
        gone = sorted(set(reservations) - {row[0] for row in rows})
        raise ClaimGone(f"claims {gone} were ended before")
    return sorted(rows, key=lambda row: (row[1], row[2] or 0, row[0]))
