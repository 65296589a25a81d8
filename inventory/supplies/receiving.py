"""Units arrive: in parts, too many, some refused. What was promised is held for its orders."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from inventory import ledger
from inventory.ledger import Entry
from inventory.models import Supply
from inventory.supplies.changing import Ended, close_complete, ring

NO_DELIVERY = (Supply.Kind.OVERSELL, Supply.Kind.RETURN)


class NotReceived(Exception):
    """Nothing arrives of it here: a limit is no delivery, and returns have their own door."""

    def __init__(self, supply: Supply) -> None:
        self.supply = supply
        kind = supply.get_kind_display()
        super().__init__(f"{supply.reference} is an {kind}: it is not received")


@dataclass(frozen=True)
class Receipt:
    """Units of a supply that arrived together; `refused` ones are among them. One key, one effect.

    Raises ValueError for quantities that cannot be.
    """

    supply: int
    quantity: int
    key: str
    refused: int = 0

    def __post_init__(self) -> None:
        if self.quantity < 1 or not 0 <= self.refused <= self.quantity:
            raise ValueError(f"{self.refused} of {self.quantity} units refused")


_WRITE = """
WITH said AS (
    SELECT * FROM unnest(%(supply)s::bigint[], %(quantity)s::int[], %(refused)s::int[],
                         %(key)s::text[]) WITH ORDINALITY AS r(supply_id, quantity, refused, key, n)
)
INSERT INTO inventory_supplyreceipt (supply_id, quantity, refused, days_late, key, actor, at)
SELECT r.supply_id, r.quantity, r.refused,
       coalesce((now() AT TIME ZONE l.timezone)::date - s.first_eta, 0), r.key, %(actor)s, now()
  FROM said r JOIN inventory_supply s ON s.id = r.supply_id
  JOIN inventory_location l ON l.id = s.location_id
 ORDER BY r.key ON CONFLICT (key) DO NOTHING RETURNING key
"""
# Promises of a product, and what is held for them already: what else arrives is held for the rest.
_HOPES = """
SELECT s.product_id, sum(s.claimed) - coalesce((
           SELECT sum(r.quantity) FROM inventory_reservation r
             JOIN inventory_supply x ON x.id = r.owner_id AND x.product_id = s.product_id
            WHERE r.owner_type = 'supply'), 0)
  FROM (SELECT id, product_id, claimed FROM inventory_supply
         WHERE product_id = ANY(%s) AND state = 'open' ORDER BY id FOR NO KEY UPDATE) AS s
 GROUP BY s.product_id
"""


def receive(receipts: Sequence[Receipt], *, actor: str) -> list[bool]:
    """Book arrived units; says of each receipt whether it is new (False: its key was booked).

    Sellable units come on hand, refused ones among the damaged. What is promised from supplies of
    the product is held in the same transaction, and the work "supply" gives it to the oldest
    orders. Raises Ended for what was canceled and NotReceived for what is no delivery (nothing is
    booked then), Supply.DoesNotExist.
    """
    if not receipts:
        return []
    with transaction.atomic():
        supplies = _known(receipts)
        fresh = _write(receipts, actor)
        new = [r for r in receipts if r.key in fresh]
        if new:
            levels = ledger.post(_entries(new, supplies), actor=actor)
            hopes = _hopes(sorted({supplies[r.supply].product_id for r in new}))
            _count(new)
            held = _held(new, supplies, hopes, {(row[0], row[1]): row[2:] for row in levels})
            ledger.hold(held, actor=actor)
            touched = sorted({r.supply for r in new})
            close_complete(touched)
            hoping = {product for product, units in hopes.items() if units > 0}
            ring((pk for pk in touched if supplies[pk].product_id in hoping), event="received")
    return [r.key in fresh for r in receipts]


def _known(receipts: Iterable[Receipt]) -> dict[int, Supply]:
    found = Supply.objects.in_bulk({r.supply for r in receipts})
    for receipt in receipts:
        if receipt.supply not in found:
            raise Supply.DoesNotExist(f"no supply {receipt.supply}")
        if found[receipt.supply].kind in NO_DELIVERY:
            raise NotReceived(found[receipt.supply])
        if found[receipt.supply].state == Supply.State.CANCELED:
            raise Ended(found[receipt.supply])
    return found


def _write(receipts: Sequence[Receipt], actor: str) -> set[str]:
    params: dict[str, Any] = {
        name: [getattr(r, name) for r in receipts] for name in ("supply", "quantity", "refused")
    }
    params |= {"key": [r.key for r in receipts], "actor": actor}
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, params)
        return {row[0] for row in cursor.fetchall()}


def _entries(receipts: Iterable[Receipt], supplies: Mapping[int, Supply]) -> list[Entry]:
    return [
        Entry(
            supplies[r.supply].product_id, supplies[r.supply].location_id, "receipt",
            on_hand=r.quantity, unavailable=r.refused, bucket="damaged" if r.refused else "",
            reason="refused" if r.refused else "", cause_type="supply", cause_id=r.supply,
            key=f"receipt:{r.key}"[:100],
        )
        for r in receipts
    ]  # fmt: skip


def _hopes(products: Sequence[int]) -> dict[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(_HOPES, [list(products)])
        return dict(cursor.fetchall())


def _count(receipts: Iterable[Receipt]) -> None:
    units: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for receipt in receipts:
        units[receipt.supply][0] += receipt.quantity
        units[receipt.supply][1] += receipt.refused
    rows = sorted(units.items())
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE inventory_supply s SET received = s.received + u.quantity,"
            " refused = s.refused + u.refused"
            " FROM unnest(%s::bigint[], %s::int[], %s::int[]) AS u(id, quantity, refused)"
            " WHERE s.id = u.id AND s.state <> 'canceled' RETURNING s.id",
            [[pk for pk, _ in rows], [n for _, (n, _) in rows], [n for _, (_, n) in rows]],
        )
        gone = set(units) - {row[0] for row in cursor.fetchall()}
    for supply in gone:  # canceled a moment ago
        raise Ended(Supply.objects.get(pk=supply))


def _held(
    receipts: Iterable[Receipt],
    supplies: Mapping[int, Supply],
    hopes: dict[int, int],
    levels: Mapping[tuple[int, int], Sequence[int]],
) -> list[tuple[int, int, int, int]]:
    """(supply, product, stock point, units) to hold: what arrived, is promised and is there."""
    left = dict(hopes)
    there = {pair: on_hand - reserved - unavailable
             for pair, (on_hand, reserved, unavailable) in levels.items()}  # fmt: skip
    found: dict[int, int] = defaultdict(int)
    for receipt in receipts:
        supply = supplies[receipt.supply]
        pair = (supply.product_id, supply.location_id)
        units = min(receipt.quantity - receipt.refused, left.get(pair[0], 0), there[pair])
        if units > 0:
            found[supply.pk] += units
            left[pair[0]] -= units
            there[pair] -= units
    return [
        (pk, supplies[pk].product_id, supplies[pk].location_id, units)
        for pk, units in sorted(found.items())
    ]
