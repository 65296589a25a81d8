"""From a plan to slices and claims: who keeps what he holds, who is cut, whose claim moves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

from inventory import ledger
from orders import lifecycle
from orders.models import Allocation

Units = Mapping[int, Mapping[int, int]]  # line -> location -> units


Spot = tuple[int, int]  # location, product


class Lost(Exception):
    """Somebody was faster: what the plan counts on is no longer there. Read and decide again.

    `spots`: where units are missing, as far as it is known.
    """

    def __init__(self, words: str = "", *, spots: Iterable[Spot] = ()) -> None:
        super().__init__(words)
        self.spots = frozenset(spots)


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


@dataclass(frozen=True)
class Cut:
    """A slice and where its units go, first those that stay with its row."""

    piece: Allocation
    parts: tuple[tuple[int, int | None, bool], ...]  # units, stock point (None: it waits), stays


def cuts(slices: Sequence[Allocation], plan: Units) -> list[Cut]:
    """How slices of an order share out its plan, cutting as few of them as possible.

    Claims that are in the right place stay; of the rest the largest goes where most is wanted.
    """
    wanted = {line: dict(places) for line, places in plan.items()}
    kept = {piece.pk: _keep(piece, wanted.get(piece.line_id, {})) for piece in slices}
    pieces = sorted(slices, key=lambda one: (one.line_id, kept[one.pk] - one.quantity, one.pk))
    return [_cut(piece, kept[piece.pk], wanted.get(piece.line_id, {})) for piece in pieces]


def share_out(asked: Sequence[Sequence[Cut]]) -> list[Share]:
    """Cut the slices of orders; per order those with a place and those without.

    As many statements as the most often cut slice is cut, whatever the number of orders.
    """
    shares = [Share([], []) for _ in asked]
    todo = [(share, cut) for share, of_one in zip(shares, asked, strict=True) for cut in of_one]
    while todo:
        several = [(share, cut) for share, cut in todo if len(cut.parts) > 1]
        rests = lifecycle.split_slices(
            [(cut.piece, sum(units for units, *_ in cut.parts[1:])) for _, cut in several]
        )
        for share, cut in todo:
            _, place, stays = cut.parts[0]
            if place is None:
                share.left.append(cut.piece)
            else:
                share.placed.append(Placed(cut.piece, place, stays))
        todo = [
            (share, Cut(rest, cut.parts[1:]))
            for (share, cut), rest in zip(several, rests, strict=True)
        ]
    return shares


def _keep(piece: Allocation, places: dict[int, int]) -> int:
    """Units that may stay where the slice holds them."""
    place = piece.location_id
    if piece.reservation_id is None or place is None or place not in places:
        return 0
    units = min(piece.quantity, places[place])
    _take(places, place, units)
    return units


def _cut(piece: Allocation, kept: int, places: dict[int, int]) -> Cut:
    parts: list[tuple[int, int | None, bool]] = [(kept, piece.location_id, True)] if kept else []
    left = piece.quantity - kept
    while left and places:
        place = max(places, key=lambda key: (places[key] == left, places[key], -key))
        units = min(left, places[place])
        _take(places, place, units)
        parts.append((units, place, False))
        left -= units
    if left:
        parts.append((left, None, False))
    return Cut(piece, tuple(parts))


def _take(places: dict[int, int], place: int, units: int) -> None:
    places[place] -= units
    if not places[place]:
        del places[place]


def repoint(
    *, moving: Sequence[tuple[Placed, int]], giving_up: Sequence[Allocation], actor: str
) -> dict[int, int]:
    """Move the claims of placed slices (with their products), and end those of `giving_up`.

    Returns slice id -> reservation id. Every stock row concerned is locked first, in the ledger's
    order, and it is seen that all new claims fit; only then does anything change, so a claim that
    cannot be had elsewhere is never given away. Raises Lost, with nothing changed.
    """
    claims = [
        ledger.Claim(one.piece.pk, product, one.location, one.piece.quantity, one.piece.order_id)
        for one, product in moving
    ]
    ending = [one.piece for one, _ in moving if one.piece.reservation_id] + list(giving_up)
    given = [piece.reservation_id for piece in ending if piece.reservation_id is not None]
    if not claims and not given:
        return {}
    try:
        made = ledger.move(claims, given, owner_type="order", actor=actor, reason="routed")
    except ledger.NotEnough as short:
        spots = [(location, product) for product, location in short.rows]
        raise Lost(f"no longer free: {short.rows} (product, stock point)", spots=spots) from short
    return {ref: claim.reservation for ref, claim in made.items()}


def lock_capacity(locations: Iterable[int]) -> None:
    """Lock stock points whose day is limited, in id order, so that parcels are counted in turn."""
    ids = sorted(set(locations))
    if ids:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM inventory_location WHERE id = ANY(%s) ORDER BY id"
                " FOR NO KEY UPDATE",
                [ids],
            )
