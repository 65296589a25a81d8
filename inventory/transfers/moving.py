"""Units leave the source and arrive at the destination; figures count all units so far."""

from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from config import status
from inventory import ledger
from inventory.models import StockMovement, Transfer, TransferLine
from inventory.transfers.table import (
    CAUSE,
    MOST_UNITS,
    MOVES,
    SENT,
    Arrived,
    Board,
    CountedMore,
    Flow,
    NothingSent,
    NotOurs,
    S,
    TooMany,
    UnknownLine,
    claim,
    locked,
)

Kind = StockMovement.Kind


def ship(
    *, transfer_id: int, actor: str, sent: Mapping[int, int] | None = None, final: bool = False
) -> Transfer:
    """Units leave the source: how many of each line so far, by line id; None: everything.

    What is left stays claimed for a later shipment, unless this is the final one. Units that the
    transfer lost to others are claimed anew if they are free. Raises a Refused, IllegalMove, or
    ledger.NotEnough when the books do not have what is claimed.
    """
    with transaction.atomic():
        board = locked(transfer_id)
        row = board.row
        new = _to_send(board, sent)
        if row.state in SENT and not new and not (final and board.holds):
            return row
        if row.flow == Flow.RECEIVE_ONLY:
            raise NotOurs(row)
        board.check(S.PARTLY if row.state == S.PARTLY else S.SHIPPED)
        if not new and row.state == S.CONFIRMED:
            raise NothingSent(row)
        claim(board, {pk: units - board.held(pk) for pk, units in new.items()}, actor=actor)
        _send(board, new, actor=actor)
        if final:
            board.end_claims(actor=actor, reason="not sent")
        if row.shipped_at is None:
            status.move(row, S.SHIPPED, allowed=MOVES, shipped_at=timezone.now())
        board.settle()
    return row


def _to_send(board: Board, sent: Mapping[int, int] | None) -> dict[int, int]:
    wanted = {pk: line.quantity for pk, line in board.lines.items()} if sent is None else sent
    if set(wanted) - set(board.lines):
        raise UnknownLine(set(wanted) - set(board.lines))
    new = {}
    for pk, so_far in wanted.items():
        line = board.lines[pk]
        if so_far < line.sent:
            raise CountedMore(line, line.sent, field="sent")
        if so_far > line.quantity:
            raise TooMany(line, line.quantity, field="sent")
        if so_far > line.sent:
            new[pk] = so_far - line.sent
    return new


def _send(board: Board, new: Mapping[int, int], *, actor: str) -> None:
    going, cut = _cover(board, new)  # claims that go whole, units to cut off a claim; by claim
    line_of = {claim: pk for pk, claims in board.claims.items() for claim, _ in claims}
    pieces = {piece: line_of[claim] for claim, piece in ledger.split_many(cut).items()}
    for pk, units in new.items():
        board.lines[pk].sent += units
        left = [(c, size - cut.get(c, 0)) for c, size in board.claims[pk] if c not in going]
        board.claims[pk] = left
    board.claims = {pk: claims for pk, claims in board.claims.items() if claims}
    ledger.take(
        [(claim, _key(board.lines[pk], "sent", claim))
         for claim, pk in [*((c, line_of[c]) for c in going), *pieces.items()]],
        cause_type=CAUSE, actor=actor, kind=Kind.TRANSFER_OUT,
    )  # fmt: skip
    board.save("sent")


def _cover(board: Board, new: Mapping[int, int]) -> tuple[set[int], dict[int, int]]:
    going, cut = set(), {}
    for pk, units in new.items():
        left = units
        for held, size in board.claims[pk]:
            if size <= left:
                going.add(held)
            elif left > 0:
                cut[held] = left
            left = max(left - size, 0)
    return going, cut


def _key(line: TransferLine, what: str, number: int) -> str:
    return f"transfer:{line.pk}:{what}:{number}"


def receive(*, transfer_id: int, arrived: Mapping[int, Arrived], actor: str) -> Transfer:
    """Units arrived: how many of each line so far, by line id; more than were sent is counted too.

    The transfer closes by itself when nothing is left on the road. Units that come after it was
    closed are received and no longer lost. Raises a Refused or IllegalMove.
    """
    with transaction.atomic():
        board = locked(transfer_id, with_stock=False)
        row = board.row
        if row.flow == Flow.SHIP_ONLY:
            raise NotOurs(row)
        board.check(S.CLOSED if row.state == S.CLOSED else S.PARTLY)
        entries = [e for pk, so_far in _known(board, arrived) for e in _arrive(board, pk, so_far)]
        if not entries:
            return row
        for line in board.lines.values():
            line.lost = min(line.lost, max(line.sent - line.received - line.refused, 0))
        board.save("received", "refused", "lost")
        board.settle()
        ledger.post(entries, actor=actor)
    return row


def _known(board: Board, arrived: Mapping[int, Arrived]) -> list[tuple[int, Arrived]]:
    if set(arrived) - set(board.lines):
        raise UnknownLine(set(arrived) - set(board.lines))
    order = {pk: i for i, pk in enumerate(board.lines)}
    return sorted(arrived.items(), key=lambda row: order[row[0]])


def _arrive(board: Board, pk: int, so_far: Arrived) -> list[ledger.Entry]:
    line, place = board.lines[pk], board.row.destination_id
    assert place is not None
    entries = []
    for field in ("received", "refused"):
        now, before = getattr(so_far, field), getattr(line, field)
        if now < before:
            raise CountedMore(line, before, field=field)
        if now > MOST_UNITS:
            raise TooMany(line, MOST_UNITS, field=field)
        damaged = now - before if field == "refused" else 0
        if now > before:
            setattr(line, field, now)
            entries.append(ledger.Entry(
                line.product_id, place, Kind.TRANSFER_IN, on_hand=now - before,
                unavailable=damaged, bucket="damaged" if damaged else "",
                reason="refused: arrived damaged" if damaged else "", cause_type=CAUSE,
                cause_id=pk, key=_key(line, field, now),
            ))  # fmt: skip
    return entries
