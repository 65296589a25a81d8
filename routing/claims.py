"""From a plan to slices and claims: who keeps what he holds, who is cut, whose claim moves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

from inventory import ledger
from orders import lifecycle
from orders.models import Allocation

Wanted = dict[int, dict[int, int]]  # line -> location -> units


class Lost(Exception):
    """Somebody was faster: what the plan counts on is no longer there. Read and decide again."""


@dataclass(frozen=True)
class Placed:
    """A slice and the stock point the plan gives it; `stays` if its claim is there already."""

    piece: Allocation
    location: int
    stays: bool


@dataclass(frozen=True)
class Share:
    """Slices with their places, and those for which the plan has none."""

    placed: list[Placed]
    left: list[Allocation]


def share_out(slices: Iterable[Allocation], plan: Mapping[int, Mapping[int, int]]) -> Share:
    """Give slices the units of the plan (line -> location -> units), cutting as few as possible.

    Claims that are in the right place stay; of the rest the largest goes where most is wanted.
    """
    wanted: Wanted = {line: dict(places) for line, places in plan.items()}
    placed, moving = _keep(slices, wanted)
    left: list[Allocation] = []
    for piece in sorted(moving, key=lambda one: (one.line_id, -one.quantity, one.pk)):
        found, rest = _place(piece, wanted.get(piece.line_id, {}))
        placed += found
        left += rest
    return Share(placed, left)


def _keep(slices: Iterable[Allocation], wanted: Wanted) -> tuple[list[Placed], list[Allocation]]:
    placed, moving = [], []
    for piece in slices:
        place = piece.location_id if piece.reservation_id else None
        places = wanted.get(piece.line_id, {})
        units = min(piece.quantity, places.get(place, 0)) if place is not None else 0
        if place is None or not units:
            moving.append(piece)
            continue
        if units < piece.quantity:
            moving.append(lifecycle.split_slice(piece, quantity=piece.quantity - units))
        _take(places, place, units)
        placed.append(Placed(piece, place, stays=True))
    return placed, moving


def _place(piece: Allocation, places: dict[int, int]) -> tuple[list[Placed], list[Allocation]]:
    placed = []
    while places:
        place = max(places, key=lambda key: (places[key] == piece.quantity, places[key], -key))
        units = min(piece.quantity, places[place])
        _take(places, place, units)
        placed.append(Placed(piece, place, stays=False))
        if units == piece.quantity:
            return placed, []
        piece = lifecycle.split_slice(piece, quantity=piece.quantity - units)
    return placed, [piece]


def _take(places: dict[int, int], place: int, units: int) -> None:
    places[place] -= units
    if not places[place]:
        del places[place]


def repoint(
    *,
    order_id: int,
    moving: Sequence[Placed],
    giving_up: Sequence[Allocation],
    products: Mapping[int, int],
    actor: str,
) -> dict[int, int]:
    """Move the claims of `moving` to their new places, and end those of `giving_up`.

    Returns slice id -> reservation id. Every stock row concerned is locked first, in the ledger's
    order, and it is seen that all new claims fit; only then does anything change, so a claim that
    cannot be had elsewhere is never given away. Raises Lost, with nothing changed.
    """
    claims = [
        ledger.Claim(one.piece.pk, products[one.piece.line_id], one.location, one.piece.quantity,
                     order_id)
        for one in moving
    ]  # fmt: skip
    ending = [one.piece for one in moving if one.piece.reservation_id] + list(giving_up)
    if not claims and not ending:
        return {}
    given = [piece.reservation_id for piece in ending if piece.reservation_id is not None]
    try:
        made = ledger.move(claims, given, owner_type="order", actor=actor, reason="routed")
    except ledger.NotEnough as short:
        raise Lost(f"no longer free: {short.rows} (product, stock point)") from short
    return {ref: claim.reservation for ref, claim in made.items()}


def lock_capacity(locations: Iterable[int]) -> None:
    """Lock stock points whose day is limited, in id order, so that parcels are counted in turn."""
    ids = sorted(locations)
    if ids:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM inventory_location WHERE id = ANY(%s) ORDER BY id"
                " FOR NO KEY UPDATE",
                [ids],
            )
