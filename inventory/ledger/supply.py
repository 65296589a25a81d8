"""Claims on supplies that are on their way, and how they become claims on stock.

A reservation on a supply has no stock point; `Supply.claimed` is moved with it in one statement.
Supplies are locked after stock rows, in id order. What arrives for promises is held on the stock
row by a claim of the supply itself (owner "supply") until the oldest orders have it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from inventory.ledger.entries import Entry, post

HELD = "supply"  # owner of claims that hold what arrived; the owner's id is the supply's


@dataclass(frozen=True)
class SupplyClaim:
    """Units wanted of a supply; `ref` comes back with the reservation that was made."""

    ref: int
    supply: int
    quantity: int
    owner_id: int


# Granted only from what is to come and not promised yet. Claims of one call on the same supply are
# granted together or not at all.
_CLAIM = """
WITH claim AS (
    SELECT * FROM unnest(%(ref)s::bigint[], %(supply)s::bigint[], %(quantity)s::int[],
        %(owner_id)s::bigint[]) AS c(ref, supply_id, quantity, owner_id)
), total AS (
    SELECT supply_id, sum(quantity) AS quantity FROM claim GROUP BY 1
), locked AS (
    SELECT s.id FROM inventory_supply s JOIN total t ON t.supply_id = s.id
     ORDER BY s.id FOR NO KEY UPDATE OF s
), granted AS (
    UPDATE inventory_supply s SET claimed = s.claimed + t.quantity
      FROM locked k JOIN total t ON t.supply_id = k.id
     WHERE s.id = k.id AND s.state = 'open' AND s.promisable
       AND s.quantity - s.received - s.claimed >= t.quantity
    RETURNING s.id, s.product_id
), numbered AS (
    SELECT c.*, g.product_id,
           nextval(pg_get_serial_sequence('inventory_reservation', 'id')) AS reservation
      FROM claim c JOIN granted g ON g.id = c.supply_id
), made AS (
    INSERT INTO inventory_reservation (id, product_id, supply_id, quantity, owner_type, owner_id,
        created_at)
    SELECT reservation, product_id, supply_id, quantity, %(owner_type)s, owner_id, now()
      FROM numbered
)
SELECT ref, reservation FROM numbered
"""


def claim_supply(claims: Sequence[SupplyClaim], *, owner_type: str) -> dict[int, int]:
    """Claim units that are on their way; returns the reservations by ref. The rest was not free."""
    if not claims:
        return {}
    params: dict[str, Any] = {
        name: [getattr(claim, name) for claim in claims]
        for name in ("ref", "supply", "quantity", "owner_id")
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {**params, "owner_type": owner_type})
        return dict(cursor.fetchall())


_UNCLAIM = """
WITH total AS (
    SELECT supply_id, sum(quantity) AS quantity
      FROM unnest(%s::bigint[], %s::int[]) AS u(supply_id, quantity) GROUP BY 1
), locked AS (
    SELECT s.id FROM inventory_supply s JOIN total t ON t.supply_id = s.id
     ORDER BY s.id FOR NO KEY UPDATE OF s
)
UPDATE inventory_supply s SET claimed = s.claimed - t.quantity
  FROM locked k JOIN total t ON t.supply_id = k.id WHERE s.id = k.id
"""


def unclaim(units: Iterable[tuple[int, int]]) -> None:
    """Give units (supply, quantity) back to supplies whose reservations have just been ended."""
    rows = list(units)
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(_UNCLAIM, [list(column) for column in zip(*rows, strict=True)])


def lock_product(product: int) -> None:
    """Lock a product's stock rows and then its open supplies: nobody claims it meanwhile.

    In short transactions only: every buyer of the product waits.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM inventory_stock WHERE product_id = %s ORDER BY location_id"
            " FOR NO KEY UPDATE",
            [product],
        )
        cursor.execute(
            "SELECT id FROM inventory_supply WHERE product_id = %s AND state = 'open' ORDER BY id"
            " FOR NO KEY UPDATE",
            [product],
        )


