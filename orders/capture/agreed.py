"""A promise of the cart at capture: its stock is claimed where it was seen, and its day stands."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from django.utils.formats import date_format

from inventory.availability import Sellable
from orders.promise import Piece, Wanted
from orders.promise_tokens import POINTER, Promised
from orders.validation import Finding

T = TypeVar("T")
Plan = tuple[list[Piece], list[Wanted]]


def plan(
    agreed: Promised, sellable: Mapping[str, Sellable], wanted: Sequence[Wanted]
) -> Plan | None:
    """The parcels of the cart as (pieces, what comes from supply); None: stock does not allow it.

    None as well when not everything is wanted: the rest of a plan has lost its first places.
    """
    if _units((w.sku, w.quantity) for w in wanted) != dict(agreed.units):
        return None
    parcels = [(place, sku, n) for place, items in agreed.parcels for sku, n in items]
    given = _units((sku, n) for _, sku, n in parcels)
    points = {(p.location, sku): p for sku in given for p in sellable[sku].points}
    free = all((place, sku) in points and points[place, sku].free >= n for place, sku, n in parcels)
    if not free or any(sellable[sku].available < n for sku, n in given.items()):
        return None
    left = {w.index: w.quantity for w in wanted}
    pieces = []
    for place, sku, units in parcels:
        rest = units
        for want in wanted:
            taken = min(rest, left[want.index]) if want.sku == sku else 0
            if taken:
                pieces.append(Piece(want.index, sku, taken, points[place, sku]))
                left[want.index] -= taken
                rest -= taken
    return pieces, [Wanted(w.index, w.sku, left[w.index]) for w in wanted if left[w.index]]


def until(
    agreed: Promised, pieces: Iterable[Piece], normal: datetime | None,
    supplied: Iterable[datetime | None], not_before: datetime | None,
) -> datetime | None:  # fmt: skip
    """What the order promises: the cart's day as long as the cart's stock is there.

    `normal` is what would be promised without it: that counts when the stock is not there and it
    is later. `supplied` are the days on which units of supplies arrive.
    """
    day = agreed.until if not_before is None else max(agreed.until, not_before)
    held = _units(((p.point.location, p.sku), p.quantity) for p in pieces)
    asked = _units(((place, sku), n) for place, items in agreed.parcels for sku, n in items)
    stands = held == asked and all(due is not None and due <= day for due in supplied)
    return day if stands or (normal is not None and normal <= day) else normal


def moved(
    agreed: Promised, promised: datetime | None, not_before: datetime | None
) -> list[Finding]:
    """What is to be said of an order that does not keep the cart's day."""
    if promised is not None and promised <= max(agreed.until, not_before or agreed.until):
        return []
    day = f"it is {date_format(promised, 'D j M')}" if promised else "no day can be promised"
    words = (
        f"{date_format(agreed.until, 'D j M')} was promised in the cart, {day} now: the stock it"
        " was to come from is gone"
    )
    return [Finding("promise", POINTER, "promise_moved", words)]


def _units(pairs: Iterable[tuple[T, int]]) -> dict[T, int]:
    units: dict[T, int] = {}
    for key, count in pairs:
        units[key] = units.get(key, 0) + count
    return units
