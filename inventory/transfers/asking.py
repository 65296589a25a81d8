"""A transfer is asked for, and its units are claimed at the source."""

from collections.abc import Mapping
from datetime import date

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from config import status
from inventory.models import Location, Transfer, TransferLine
from inventory.transfers.table import (
    MOST_LINES,
    MOST_UNITS,
    MOVES,
    REFERENCE,
    BadEnds,
    BadLines,
    BadReference,
    Board,
    Flow,
    ReferenceTaken,
    S,
    claim,
    locked,
)


def create(
    *, flow: str, source: Location | None, destination: Location | None,
    units: Mapping[int, int], actor: str, reference: str = "", eta: date | None = None,
    note: str = "",
) -> Transfer:  # fmt: skip
    """A draft: units by product id, from one stock point to another. No stock moves yet.

    Without a reference it gets its own number. Raises BadEnds, BadLines, BadReference or
    ReferenceTaken.
    """
    if reference and not REFERENCE.fullmatch(reference):
        raise BadReference("a reference is up to 40 letters, digits, dots, dashes and underscores")
    _check_ends(flow, source, destination)
    if not 0 < len(units) <= MOST_LINES:
        raise BadLines(f"a transfer has 1 to {MOST_LINES} products")
    if not all(0 < quantity <= MOST_UNITS for quantity in units.values()):
        raise BadLines(f"units of a product are 1 to {MOST_UNITS}")
    with transaction.atomic():
        number = _number()
        row = Transfer(
            pk=number, reference=reference or f"T{number:05}", flow=flow, source=source,
            destination=destination, eta=eta, note=note, created_by=actor,
        )  # fmt: skip
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError as error:
            raise ReferenceTaken(f"there is a transfer {row.reference} already") from error
        TransferLine.objects.bulk_create(
            TransferLine(transfer=row, product_id=product, quantity=quantity)
            for product, quantity in sorted(units.items())
        )
    return row


def _check_ends(flow: str, source: Location | None, destination: Location | None) -> None:
    wanted = {
        Flow.BOTH: (True, True), Flow.SHIP_ONLY: (True, False), Flow.RECEIVE_ONLY: (False, True),
    }  # fmt: skip
    words = {
        Flow.BOTH: "needs a source and a destination",
        Flow.SHIP_ONLY: "needs a source and no destination",
        Flow.RECEIVE_ONLY: "needs a destination and no source",
    }
    if (source is not None, destination is not None) != wanted[Flow(flow)]:
        raise BadEnds(f"{Flow(flow).label} {words[Flow(flow)]}")
    if source == destination:
        raise BadEnds("source and destination are the same stock point")
    for place in (source, destination):
        if place is not None and place.archived:
            raise BadEnds(f"{place.name} is closed for good")


def _number() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('inventory_transfer', 'id'))")
        return int(cursor.fetchone()[0])


def confirm(*, transfer_id: int, actor: str) -> Transfer:
    """Claim the units at the source, all or nothing; again: claim what was taken away since.

    What is only received here is on the road from now on. Raises NotFree or IllegalMove.
    """
    with transaction.atomic():
        board = locked(transfer_id)
        row = board.row
        if row.flow == Flow.RECEIVE_ONLY:
            return _announce(board)
        board.check(S.CONFIRMED)
        claim(board, {pk: line.quantity - board.held(pk) for pk, line in board.lines.items()},
               actor=actor)  # fmt: skip
        status.move(row, S.CONFIRMED, allowed=MOVES)
    return row


def _announce(board: Board) -> Transfer:
    if board.row.state == S.SHIPPED:  # a second click
        return board.row
    status.move(board.row, S.CONFIRMED, allowed=MOVES)
    for line in board.lines.values():
        line.sent = line.quantity
    board.save("sent")
    status.move(board.row, S.SHIPPED, allowed=MOVES, shipped_at=timezone.now())
    return board.row
