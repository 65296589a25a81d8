"""A transfer ends: closed with what was lost, canceled, or its claims give way to orders."""

from django.db import transaction
from django.utils import timezone

from config import status
from inventory import ledger
from inventory.models import Reservation, Transfer
from inventory.transfers.table import MOVES, OWNER, S, locked


def close(*, transfer_id: int, actor: str) -> Transfer:
    """Nothing more will be sent or received: what never came is lost. Raises IllegalMove."""
    with transaction.atomic():
        board = locked(transfer_id)
        if board.row.state == S.CLOSED:
            return board.row
        board.check(S.CLOSED)
        board.end_claims(actor=actor, reason="transfer closed")
        for line in board.lines.values():
            line.lost += line.in_transit
        board.save("lost")
        board.settle()
    return board.row


def cancel(*, transfer_id: int, actor: str) -> Transfer:
    """Give the claims back; only before anything was sent. Raises IllegalMove."""
    with transaction.atomic():
        board = locked(transfer_id)
        if board.row.state == S.CANCELED:
            return board.row
        board.check(S.CANCELED)
        board.end_claims(actor=actor, reason="transfer canceled")
        status.move(board.row, S.CANCELED, allowed=MOVES, closed_at=timezone.now())
    return board.row


def give_way(*, product: int, location: int, units: int, actor: str) -> int:
    """Take up to `units` from the claims of transfers, the newest first; returns how many it took.

    For orders that would lose theirs otherwise. The lines keep their quantities and hold less, so
    the transfers show that they are short. Locks the stock row, not the transfers: whoever changes
    claims of a transfer takes its stock rows first.
    """
    with transaction.atomic():
        ledger.lock_rows([(product, location)])
        claims = Reservation.objects.filter(owner_type=OWNER, product=product, location=location)
        giving, left = [], units
        for claim, size in claims.order_by("-owner_id", "-id").values_list("pk", "quantity"):
            if left <= 0:
                break
            giving.append(claim if size <= left else ledger.split(claim, quantity=left))
            left -= min(size, left)
        if giving:
            ledger.release(giving, actor=actor, reason="shortage")
    return units - left