_CHANGE_SUPPLY = """
WITH wanted AS (
    SELECT * FROM unnest(%(id)s::bigint[], %(supply)s::bigint[]) AS w(id, supply_id)
), old AS (
    SELECT r.id, r.supply_id, r.quantity FROM inventory_reservation r JOIN wanted USING (id)
), moved AS (
    UPDATE inventory_reservation r SET supply_id = w.supply_id FROM wanted w WHERE r.id = w.id
), total AS (
    SELECT supply_id, sum(units) AS units FROM (
        SELECT supply_id, -quantity AS units FROM old UNION ALL
        SELECT w.supply_id, o.quantity FROM wanted w JOIN old o USING (id)) AS both_ends
     GROUP BY 1
)
UPDATE inventory_supply s SET claimed = s.claimed + t.units FROM total t WHERE s.id = t.supply_id
"""


def change_supply(supplies: Mapping[int, int]) -> None:
    """Let reservations wait for other supplies: reservation -> supply.

    The caller has the product locked (lock_product) and has seen that they fit.
    """
    if supplies:
        with connection.cursor() as cursor:
            cursor.execute(
                _CHANGE_SUPPLY, {"id": list(supplies), "supply": list(supplies.values())}
            )


_ON_STOCK = """
WITH wanted AS (
    SELECT * FROM unnest(%(id)s::bigint[], %(location)s::bigint[]) AS w(id, location_id)
), old AS (
    SELECT r.id, r.supply_id FROM inventory_reservation r JOIN wanted USING (id)
)
UPDATE inventory_reservation r SET location_id = w.location_id, supply_id = NULL
  FROM wanted w JOIN old USING (id) WHERE r.id = w.id
RETURNING old.supply_id, r.product_id, r.location_id, r.quantity, r.owner_type, r.owner_id
"""


def land(
    locations: Mapping[int, int], *, held: Entry | None, held_left: int, actor: str
) -> None:  # fmt: skip
    """Turn claims on supplies into claims on stock: reservation -> stock point.

    `held` is the ledger's line by which the supply gives up units that it held for them, so that
    they are never free in between, and `held_left` what it goes on holding. The caller has the
    product locked (lock_product) and has seen that the units are there.
    """
    entries = [held] if held else []
    if locations:
        with connection.cursor() as cursor:
            cursor.execute(_ON_STOCK, {"id": list(locations), "location": list(locations.values())})
            moved = cursor.fetchall()
        unclaim((supply, quantity) for supply, _, _, quantity, _, _ in moved)
        entries += [
            Entry(product, location, "reserve", reserved=quantity, cause_type=owner, cause_id=pk)
            for _, product, location, quantity, owner, pk in moved
        ]
    if held and held.cause_id is not None:
        _set_held(held.cause_id, held_left)
    post(entries, actor=actor)


def hold(arrived: Sequence[tuple[int, int, int, int]], *, actor: str) -> None:
    """Hold units that arrived for promises: (supply, product, stock point, units).

    The caller has the stock rows locked and has seen that the units are there.
    """
    if not arrived:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH old AS (DELETE FROM inventory_reservation WHERE owner_type = %(held)s"
            " AND owner_id = ANY(%(supply)s) RETURNING owner_id, product_id, location_id, quantity)"
            " INSERT INTO inventory_reservation (product_id, location_id, quantity, owner_type,"
            " owner_id, created_at) SELECT product, location, sum(units), %(held)s, supply, now()"
            " FROM (SELECT * FROM unnest(%(supply)s::bigint[], %(product)s::bigint[],"
            " %(location)s::bigint[], %(units)s::int[]) AS n(supply, product, location, units)"
            " UNION ALL SELECT * FROM old) AS u GROUP BY supply, product, location",
            {
                "held": HELD,
                **{
                    name: [row[i] for row in arrived]
                    for i, name in enumerate(("supply", "product", "location", "units"))
                },
            },
        )
    post(
        [
            Entry(product, location, "reserve", reserved=units, reason="arrived for orders",
                  cause_type=HELD, cause_id=supply)
            for supply, product, location, units in arrived
        ],
        actor=actor,
    )  # fmt: skip


def _set_held(supply: int, units: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE inventory_reservation SET quantity = %s WHERE owner_type = %s AND owner_id = %s"
            if units
            else "DELETE FROM inventory_reservation WHERE %s = 0 AND owner_type = %s"
            " AND owner_id = %s",
            [units, HELD, supply],
        )
