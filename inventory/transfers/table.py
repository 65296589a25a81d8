"""Which state of a transfer may follow which, what can be wrong, and a transfer under its lock."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from config import status
from config.status import IllegalMove
from inventory import ledger
from inventory.models import Location, Product, Reservation, Stock, Transfer, TransferLine

OWNER = "transfer"  # of its claims; their owner id is the line's
CAUSE = "transfer_line"  # of its ledger entries
MOST_LINES = 1000
MOST_UNITS = 100_000
REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", re.ASCII)
S, Flow = Transfer.State, Transfer.Flow

# What was confirmed may be confirmed again: that claims what it lost meanwhile. What is closed may
# still receive units that were given up as lost.
MOVES: dict[str, frozenset[str]] = {
    S.DRAFT: frozenset({S.CONFIRMED, S.CANCELED}),
    S.CONFIRMED: frozenset({S.CONFIRMED, S.SHIPPED, S.CANCELED}),
    S.SHIPPED: frozenset({S.SHIPPED, S.PARTLY, S.CLOSED}),
    S.PARTLY: frozenset({S.PARTLY, S.CLOSED}),
    S.CLOSED: frozenset({S.CLOSED}),
    S.CANCELED: frozenset(),
}
SENT = (S.SHIPPED, S.PARTLY, S.CLOSED)


class Refused(Exception):
    """A transfer cannot go on like this; nothing was changed.

    `code` names the kind for machines; `field` is what was asked wrongly, if one thing was, and
    `line_id` the line it was asked of.
    """

    code = "refused"
    field = ""
    line_id: int | None = None


class BadEnds(Refused):
    """Source and destination do not fit the flow."""

    code = "bad_ends"
    field = "flow"


class BadLines(Refused):
    """No lines, too many, or units nobody can send."""

    code = "bad_lines"
    field = "lines"


class BadReference(Refused):
    """A reference that cannot stand in an address."""

    code = "bad_reference"
    field = "reference"


class ReferenceTaken(Refused):
    """Another transfer has this reference."""

    code = "reference_taken"
    field = "reference"


class UnknownLine(Refused):
    """Lines that this transfer does not have."""

    code = "unknown_line"
    field = "lines"

    def __init__(self, lines: Collection[int]) -> None:
        self.lines = sorted(lines)
        super().__init__(f"this transfer has no such line: {', '.join(map(str, self.lines))}")


class NotFree(Refused):
    """Units that are to be sent are not free at the source; promises to others stay."""

    code = "not_free"

    def __init__(self, source: Location, short: Sequence[tuple[str, int, int]]) -> None:
        self.short = list(short)  # (SKU, units wanted, units free)
        words = "; ".join(f"{sku}: {wanted} wanted, {free} free" for sku, wanted, free in short[:5])
        more = f" and {len(short) - 5} more" if len(short) > 5 else ""
        super().__init__(
            f"not free at {source.name}: {words}{more}. What is promised to others stays promised"
        )


class CountedMore(Refused):
    """Fewer units than were booked before: figures count all so far and cannot fall."""

    code = "counted_more"

    def __init__(self, line: TransferLine, before: int, *, field: str) -> None:
        self.line_id, self.before, self.field = line.pk, before, field
        super().__init__(
            f"{before} of {line.product.sku} were {field} before; the number counts all so far"
            " and cannot fall"
        )


class TooMany(Refused):
    """More units than were asked for, or than anybody can count."""

    code = "too_many"

    def __init__(self, line: TransferLine, most: int, *, field: str) -> None:
        self.line_id, self.most, self.field = line.pk, most, field
        super().__init__(f"at most {most} of {line.product.sku} can be {field}")


class NothingSent(Refused):
    """A shipment without a unit in it."""

    code = "nothing_sent"
    field = "lines"

    def __init__(self, row: Transfer) -> None:
        super().__init__(f"nothing of {row} would be sent; cancel it if it is not wanted")


class NotOurs(Refused):
    """The flow says that this end is not in our hands."""

    code = "other_end"

    def __init__(self, row: Transfer) -> None:
        super().__init__(f"{row} is {row.get_flow_display()}: the other end is not ours to book")


@dataclass(frozen=True)
class Arrived:
    """Units of a line that arrived so far: sellable, and damaged."""

    received: int = 0
    refused: int = 0


@dataclass
class Board:
    """A locked transfer, its lines, and the claims (reservation, units) of each, oldest first."""

    row: Transfer
    lines: dict[int, TransferLine]
    claims: dict[int, list[tuple[int, int]]]

    def held(self, line: int) -> int:
        return sum(units for _, units in self.claims.get(line, ()))

    @property
    def holds(self) -> list[int]:
        """Every claim there is."""
        return [claim for claims in self.claims.values() for claim, _ in claims]

    def check(self, to: str) -> None:
        if to not in MOVES[self.row.state]:
            raise IllegalMove(str(self.row), self.row.state, to, MOVES[self.row.state])

    def end_claims(self, *, actor: str, reason: str) -> None:
        if self.holds:
            ledger.release(self.holds, actor=actor, reason=reason)
        self.claims = {}

    def save(self, *fields: str) -> None:
        TransferLine.objects.bulk_update(self.lines.values(), fields)

    def settle(self) -> None:
        """Move to where the figures say it is: on the road, partly received, or closed."""
        lines = self.lines.values()
        arrived = any(line.received or line.refused for line in lines)
        if not self.claims and not any(line.in_transit for line in lines):
            now = timezone.now()
            closed_at = {} if self.row.closed_at else {"closed_at": now}
            status.move(self.row, S.CLOSED, allowed=MOVES, **closed_at)
        else:
            status.move(self.row, S.PARTLY if arrived else S.SHIPPED, allowed=MOVES)


def locked(transfer_id: int, *, with_stock: bool = True) -> Board:
    """A transfer under its lock, with lines and claims. Raises Transfer.DoesNotExist.

    With its stock rows at the source, so that its claims stay as they are read here.
    """
    row = (
        Transfer.objects.select_for_update(of=("self",), no_key=True)
        .select_related("source", "destination")
        .get(pk=transfer_id)
    )
    lines = row.lines.select_related("product").order_by("product_id")
    board = Board(row, {line.pk: line for line in lines}, {})
    for line in board.lines.values():
        line.transfer = row
    if with_stock and row.source_id is not None:
        ledger.lock_rows([(line.product_id, row.source_id) for line in board.lines.values()])
    for pk, owner, units in claims_of(board.lines).values_list("pk", "owner_id", "quantity"):
        board.claims.setdefault(owner, []).append((pk, units))
    return board


def claims_of(lines: Collection[int]) -> Any:
    """The claims of these lines, oldest first."""
    rows = Reservation.objects.filter(owner_type=OWNER, owner_id__in=list(lines))
    return rows.order_by("id")


def claim(board: Board, missing: Mapping[int, int], *, actor: str) -> None:
    source = board.row.source
    assert source is not None
    claims = [
        ledger.Claim(pk, board.lines[pk].product_id, source.pk, units, pk)
        for pk, units in missing.items()
        if units > 0
    ]
    made = ledger.reserve(claims, owner_type=OWNER, actor=actor)
    short = {claim.product: claim.quantity for claim in claims if claim.ref not in made}
    if short:
        raise NotFree(source, _free(source, short))
    for ref, claim in made.items():
        board.claims.setdefault(ref, []).append((claim.reservation, claim.quantity))


def _free(source: Location, wanted: Mapping[int, int]) -> list[tuple[str, int, int]]:
    rows = Stock.objects.filter(location=source, product__in=wanted)
    free = {row.product_id: row.free for row in rows}
    skus = Product.objects.filter(pk__in=wanted).order_by("sku").values_list("pk", "sku")
    return [(sku, wanted[pk], free.get(pk, 0)) for pk, sku in skus]
