"""Capture: units that no stock covers are claimed from what is on its way, the earliest first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inventory import ledger, supplies
from inventory.supplies import Coming
from orders.promise import Wanted

ROUNDS = 3  # a claim may be lost to somebody faster; then what is left is asked for


@dataclass(frozen=True)
class Awaited:
    """Units of one line of an order that wait for a supply."""

    index: int
    sku: str
    quantity: int
    coming: Coming
    reservation: int


def promise_from_supply(
    wanted: Sequence[Wanted],
    *,
    pool: int,
    products: Mapping[str, int],
    only: str | None,
    order_id: int,
) -> tuple[list[Awaited], list[Wanted]]:
    """Claim supplies of the pool; returns (what is claimed, what nothing covers).

    `products` are ids by SKU; `only` is the code of the one stock point allowed, for pick-up.
    """
    found: list[Awaited] = []
    rest = list(wanted)
    for _ in range(ROUNDS):
        ids = sorted({products[w.sku] for w in rest})
        shares, missing = share_out(rest, supplies.coming(pool=pool, products=ids), only)
        claims = [
            ledger.SupplyClaim(n, one.supply, units, order_id)
            for n, (_, one, units) in enumerate(shares)
        ]
        got = ledger.claim_supply(claims, owner_type="order")
        found += [
            Awaited(want.index, want.sku, units, one, got[n])
            for n, (want, one, units) in enumerate(shares)
            if n in got
        ]
        lost = [
            Wanted(want.index, want.sku, units)
            for n, (want, _, units) in enumerate(shares)
            if n not in got
        ]
        rest = [*missing, *lost]
        if not lost:
            break
    return found, _added_up(rest)


def share_out(
    wanted: Sequence[Wanted], coming: Sequence[Coming], only: str | None
) -> tuple[list[tuple[Wanted, Coming, int]], list[Wanted]]:
    """Units of supplies for what is wanted, the earliest first; returns (shares, what is left)."""
    room = {one.supply: one.room for one in coming}
    shares, missing = [], []
    for want in wanted:
        left = want.quantity
        for one in coming:
            point = one.point
            allowed = point.code == only and point.can_pickup if only else point.can_ship
            units = min(left, room[one.supply]) if allowed and one.sku == want.sku else 0
            if units:
                shares.append((want, one, units))
                room[one.supply] -= units
                left -= units
        if left:
            missing.append(Wanted(want.index, want.sku, left))
    return shares, missing


def _added_up(wanted: Sequence[Wanted]) -> list[Wanted]:
    units: dict[tuple[int, str], int] = {}
    for want in wanted:
        key = (want.index, want.sku)
        units[key] = units.get(key, 0) + want.quantity
    return [Wanted(index, sku, quantity) for (index, sku), quantity in units.items()]


def waits_for(reference: str) -> str:
    """Why a slice is in the queue "waits for supply"."""
    return f"waits for {reference}"
